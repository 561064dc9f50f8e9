//! The recipients of a notice, as a pure function of contracts and contacts.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::delivery::CustomerName;
use super::id::ContactHash;
use crate::customer::{Contact, Customer, CustomerId, EmailAddress, Language, Role, Severity};
use crate::domain::Domain;
use crate::product::ProductSlug;

/// Which contacts a notice is meant for.
#[derive(Clone, Debug)]
pub enum NoticeScope {
    /// A release or maintenance: primary contacts, and additional contacts with `releases`.
    Planned,
    /// An incident: additional contacts whose `severity_floor` is not higher than its severity,
    /// and primary contacts if it is severe enough for them.
    Incident {
        /// The severity of the incident.
        severity: Severity,
        /// Whether primary contacts receive it ([`Notice::concerns_primary`](super::Notice::concerns_primary)).
        is_for_primary: bool,
    },
}

/// A contract that is told, reduced to what the audience depends on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entitlement {
    /// The tenant.
    pub domain: Domain,
    /// The product's slug.
    pub product: ProductSlug,
    /// The customer of the contract, if it is recorded.
    pub customer: Option<CustomerId>,
}

/// A customer and its contacts.
#[derive(Clone, Debug)]
pub struct Member {
    /// The customer.
    pub customer: Customer,
    /// The customer's contacts.
    pub contacts: Vec<Contact>,
}

/// The role in which a contact receives a notice. A mail explains it to the recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecipientRole {
    /// The contact registered with a contract.
    Primary,
    /// A contact that has subscribed to such notices.
    Additional,
}

impl RecipientRole {
    /// The role as written in listings and passed to the mail templates.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Additional => "additional",
        }
    }
}

/// A recipient of a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// The address that the mail is sent to.
    pub email: EmailAddress,
    /// The language of the mail.
    pub language: Language,
    /// The role in which the contact receives the notice.
    pub why: RecipientRole,
    /// The customers that the contact belongs to, sorted by id.
    pub customers: Vec<CustomerName>,
}

/// A customer or licence without a reachable primary contact.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Unreachable {
    /// The customer's id; `<domain> <product>` of a licence without a customer; or the key of an
    /// item that could not be read.
    pub who: String,
    /// The reason.
    pub because: UnreachableReason,
}

/// Why there is no reachable primary contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnreachableReason {
    /// The licence has no customer.
    NoCustomer,
    /// The customer is not in the table.
    UnknownCustomer,
    /// The customer has no primary contact.
    NoPrimaryContact,
    /// For each primary contact, mail has bounced permanently, caused a complaint, or is suppressed.
    Undeliverable,
    /// The licence, customer or contact cannot be read.
    Unreadable,
}

impl UnreachableReason {
    /// The reason as a text for operators.
    pub fn words(self) -> &'static str {
        match self {
            Self::NoCustomer => "the licence has no customer",
            Self::UnknownCustomer => "there is no such customer",
            Self::NoPrimaryContact => "the customer has no primary contact",
            Self::Undeliverable => "mail to the primary contacts cannot be delivered",
            Self::Unreadable => "the item cannot be read",
        }
    }
}

/// The recipients of an update, and the contracts that it does not reach.
///
/// Calculated by [`audience`]. Unreachable contracts are reported, because the promise to notify the
/// contract's contact is not kept for them until an operator acts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audience {
    /// The contracts that the notice is for, sorted.
    pub contracts: Vec<Entitlement>,
    /// The recipients, sorted by address. Each address occurs once.
    pub recipients: Vec<Recipient>,
    /// The contracts without a reachable primary contact, sorted.
    pub unreachable: Vec<Unreachable>,
    /// The number of contacts that were left out because mail to them cannot be delivered.
    pub undeliverable: usize,
}

