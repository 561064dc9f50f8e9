//! Products: the plug-ins on sale, as described in `products.toml`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::customer::{EmailAddress, Language, Severity};
use crate::xml;

/// A product's name in keys, paths and claims, such as `sheet`: 1 to 32 characters of `a-z`, `0-9`
/// and `-`, starting with a letter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ProductSlug(String);

/// An invalid product slug. The message does not repeat the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a product's slug has 1 to 32 characters of a-z, 0-9 and '-', starting with a letter, such as sheet"
)]
pub struct ProductSlugError;

impl ProductSlug {
    /// The slug as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProductSlug {
    type Err = ProductSlugError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_valid = (1..=32).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if is_valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(ProductSlugError)
        }
    }
}

impl fmt::Display for ProductSlug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ProductSlug {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// A text in Japanese and English. Both are required.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bilingual {
    /// Japanese.
    pub ja: String,
    /// English.
    pub en: String,
}

impl Bilingual {
    /// The text in a language.
    pub fn get(&self, language: Language) -> &str {
        match language {
            Language::Ja => &self.ja,
            Language::En => &self.en,
        }
    }
}

/// A plug-in's id in kintone, derived from the plug-in's signing key: 32 letters from `a` to `p`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct KintonePluginId(String);

/// An invalid kintone plug-in id. The message does not repeat the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a kintone plug-in id has 32 letters from a to p")]
pub struct KintonePluginIdError;

/// The maximum number of kintone plug-in ids per product. A licence has an item per id and domain,
/// all written in one transaction, which DynamoDB limits to 100 items.
pub const MAX_KINTONE_PLUGIN_IDS: usize = 4;

impl KintonePluginId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KintonePluginId {
    type Err = KintonePluginIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_valid = text.len() == 32 && text.bytes().all(|b| (b'a'..=b'p').contains(&b));
        is_valid
            .then(|| Self(text.to_owned()))
            .ok_or(KintonePluginIdError)
    }
}

impl fmt::Display for KintonePluginId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for KintonePluginId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// A time zone with its IANA name, such as `Asia/Tokyo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// Looks the zone up in the time zone database that is compiled in.
    pub fn named(name: &str) -> Result<Self, ZoneError> {
        TimeZone::get(name)
            .map(Self)
            .map_err(|_| ZoneError(name.to_owned()))
    }

    /// The zone's IANA name.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// The zone as jiff's type.
    pub fn tz(&self) -> &TimeZone {
        &self.0
    }
}

/// The name is not in the time zone database.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a time zone; expected an IANA name such as Asia/Tokyo")]
pub struct ZoneError(String);

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::named(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// What the answer to a request without a serial contains, for a product that does not require one.
///
/// The sender of such a request may have guessed the tenant's name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WithoutSerial {
    /// Only what the plug-in needs: the code, and the instants at which it changes during the
    /// lease's lifetime.
    #[default]
    State,
    /// The same as the answer to a request with the serial.
    All,
}

