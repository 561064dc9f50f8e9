//! Who is told: a pure function of the contracts and the contacts.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::delivery::CustomerName;
use super::id::ContactHash;
use crate::customer::{Contact, Customer, CustomerId, EmailAddress, Language, Role, Severity};
use crate::domain::Domain;
use crate::product::ProductSlug;

/// What is to be told.
#[derive(Clone, Debug)]
pub enum NoticeScope {
    /// A release, or maintenance: for those whom the product's contracts name.
    Planned,
    /// An incident, or its update.
    Incident(Severity),
}

/// A licence that can be used: whose it is, and what for.
#[derive(Clone, Debug)]
pub struct Entitlement {
    /// Whose contract it is, where that is recorded.
    pub customer: Option<CustomerId>,
    /// The tenant.
    pub domain: Domain,
    /// The product.
    pub product: ProductSlug,
}

/// A customer with its contacts.
#[derive(Clone, Debug)]
pub struct Member {
    /// The customer.
    pub customer: Customer,
    /// Its contacts.
    pub contacts: Vec<Contact>,
}

/// As what a contact is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecipientRole {
    /// As the contact registered with a contract.
    Primary,
    /// As one who asked for it.
    Additional,
}

impl RecipientRole {
    /// The reason as it stands in listings and mails.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Additional => "additional",
        }
    }
}

/// Somebody who is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Where to.
    pub email: EmailAddress,
    /// In which language.
    pub language: Language,
    /// As what.
    pub why: RecipientRole,
    /// On behalf of which customers, by id.
    pub customers: Vec<CustomerName>,
}

/// A contract whose contact cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unreachable {
    /// Whose.
    pub who: String,
    /// Why.
    pub because: UnreachableBecause,
}

/// Why nobody can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UnreachableBecause {
    /// The licence names no customer.
    NoCustomer,
    /// The customer is not in the table.
    UnknownCustomer,
    /// The customer has no primary contact.
    NoPrimaryContact,
    /// Mail to all its primary contacts bounced, was complained about, or is suppressed.
    Undeliverable,
}

impl UnreachableBecause {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::NoCustomer => "its licence names no customer",
            Self::UnknownCustomer => "there is no such customer",
            Self::NoPrimaryContact => "it has no primary contact",
            Self::Undeliverable => "mail to its primary contacts does not arrive",
        }
    }
}

/// Who is told, and who cannot be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audience {
    /// Whom to tell, by address; no address twice.
    pub recipients: Vec<Recipient>,
    /// Contracts of which nobody can be told, by name.
    pub unreachable: Vec<Unreachable>,
    /// Contacts left out because mail to them does not arrive.
    pub undeliverable: usize,
}

/// Works out the audience.
///
/// - A release or maintenance goes to the primary contacts of every customer with a usable licence
///   of one of the products (all, if there are none), and to additional ones who asked for it.
/// - An incident goes to the same primary contacts, and to additional ones whose floor it reaches.
/// - `told` are the contacts that earlier updates went to: they get this one too, as long as they
///   are contacts at all.
/// - An address that several customers have is told once, in the language of a primary contact of
///   the first of them by id.
/// - `undeliverable` are addresses that bounced for good, complained, or are suppressed.
pub fn audience(
    occasion: &NoticeScope,
    products: &[ProductSlug],
    rights: &[Entitlement],
    members: &[Member],
    told: &BTreeSet<ContactHash>,
    undeliverable: &BTreeSet<ContactHash>,
) -> Audience {
    let mut audience = Audience::default();
    let mut unreachable = BTreeSet::new();
    let mut entitled = BTreeSet::new();
    for right in rights {
        if !products.is_empty() && !products.contains(&right.product) {
            continue;
        }
        match &right.customer {
            Some(id) => {
                entitled.insert(id);
            }
            None => {
                unreachable.insert(Unreachable {
                    who: format!("{} {}", right.domain, right.product),
                    because: UnreachableBecause::NoCustomer,
                });
            }
        }
    }
    let members: BTreeMap<&CustomerId, &Member> = members
        .iter()
        .map(|member| (&member.customer.customer_id, member))
        .collect();
    for id in &entitled {
        let because = match members.get(id) {
            None => Some(UnreachableBecause::UnknownCustomer),
            Some(member) => why_unreachable(member, undeliverable),
        };
        if let Some(because) = because {
            let who = id.to_string();
            unreachable.insert(Unreachable { who, because });
        }
    }

    let mut recipients: BTreeMap<String, Recipient> = BTreeMap::new();
    let mut left_out = BTreeSet::new();
    for (id, member) in members {
        for contact in &member.contacts {
            let hash = ContactHash::of(&contact.email);
            let is_meant = entitled.contains(id) && wants(contact, occasion);
            if !is_meant && !told.contains(&hash) {
                continue;
            }
            if undeliverable.contains(&hash) {
                left_out.insert(hash);
                continue;
            }
            add(&mut recipients, member, contact);
        }
    }
    audience.recipients = recipients.into_values().collect();
    audience.unreachable = unreachable.into_iter().collect();
    audience.undeliverable = left_out.len();
    audience
}