/// Calculates the audience of an update.
///
/// - A release or maintenance goes to the primary contacts of every customer with one of the `rights`
///   to one of the `products` (all products, if empty), and to additional contacts with `releases`.
/// - An incident goes to the same primary contacts if it is for them, and to additional contacts whose
///   `severity_floor` is not higher than its severity. If it is not for primary contacts, no contract
///   is unreachable.
/// - `told` are the recipients of earlier updates. They also receive this one, unless they are no
///   longer contacts.
/// - `undeliverable` are addresses that have bounced permanently, complained, or are suppressed.
///   They receive nothing.
/// - An address of several customers receives one mail. A primary contact takes precedence over an
///   additional one for the role and the language; among equals, the first customer by id.
///
/// ```
/// use std::collections::BTreeSet;
/// use tegata_common::customer::{Contact, Customer};
/// use tegata_common::domain::BaseDomains;
/// use tegata_common::notice::{Entitlement, Member, NoticeScope, audience};
///
/// let entitlement = Entitlement {
///     customer: Some("C-0042".parse()?),
///     domain: BaseDomains::default().canonicalize("example.cybozu.com")?,
///     product: "sheet".parse()?,
/// };
/// let contact: Contact = serde_json::from_str(
///     r#"{ "email": "info@example.com", "role": "primary", "language": "ja",
///          "severity_floor": null, "releases": false }"#,
/// )?;
/// let customer = Customer { customer_id: "C-0042".parse()?, name: "Example".parse()? };
/// let member = Member { customer, contacts: vec![contact] };
/// let (products, none) = (["sheet".parse()?], BTreeSet::new());
/// let audience =
///     audience(&NoticeScope::Planned, &products, &[entitlement], &[member], &none, &none);
/// assert_eq!(audience.recipients[0].email.as_str(), "info@example.com");
/// assert!(audience.unreachable.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
    let is_for_primary = !matches!(
        occasion,
        NoticeScope::Incident {
            is_for_primary: false,
            ..
        }
    );
    let mut entitled = BTreeSet::new();
    for right in rights {
        if !products.is_empty() && !products.contains(&right.product) {
            continue;
        }
        audience.contracts.push(right.clone());
        match &right.customer {
            Some(id) => {
                entitled.insert(id);
            }
            None => {
                unreachable.insert(Unreachable {
                    who: format!("{} {}", right.domain, right.product),
                    because: UnreachableReason::NoCustomer,
                });
            }
        }
    }
    audience.contracts.sort();
    let members: BTreeMap<&CustomerId, &Member> = members
        .iter()
        .map(|member| (&member.customer.customer_id, member))
        .collect();
    for id in &entitled {
        let because = match members.get(id) {
            None => Some(UnreachableReason::UnknownCustomer),
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
    if is_for_primary {
        audience.unreachable = unreachable.into_iter().collect();
    }
    audience.undeliverable = left_out.len();
    audience
}

fn wants(contact: &Contact, occasion: &NoticeScope) -> bool {
    let wishes = contact.wishes;
    match (wishes.role, occasion) {
        (Role::Primary, NoticeScope::Planned) => true,
        (Role::Primary, NoticeScope::Incident { is_for_primary, .. }) => *is_for_primary,
        (Role::Additional, NoticeScope::Planned) => wishes.releases,
        (Role::Additional, NoticeScope::Incident { severity, .. }) => wishes
            .severity_floor
            .is_some_and(|floor| floor <= *severity),
    }
}

fn why_unreachable(
    member: &Member,
    undeliverable: &BTreeSet<ContactHash>,
) -> Option<UnreachableReason> {
    let contacts = member.contacts.iter();
    let mut primary = contacts
        .filter(|contact| contact.wishes.role == Role::Primary)
        .peekable();
    if primary.peek().is_none() {
        return Some(UnreachableReason::NoPrimaryContact);
    }
    let mut primary = primary.map(|contact| ContactHash::of(&contact.email));
    primary
        .all(|hash| undeliverable.contains(&hash))
        .then_some(UnreachableReason::Undeliverable)
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
            // Customers are sorted by id: the first primary contact wins.
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
    fn recipients_by_kind_and_severity() {
        let (rights, members) = world();
        let (sheet, gantt) = ("sheet".parse().unwrap(), "gantt".parse().unwrap());
        let none = BTreeSet::new();
        let told = hashes(&["b@one.example", "a@three.example", "gone@one.example"]);
        use NoticeScope::Planned;
        use Severity::{Critical, Major};
        let incident = |severity, is_for_primary| NoticeScope::Incident {
            severity,
            is_for_primary,
        };
        for (occasion, products, told, expected) in [
            (
                Planned,
                vec![sheet],
                &none,
                vec!["a@one.example", "a@two.example", "c@one.example"],
            ),
            (Planned, vec![gantt], &none, vec!["a@two.example"]),
            (
                incident(Major, true),
                vec![],
                &none,
                vec!["a@one.example", "a@two.example"],
            ),
            // Below the severity from which primary contacts receive it.
            (incident(Major, false), vec![], &none, vec![]),
            (
                incident(Critical, false),
                vec![],
                &none,
                vec!["b@one.example"],
            ),
            // A raised severity adds the contacts whose floor it now reaches.
            (
                incident(Critical, true),
                vec![],
                &none,
                vec!["a@one.example", "a@two.example", "b@one.example"],
            ),
            // Recipients of earlier updates get this one at any severity, if they are still contacts.
            (
                incident(Major, true),
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
    fn an_address_gets_one_mail_and_primary_contacts_take_precedence() {
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
    fn unreachable_contracts_are_reported() {
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
                ("C-1", UnreachableReason::Undeliverable),
                ("C-8", UnreachableReason::UnknownCustomer),
                ("C-9", UnreachableReason::NoPrimaryContact),
                ("example.cybozu.com sheet", UnreachableReason::NoCustomer),
            ]
        );
    }
}