/// The rules of a product that apply to its licences: time zone, cut-off, grace, lease lifetime.
///
/// The policy of the catalogue entry is copied into each licence when that is issued. A lookup
/// therefore reads one item, and a change of the catalogue does not change existing contracts.
///
/// A stored policy with a missing field is unreadable: no default may extend access. The only
/// default, of [`without_serial`](Self::without_serial), restricts it.
///
/// ```
/// use tegata_common::product::Catalogue;
///
/// let catalogue: Catalogue = serde_json::from_str(
///     r#"{ "issuer": "https://license.example.com",
///          "products": { "sheet": { "name": { "ja": "シート", "en": "Sheet" } } } }"#,
/// )?;
/// let policy = &catalogue.products[0].policy;
/// assert_eq!(policy.time_zone.name(), "Asia/Tokyo");
/// assert_eq!((policy.grace_days, policy.lease_days, policy.cancel_by_day), (7, 14, 20));
/// assert!(policy.check().is_ok());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// The `iss` claim of leases, such as `https://license.example.com`: 1 to 200 bytes without
    /// white space.
    pub issuer: String,
    /// The time zone of all dates. `Asia/Tokyo` by default.
    pub time_zone: Zone,
    /// The time of day at which a licence ends, on the day after its last day. Written `HH:MM`;
    /// `09:00` by default.
    #[serde(with = "hours_and_minutes")]
    pub cut_off: Time,
    /// Days of `GRACE` after `VALID` ends: 0 to 90, 7 by default.
    pub grace_days: u16,
    /// The lifetime of a lease in days: 1 to 90, 14 by default. It limits how long a plug-in works
    /// offline, and thus how long a removed licence can stay in use.
    pub lease_days: u16,
    /// Hours after which a plug-in requests a new lease: 1 to 168, less than half of `lease_days`;
    /// 24 by default.
    pub refresh_hours: u16,
    /// The last day of the month for a cancellation, in the term's last month: 1 to 31, 20 by
    /// default.
    pub cancel_by_day: i8,
    /// Whether a request must contain the serial. If so, a missing serial is treated as a wrong one.
    pub requires_serial: bool,
    /// What the answer to a request without a serial contains. Missing in licences that were
    /// written by earlier versions.
    #[serde(default)]
    pub without_serial: WithoutSerial,
    /// Where a customer gets help: a mail address or an `https` URL, up to 200 bytes. It is in each
    /// lease, and the plug-in shows it to administrators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub support: Option<String>,
    /// Where a customer buys or renews a licence: an `https` URL, up to 200 bytes. In each lease, as
    /// `support`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purchase_url: Option<String>,
}

fn default_zone() -> Zone {
    // Always in the compiled-in database; the fallback would be visible in every date.
    Zone(TimeZone::get("Asia/Tokyo").unwrap_or(TimeZone::UTC))
}

const fn default_cut_off() -> Time {
    Time::constant(9, 0, 0, 0)
}

const fn default_grace_days() -> u16 {
    7
}

const fn default_lease_days() -> u16 {
    14
}

const fn default_refresh_hours() -> u16 {
    24
}

const fn default_notice_days() -> u16 {
    7
}

fn default_languages() -> Vec<Language> {
    Language::ALL.to_vec()
}

const fn default_severity_floor() -> Severity {
    Severity::Minor
}

const fn default_cancel_by_day() -> i8 {
    20
}

/// A policy field outside its accepted range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} must be {accepted}")]
pub struct PolicyError {
    field: &'static str,
    accepted: &'static str,
}

impl Policy {
    /// Whether requests without a serial are answered with less than requests with it.
    pub fn limits_answers_without_serial(&self) -> bool {
        !self.requires_serial && self.without_serial == WithoutSerial::State
    }

    /// Checks the range of each field.
    pub fn check(&self) -> Result<(), PolicyError> {
        let rules = [
            (
                "issuer",
                "1 to 200 characters without blanks, such as https://license.example.com",
                (1..=200).contains(&self.issuer.len())
                    && !self.issuer.contains(char::is_whitespace),
            ),
            ("grace_days", "0 to 90", self.grace_days <= 90),
            ("lease_days", "1 to 90", (1..=90).contains(&self.lease_days)),
            (
                "refresh_hours",
                "1 to 168 and less than half of lease_days",
                (1..=168).contains(&self.refresh_hours)
                    && u32::from(self.refresh_hours) * 2 < u32::from(self.lease_days) * 24,
            ),
            (
                "cancel_by_day",
                "1 to 31",
                (1..=31).contains(&self.cancel_by_day),
            ),
            (
                "support",
                "a mail address or an https URL of up to 200 characters, such as support@example.com",
                self.support.as_deref().is_none_or(|support| {
                    is_https(support)
                        || (support.len() <= 200 && support.parse::<EmailAddress>().is_ok())
                }),
            ),
            (
                "purchase_url",
                "an https URL of up to 200 characters, such as https://www.example.com/sheet",
                self.purchase_url.as_deref().is_none_or(is_https),
            ),
        ];
        match rules.into_iter().find(|(_, _, holds)| !holds) {
            Some((field, accepted, _)) => Err(PolicyError { field, accepted }),
            None => Ok(()),
        }
    }
}

