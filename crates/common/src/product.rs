//! Products: the plug-ins sold, as `products.toml` describes them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::customer::Language;
use crate::xml;

/// A product's name in keys, paths and claims: `sheet`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ProductSlug(String);

/// A text that is no product slug. It does not repeat the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a product is 1 to 32 of a-z, 0-9 and '-', starting with a letter, such as sheet")]
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

/// A text in the two languages that operators and contacts read.
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

/// The id kintone gives a plug-in, derived from its signing key: 32 letters from a to p.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct KintonePluginId(String);

/// A text that is no kintone plug-in id. It does not repeat the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a kintone plug-in id is 32 letters from a to p")]
pub struct KintonePluginIdError;

/// How many kintone plug-in ids a product may have: a licence is written under each, for each of
/// its domains, in one transaction of at most 100 items.
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

/// A time zone by its IANA name, such as `Asia/Tokyo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// Finds the zone in the time zone database that is compiled in.
    pub fn named(name: &str) -> Result<Self, ZoneError> {
        TimeZone::get(name)
            .map(Self)
            .map_err(|_| ZoneError(name.to_owned()))
    }

    /// The zone's IANA name.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// The zone for jiff's calculations.
    pub fn tz(&self) -> &TimeZone {
        &self.0
    }
}

/// A name that is not in the time zone database.
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

/// What a request without a serial is told of a licence of a product that does not require one.
/// Its sender may have guessed the tenant's name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WithoutSerial {
    /// What the plug-in needs to decide: the code, and the instants at which it changes while the
    /// lease lives.
    #[default]
    State,
    /// Everything that a request with the serial is told.
    All,
}

/// What a product's catalogue entry fixes for its licences.
///
/// It is copied into each licence when that is issued, so that a lookup needs one item and a
/// changed catalogue changes no running contract by surprise. Read back, no field has a default
/// that opens anything: an item that lost one is unreadable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Who signs: the `iss` of the leases.
    pub issuer: String,
    /// The zone of all its dates.
    pub time_zone: Zone,
    /// The time on the day after the last day at which a licence ends.
    #[serde(with = "hours_and_minutes")]
    pub cut_off: Time,
    /// Days of `GRACE` after the end.
    pub grace_days: u16,
    /// The longest that a lease may be used offline, and so the longest that a removed licence
    /// can live on, in days.
    pub lease_days: u16,
    /// Hours after which a plug-in asks again.
    pub refresh_hours: u16,
    /// The day of a term's last month up to which it can be cancelled.
    pub cancel_by_day: i8,
    /// Whether a request must carry the serial.
    pub requires_serial: bool,
    /// What a request is told that carries none. The one field with a default, which tells less:
    /// licences of earlier versions have none.
    #[serde(default)]
    pub without_serial: WithoutSerial,
}

fn default_zone() -> Zone {
    // In the database that is compiled in; were it not, UTC would be visible in every date.
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

const fn default_cancel_by_day() -> i8 {
    20
}

/// A value that the catalogue may not have, by field and accepted range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} must be {accepted}")]
pub struct PolicyError {
    field: &'static str,
    accepted: &'static str,
}

impl Policy {
    /// Whether a request without a serial is answered, and told less than one with it.
    pub fn tells_less_without_serial(&self) -> bool {
        !self.requires_serial && self.without_serial == WithoutSerial::State
    }

    /// Checks the ranges of all fields.
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
        ];
        match rules.into_iter().find(|(_, _, holds)| !holds) {
            Some((field, accepted, _)) => Err(PolicyError { field, accepted }),
            None => Ok(()),
        }
    }
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

/// A plug-in sold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// Its name in keys and paths.
    pub slug: ProductSlug,
    /// Its display name.
    pub name: Bilingual,
    /// The ids under which kintone knows its builds.
    pub kintone_plugin_ids: Vec<KintonePluginId>,
    /// Days before a release or maintenance by which it has to be announced, at least.
    #[serde(default = "default_notice_days")]
    pub notice_days: u16,
    /// What it fixes for its licences.
    pub policy: Policy,
}

/// `products.toml`: the issuer, and one table per product under its slug.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "CatalogueFile")]
pub struct Catalogue {
    /// The products in the order of their slugs.
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
    #[serde(default = "default_notice_days")]
    notice_days: u16,
}

/// What makes a catalogue file unusable, with the product's slug.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    /// A policy out of range.
    #[error("products.{0}: {1}")]
    Policy(ProductSlug, PolicyError),
    /// Two products that claim one kintone plug-in id.
    #[error("products.{0}: its kintone plug-in id is listed twice in this file")]
    PluginId(ProductSlug),
    /// More kintone plug-in ids than a licence can be written under.
    #[error("products.{0}: kintone_plugin_ids must be at most {MAX_KINTONE_PLUGIN_IDS}")]
    PluginIds(ProductSlug),
    /// A lead time that nobody would keep.
    #[error("products.{0}: notice_days must be 0 to 90")]
    NoticeDays(ProductSlug),
    /// A display name that is blank.
    #[error("products.{0}: name.ja and name.en must not be empty")]
    Name(ProductSlug),
    /// A display name with a character with which no feed reader could read the news.
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
        for (requires_serial, without_serial, tells_less) in [
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
            assert_eq!(policy.tells_less_without_serial(), tells_less, "{policy:?}");
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
                "products.sheet: kintone_plugin_ids must be at most 4",
            ),
            (
                json!({ "kintone_plugin_ids": [PLUGIN_ID, PLUGIN_ID] }),
                "products.sheet: its kintone plug-in id is listed twice in this file",
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