fn wants(contact: &Contact, occasion: &NoticeScope) -> bool {
    let wishes = contact.wishes;
    match (wishes.role, occasion) {
        (Role::Primary, _) => true,
        (Role::Additional, NoticeScope::Planned) => wishes.releases,
        (Role::Additional, NoticeScope::Incident(severity)) => wishes
            .severity_floor
            .is_some_and(|floor| floor <= *severity),
    }
}

fn why_unreachable(
    member: &Member,
    undeliverable: &BTreeSet<ContactHash>,
) -> Option<UnreachableBecause> {
    let contacts = member.contacts.iter();
    let mut primary = contacts
        .filter(|contact| contact.wishes.role == Role::Primary)
        .peekable();
    if primary.peek().is_none() {
        return Some(UnreachableBecause::NoPrimaryContact);
    }
    let mut primary = primary.map(|contact| ContactHash::of(&contact.email));
    primary
        .all(|hash| undeliverable.contains(&hash))
        .then_some(UnreachableBecause::Undeliverable)
}

fn add(recipients: &mut BTreeMap<String, Recipient>, member: &Member, contact: &Contact) {
    let why = match contact.wishes.role {
        Role::Primary => RecipientRole::Primary,
        Role::Additional => RecipientRole::Additional,
    };
    let customer = CustomerName {
        customer_id: member.customer.customer_id.clone(),
        name: member.customer.name.as_str().to_owned(),
    };
    match recipients.get_mut(&contact.email.canonical()) {
        None => {
            let recipient = Recipient {
                email: contact.email.clone(),
                language: contact.wishes.language,
                why,
                customers: vec![customer],
            };
            recipients.insert(contact.email.canonical(), recipient);
        }
        Some(known) => {
            // Customers come by id: the first primary contact decides.
            if why < known.why {
                known.why = why;
                known.language = contact.wishes.language;
            }
            known.customers.push(customer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::customer::NotificationPreferences;
    use crate::domain::BaseDomains;

    fn contact(email: &str, role: Role, floor: Option<Severity>, releases: bool) -> Contact {
        let wishes = NotificationPreferences {
            role,
            language: Language::Ja,
            severity_floor: floor,
            releases,
        };
        Contact {
            email: email.parse().unwrap(),
            wishes,
        }
    }

    fn member(id: &str, contacts: Vec<Contact>) -> Member {
        let name = format!("Customer {id}").parse().unwrap();
        let customer = Customer {
            customer_id: id.parse().unwrap(),
            name,
        };
        Member { customer, contacts }
    }

    fn right(customer: Option<&str>, product: &str) -> Entitlement {
        let bases = BaseDomains::with_development(["kintone.test"]).unwrap();
        Entitlement {
            customer: customer.map(|id| id.parse().unwrap()),
            domain: bases.canonicalize("example.cybozu.com").unwrap(),
            product: product.parse().unwrap(),
        }
    }

    fn hashes(emails: &[&str]) -> BTreeSet<ContactHash> {
        emails
            .iter()
            .map(|email| ContactHash::of(&email.parse().unwrap()))
            .collect()
    }

    fn emails(audience: &Audience) -> Vec<&str> {
        audience
            .recipients
            .iter()
            .map(|recipient| recipient.email.as_str())
            .collect()
    }

    fn world() -> (Vec<Entitlement>, Vec<Member>) {
        let rights = vec![
            right(Some("C-1"), "sheet"),
            right(Some("C-2"), "gantt"),
            right(Some("C-2"), "sheet"),
        ];
        let members = vec![
            member(
                "C-1",
                vec![
                    contact("a@one.example", Role::Primary, None, false),
                    contact(
                        "b@one.example",
                        Role::Additional,
                        Some(Severity::Critical),
                        false,
                    ),
                    contact("c@one.example", Role::Additional, None, true),
                ],
            ),
            member(
                "C-2",
                vec![contact("a@two.example", Role::Primary, None, false)],
            ),
            member(
                "C-3",
                vec![contact("a@three.example", Role::Primary, None, false)],
            ),
        ];
        (rights, members)
    }

    #[test]
    fn who_is_told_of_what() {
        let (rights, members) = world();
        let (sheet, gantt) = ("sheet".parse().unwrap(), "gantt".parse().unwrap());
        let none = BTreeSet::new();
        let told = hashes(&["b@one.example", "a@three.example", "gone@one.example"]);
        use NoticeScope::{Incident, Planned};
        use Severity::{Critical, Major};
        for (occasion, products, told, expected) in [
            (
                Planned,
                vec![sheet],
                &none,
                vec!["a@one.example", "a@two.example", "c@one.example"],
            ),
            (Planned, vec![gantt], &none, vec!["a@two.example"]),
            (
                Incident(Major),
                vec![],
                &none,
                vec!["a@one.example", "a@two.example"],
            ),
            // A raised severity adds those whose floor it reaches now.
            (
                Incident(Critical),
                vec![],
                &none,
                vec!["a@one.example", "a@two.example", "b@one.example"],
            ),
            // Those told before hear the rest, at any severity, if they are contacts still.
            (
                Incident(Major),
                vec![],
                &told,
                vec![
                    "a@one.example",
                    "a@three.example",
                    "a@two.example",
                    "b@one.example",
                ],
            ),
        ] {
            let audience = audience(&occasion, &products, &rights, &members, told, &none);
            assert_eq!(emails(&audience), expected, "{occasion:?} {products:?}");
            assert_eq!(audience.unreachable, []);
        }
    }

    #[test]
    fn an_address_is_told_once_and_as_a_primary_contact_first() {
        let mut english = contact("Shared@agency.example", Role::Primary, None, false);
        english.wishes.language = Language::En;
        let members = vec![
            member(
                "C-1",
                vec![contact(
                    "shared@agency.example",
                    Role::Additional,
                    None,
                    true,
                )],
            ),
            member("C-2", vec![english]),
        ];
        let rights = [right(Some("C-1"), "sheet"), right(Some("C-2"), "sheet")];
        let none = BTreeSet::new();
        let audience = audience(&NoticeScope::Planned, &[], &rights, &members, &none, &none);
        assert_eq!(audience.recipients.len(), 1);
        let recipient = &audience.recipients[0];
        assert_eq!(
            (recipient.language, recipient.why),
            (Language::En, RecipientRole::Primary)
        );
        let ids = recipient
            .customers
            .iter()
            .map(|customer| customer.customer_id.as_str());
        assert_eq!(ids.collect::<Vec<_>>(), ["C-1", "C-2"]);
    }

    #[test]
    fn who_cannot_be_told_is_named() {
        let (mut rights, mut members) = world();
        rights.push(right(None, "sheet"));
        rights.push(right(Some("C-8"), "sheet"));
        rights.push(right(Some("C-9"), "sheet"));
        members.push(member(
            "C-9",
            vec![contact("x@nine.example", Role::Additional, None, true)],
        ));
        let (none, lost) = (BTreeSet::new(), hashes(&["A@one.example", "c@one.example"]));
        let audience = audience(&NoticeScope::Planned, &[], &rights, &members, &none, &lost);
        assert_eq!(emails(&audience), ["a@two.example", "x@nine.example"]);
        assert_eq!(audience.undeliverable, 2);
        let unreachable: Vec<_> = audience
            .unreachable
            .iter()
            .map(|of| (of.who.as_str(), of.because))
            .collect();
        assert_eq!(
            unreachable,
            [
                ("C-1", UnreachableBecause::Undeliverable),
                ("C-8", UnreachableBecause::UnknownCustomer),
                ("C-9", UnreachableBecause::NoPrimaryContact),
                ("example.cybozu.com sheet", UnreachableBecause::NoCustomer),
            ]
        );
    }
}