/// Whether a text is an `https` URL that people can read in a message: printable ASCII with a host, up
/// to 200 bytes.
fn is_https(text: &str) -> bool {
    let rest = text.strip_prefix("https://");
    rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
        && text.len() <= 200
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte))
}

mod hours_and_minutes {
    use super::{Deserialize, Deserializer, Serializer, Time, de};

    pub(super) fn serialize<S: Serializer>(time: &Time, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{:02}:{:02}", time.hour(), time.minute()))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Time, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parsed = text.split_once(':').and_then(|(hour, minute)| {
            let is_two_digits = |t: &str| t.len() == 2 && t.bytes().all(|b| b.is_ascii_digit());
            if !is_two_digits(hour) || !is_two_digits(minute) {
                return None;
            }
            Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
        });
        parsed.ok_or_else(|| de::Error::custom("a time of day is written HH:MM, such as 09:00"))
    }
}

/// A plug-in on sale: an entry of the [`Catalogue`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// The name used in keys and paths.
    pub slug: ProductSlug,
    /// The display name.
    pub name: Bilingual,
    /// The plug-in ids of its builds in kintone, at most [`MAX_KINTONE_PLUGIN_IDS`].
    pub kintone_plugin_ids: Vec<KintonePluginId>,
    /// The minimum lead time of a notice of a release or maintenance, in days: 0 to 90, 7 by
    /// default (white paper: a version-up is announced before it happens).
    #[serde(default = "default_notice_days")]
    pub notice_days: u16,
    /// The languages that a notice must have: those of the vendor's news pages. Both by default.
    #[serde(default = "default_languages")]
    pub languages: Vec<Language>,
    /// The lowest severity of the incidents that are mailed to primary contacts; `minor` by
    /// default. Less severe ones are on the pages only. Additional contacts have their own.
    #[serde(default = "default_severity_floor")]
    pub severity_floor: Severity,
    /// The policy that is copied into each of its licences.
    pub policy: Policy,
}

/// The content of `products.toml`: the issuer, and one table per product, named by its slug.
///
/// Fields that are left out get the default of [`Policy`] or [`Product`]. Unknown fields are
/// rejected, and so is a kintone plug-in id that is listed twice.
///
/// ```
/// use tegata_common::product::Catalogue;
///
/// // Any serde format; the CLI reads TOML.
/// let parse = |json: &str| serde_json::from_str::<Catalogue>(json);
/// let catalogue = parse(
///     r#"{ "issuer": "https://license.example.com",
///          "products": { "sheet": { "name": { "ja": "シート", "en": "Sheet" }, "grace_days": 14 } } }"#,
/// )?;
/// assert_eq!(catalogue.products[0].slug.as_str(), "sheet");
/// let error = parse(
///     r#"{ "issuer": "https://license.example.com",
///          "products": { "sheet": { "name": { "ja": "シート", "en": "Sheet" }, "grace_days": 91 } } }"#,
/// )
/// .unwrap_err();
/// assert_eq!(error.to_string(), "products.sheet: grace_days must be 0 to 90");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "CatalogueFile")]
pub struct Catalogue {
    /// The products, sorted by slug.
    pub products: Vec<Product>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CatalogueFile {
    issuer: String,
    products: BTreeMap<ProductSlug, CatalogueEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CatalogueEntry {
    name: Bilingual,
    #[serde(default)]
    kintone_plugin_ids: Vec<KintonePluginId>,
    #[serde(default = "default_zone")]
    time_zone: Zone,
    #[serde(default = "default_cut_off", with = "hours_and_minutes")]
    cut_off: Time,
    #[serde(default = "default_grace_days")]
    grace_days: u16,
    #[serde(default = "default_lease_days")]
    lease_days: u16,
    #[serde(default = "default_refresh_hours")]
    refresh_hours: u16,
    #[serde(default = "default_cancel_by_day")]
    cancel_by_day: i8,
    #[serde(default)]
    requires_serial: bool,
    #[serde(default)]
    without_serial: WithoutSerial,
    #[serde(default)]
    support: Option<String>,
    #[serde(default)]
    purchase_url: Option<String>,
    #[serde(default = "default_notice_days")]
    notice_days: u16,
    #[serde(default = "default_languages")]
    languages: Vec<Language>,
    #[serde(default = "default_severity_floor")]
    severity_floor: Severity,
}

/// Why a catalogue file is invalid. Each variant contains the product's slug.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    /// A policy field is out of range.
    #[error("products.{0}: {1}")]
    Policy(ProductSlug, PolicyError),
    /// A kintone plug-in id is listed twice in the file.
    #[error("products.{0}: its kintone plug-in id is listed twice in this file")]
    PluginId(ProductSlug),
    /// More than [`MAX_KINTONE_PLUGIN_IDS`].
    #[error("products.{0}: kintone_plugin_ids must have at most {MAX_KINTONE_PLUGIN_IDS} ids")]
    PluginIds(ProductSlug),
    /// The lead time is out of range.
    #[error("products.{0}: notice_days must be 0 to 90")]
    NoticeDays(ProductSlug),
    /// No language, or one that is listed twice.
    #[error(r#"products.{0}: languages must be ["ja"], ["en"] or both"#)]
    Languages(ProductSlug),
    /// A display name is blank.
    #[error("products.{0}: name.ja and name.en must not be empty")]
    Name(ProductSlug),
    /// A display name has a character that would make the news feed unreadable ([`crate::xml`]).
    #[error("products.{0}: name has U+{number:04X}, which XML 1.0 forbids", number = u32::from(*.1))]
    NameCharacter(ProductSlug, char),
}

impl TryFrom<CatalogueFile> for Catalogue {
    type Error = CatalogueError;

    fn try_from(file: CatalogueFile) -> Result<Self, Self::Error> {
        let mut seen = std::collections::BTreeSet::new();
        let mut products = Vec::new();
        for (slug, entry) in file.products {
            let policy = Policy {
                issuer: file.issuer.clone(),
                time_zone: entry.time_zone,
                cut_off: entry.cut_off,
                grace_days: entry.grace_days,
                lease_days: entry.lease_days,
                refresh_hours: entry.refresh_hours,
                cancel_by_day: entry.cancel_by_day,
                requires_serial: entry.requires_serial,
                without_serial: entry.without_serial,
                support: entry.support,
                purchase_url: entry.purchase_url,
            };
            policy
                .check()
                .map_err(|error| CatalogueError::Policy(slug.clone(), error))?;
            if entry.name.ja.trim().is_empty() || entry.name.en.trim().is_empty() {
                return Err(CatalogueError::Name(slug));
            }
            let names = [&entry.name.ja, &entry.name.en];
            if let Some(character) = names
                .into_iter()
                .find_map(|name| xml::first_forbidden(name))
            {
                return Err(CatalogueError::NameCharacter(slug, character));
            }
            if entry.notice_days > 90 {
                return Err(CatalogueError::NoticeDays(slug));
            }
            let languages = &entry.languages;
            let has_each_once = languages
                .iter()
                .zip(languages.iter().skip(1))
                .all(|(a, b)| a != b);
            if languages.is_empty() || languages.len() > Language::ALL.len() || !has_each_once {
                return Err(CatalogueError::Languages(slug));
            }
            if entry.kintone_plugin_ids.len() > MAX_KINTONE_PLUGIN_IDS {
                return Err(CatalogueError::PluginIds(slug));
            }
            for id in &entry.kintone_plugin_ids {
                if !seen.insert(id.clone()) {
                    return Err(CatalogueError::PluginId(slug));
                }
            }
            products.push(Product {
                slug,
                name: entry.name,
                kintone_plugin_ids: entry.kintone_plugin_ids,
                notice_days: entry.notice_days,
                languages: entry.languages,
                severity_floor: entry.severity_floor,
                policy,
            });
        }
        Ok(Self { products })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const PLUGIN_ID: &str = "abcdefghijklmnopabcdefghijklmnop";

    /// A catalogue of one product with these fields beside its name.
    fn catalogue(fields: &Value) -> Result<Product, String> {
        let mut entry = json!({ "name": { "ja": "シート", "en": "Sheet" } });
        for (name, value) in fields.as_object().unwrap() {
            entry[name] = value.clone();
        }
        let file = json!({
            "issuer": "https://license.example.com",
            "products": { "sheet": entry },
        });
        let read: Catalogue = serde_json::from_value(file).map_err(|error| error.to_string())?;
        let [product] = <[Product; 1]>::try_from(read.products).unwrap();
        Ok(product)
    }

    fn policy() -> Policy {
        catalogue(&json!({})).unwrap().policy
    }

    #[test]
    fn slugs_are_short_and_start_with_a_letter() {
        let longest = "a".repeat(32);
        for text in ["a", "sheet", "sheet-2", "a-", &longest] {
            let slug: ProductSlug = text.parse().unwrap();
            assert_eq!((slug.as_str(), slug.to_string().as_str()), (text, text));
            let stored = serde_json::to_value(&slug).unwrap();
            assert_eq!(stored, text);
            assert_eq!(serde_json::from_value::<ProductSlug>(stored).unwrap(), slug);
        }
        let too_long = "a".repeat(33);
        for text in [
            "",
            "2sheet",
            "-sheet",
            "Sheet",
            "she_et",
            "she et",
            "シート",
            &too_long,
        ] {
            assert_eq!(text.parse::<ProductSlug>(), Err(ProductSlugError), "{text}");
            assert!(serde_json::from_value::<ProductSlug>(text.into()).is_err());
        }
    }

    #[test]
    fn plugin_ids_are_32_letters_from_a_to_p() {
        let id: KintonePluginId = PLUGIN_ID.parse().unwrap();
        assert_eq!(
            (id.as_str(), id.to_string().as_str()),
            (PLUGIN_ID, PLUGIN_ID)
        );
        for text in [
            "",
            &PLUGIN_ID[1..],
            &format!("{PLUGIN_ID}a"),
            &PLUGIN_ID.replace('p', "q"),
            &PLUGIN_ID.to_uppercase(),
        ] {
            assert_eq!(text.parse::<KintonePluginId>(), Err(KintonePluginIdError));
            assert!(serde_json::from_value::<KintonePluginId>(text.into()).is_err());
        }
    }

    #[test]
    fn names_are_read_by_language() {
        let name = catalogue(&json!({})).unwrap().name;
        assert_eq!(name.get(Language::Ja), "シート");
        assert_eq!(name.get(Language::En), "Sheet");
    }

    #[test]
    fn zones_are_named_as_iana_names_them() {
        let zone = Zone::named("America/New_York").unwrap();
        assert_eq!(zone.name(), "America/New_York");
        assert_eq!(zone.tz().iana_name(), Some("America/New_York"));
        let stored = serde_json::to_value(&zone).unwrap();
        assert_eq!(stored, "America/New_York");
        assert_eq!(serde_json::from_value::<Zone>(stored).unwrap(), zone);
        let error = Zone::named("Tokyo").unwrap_err().to_string();
        assert!(error.starts_with("\"Tokyo\" is not a time zone"), "{error}");
        assert!(serde_json::from_value::<Zone>("Tokyo".into()).is_err());
    }

    #[test]
    fn what_a_catalogue_leaves_out_has_the_documented_value() {
        let product = catalogue(&json!({})).unwrap();
        assert_eq!(
            serde_json::to_value(product).unwrap(),
            json!({
                "slug": "sheet",
                "name": { "ja": "シート", "en": "Sheet" },
                "kintone_plugin_ids": [],
                "notice_days": 7,
                "languages": ["ja", "en"],
                "severity_floor": "minor",
                "policy": {
                    "issuer": "https://license.example.com",
                    "time_zone": "Asia/Tokyo",
                    "cut_off": "09:00",
                    "grace_days": 7,
                    "lease_days": 14,
                    "refresh_hours": 24,
                    "cancel_by_day": 20,
                    "requires_serial": false,
                    "without_serial": "state",
                },
            })
        );
    }

    #[test]
    fn a_request_without_a_serial_is_told_less_unless_it_is_refused_or_may_know_all() {
        for (requires_serial, without_serial, limits_answers) in [
            (false, WithoutSerial::State, true),
            (false, WithoutSerial::All, false),
            (true, WithoutSerial::State, false),
            (true, WithoutSerial::All, false),
        ] {
            let policy = Policy {
                requires_serial,
                without_serial,
                ..policy()
            };
            assert_eq!(
                policy.limits_answers_without_serial(),
                limits_answers,
                "{policy:?}"
            );
        }
    }

    #[test]
    fn support_is_a_mail_address_or_a_page_and_purchases_have_a_page() {
        let long = format!("https://{}.example.com/", "a".repeat(200));
        for (field, accepted, refused) in [
            (
                "support",
                vec![
                    "support@vendor.example",
                    "https://www.example.com/help?lang=ja",
                ],
                vec![
                    "",
                    "support",
                    "http://example.com/",
                    "javascript:alert(1)",
                    &long,
                ],
            ),
            (
                "purchase_url",
                vec!["https://www.example.com/sheet"],
                vec![
                    "",
                    "sales@vendor.example",
                    "https://",
                    "https:///x",
                    "https://a b/",
                    "https://日本.example/",
                    &long,
                ],
            ),
        ] {
            for text in accepted {
                let product = catalogue(&json!({ field: text })).unwrap();
                let stored = serde_json::to_value(&product.policy).unwrap();
                assert_eq!(stored[field], text);
                assert_eq!(
                    serde_json::from_value::<Policy>(stored).unwrap(),
                    product.policy
                );
            }
            for text in refused {
                let error = catalogue(&json!({ field: text })).unwrap_err();
                assert!(
                    error.contains(&format!("{field} must be")),
                    "{text}: {error}"
                );
            }
        }
    }

    #[test]
    fn policies_keep_their_ranges() {
        type Change = fn(&mut Policy, u16);
        let issuer: Change = |policy, length| policy.issuer = "i".repeat(length.into());
        let grace: Change = |policy, days| policy.grace_days = days;
        // The longest lease leaves room for every refresh.
        let lease: Change = |policy, days| (policy.lease_days, policy.refresh_hours) = (days, 1);
        let refresh: Change =
            |policy, hours| (policy.lease_days, policy.refresh_hours) = (90, hours);
        let refresh_of_two_days: Change =
            |policy, hours| (policy.lease_days, policy.refresh_hours) = (2, hours);
        let cancel: Change = |policy, day| policy.cancel_by_day = i8::try_from(day).unwrap();
        for (change, field, accepted, refused) in [
            (issuer, "issuer", [1, 200], vec![0, 201]),
            (grace, "grace_days", [0, 90], vec![91]),
            (lease, "lease_days", [1, 90], vec![0, 91]),
            (refresh, "refresh_hours", [1, 168], vec![0, 169]),
            // Less than half of the lease, so that a plug-in that asks in time has a lease left.
            (refresh_of_two_days, "refresh_hours", [1, 23], vec![24, 25]),
            (cancel, "cancel_by_day", [1, 31], vec![0, 32]),
        ] {
            for value in accepted {
                let mut policy = policy();
                change(&mut policy, value);
                assert_eq!(policy.check(), Ok(()), "{field} {value}");
            }
            for value in refused {
                let mut policy = policy();
                change(&mut policy, value);
                let error = policy.check().unwrap_err();
                assert_eq!(error.field, field, "{value}");
                let words = error.to_string();
                assert!(words.starts_with(&format!("{field} must be ")), "{words}");
            }
        }
        let blank = Policy {
            issuer: "https://license example.com".to_owned(),
            ..policy()
        };
        assert_eq!(blank.check().unwrap_err().field, "issuer");
    }

    #[test]
    fn times_of_day_are_two_and_two_digits() {
        for text in ["00:00", "09:05", "23:59"] {
            let product = catalogue(&json!({ "cut_off": text })).unwrap();
            let stored = serde_json::to_value(product.policy).unwrap();
            assert_eq!(stored["cut_off"], text);
        }
        for text in [
            "9:00", "09:5", "09:005", "+9:00", "09:+5", "24:00", "09:60", "0900", "09:00:00",
        ] {
            let error = catalogue(&json!({ "cut_off": text })).unwrap_err();
            assert_eq!(
                error, "a time of day is written HH:MM, such as 09:00",
                "{text}"
            );
        }
    }

    #[test]
    fn a_catalogue_is_refused_with_the_product_and_the_reason() {
        let ids = |count: usize| -> Vec<String> {
            let letters = ('a'..='p').take(count);
            letters
                .map(|letter| letter.to_string().repeat(32))
                .collect()
        };
        let most = catalogue(&json!({ "kintone_plugin_ids": ids(MAX_KINTONE_PLUGIN_IDS) }));
        assert_eq!(
            most.unwrap().kintone_plugin_ids.len(),
            MAX_KINTONE_PLUGIN_IDS
        );
        let latest = catalogue(&json!({ "notice_days": 90 }));
        assert_eq!(latest.unwrap().notice_days, 90);
        for (fields, expected) in [
            (
                json!({ "grace_days": 91 }),
                "products.sheet: grace_days must be 0 to 90",
            ),
            (
                json!({ "kintone_plugin_ids": ids(MAX_KINTONE_PLUGIN_IDS + 1) }),
                "products.sheet: kintone_plugin_ids must have at most 4 ids",
            ),
            (
                json!({ "kintone_plugin_ids": [PLUGIN_ID, PLUGIN_ID] }),
                "products.sheet: its kintone plug-in id is listed twice in this file",
            ),
            (
                json!({ "languages": [] }),
                r#"products.sheet: languages must be ["ja"], ["en"] or both"#,
            ),
            (
                json!({ "languages": ["ja", "ja"] }),
                r#"products.sheet: languages must be ["ja"], ["en"] or both"#,
            ),
            (
                json!({ "notice_days": 91 }),
                "products.sheet: notice_days must be 0 to 90",
            ),
            (
                json!({ "name": { "ja": "　", "en": "Sheet" } }),
                "products.sheet: name.ja and name.en must not be empty",
            ),
            (
                json!({ "name": { "ja": "シート", "en": "" } }),
                "products.sheet: name.ja and name.en must not be empty",
            ),
            (
                json!({ "name": { "ja": "シート", "en": "Sheet\u{ffff}" } }),
                "products.sheet: name has U+FFFF, which XML 1.0 forbids",
            ),
        ] {
            assert_eq!(catalogue(&fields).unwrap_err(), expected);
        }
        assert!(catalogue(&json!({ "grace_day": 7 })).is_err());
    }

    #[test]
    fn products_stand_in_the_order_of_their_slugs() {
        let name = json!({ "ja": "シート", "en": "Sheet" });
        let file = json!({
            "issuer": "https://license.example.com",
            "products": { "sheet": { "name": name }, "gantt": { "name": name } },
        });
        let read: Catalogue = serde_json::from_value(file).unwrap();
        let slugs: Vec<&str> = read.products.iter().map(|of| of.slug.as_str()).collect();
        assert_eq!(slugs, ["gantt", "sheet"]);
    }
}
