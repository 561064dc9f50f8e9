//! The tenants that run certain versions of a product.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use tegata_common::product::ProductSlug;
use tegata_common::usage::{Counts, DomainUsage, OTHERS, UNKNOWN};

use super::Place;
use crate::{Error, Period};

/// The tenants whose plug-in has named one of the versions on the last day of a period on which the
/// tenant asked for a licence, sorted. Only requests that are confirmed to be the tenant's count.
pub async fn running(
    place: &Place<'_>,
    product: &ProductSlug,
    versions: &[String],
    period: Period,
) -> Result<Vec<String>, Error> {
    let mut rows = Vec::new();
    for day in place.usage.days().await? {
        if (period.from..=period.to).contains(&day.date) {
            rows.extend(place.usage.rows(product.as_str(), day.date).await?);
        }
    }
    Ok(
        last_versions(rows, |counts| counts.versions.into_keys().collect())
            .into_iter()
            .filter(|(_, (_, last))| versions.iter().any(|version| last.contains(version)))
            .map(|(domain, _)| domain)
            .collect(),
    )
}

/// The last day on which each tenant ran a version, and the versions of that day.
pub(crate) fn last_versions(
    rows: impl IntoIterator<Item = DomainUsage>,
    versions_of: impl Fn(Counts) -> BTreeSet<String>,
) -> BTreeMap<String, (Date, BTreeSet<String>)> {
    let mut last: BTreeMap<String, (Date, BTreeSet<String>)> = BTreeMap::new();
    let is_tenant = |row: &DomainUsage| ![UNKNOWN, OTHERS].contains(&row.domain.as_str());
    for row in rows.into_iter().filter(is_tenant) {
        let versions = versions_of(row.counts);
        let known = last.get(&row.domain).map(|(date, _)| *date);
        if !versions.is_empty() && known.is_none_or(|date| date <= row.date) {
            last.insert(row.domain, (row.date, versions));
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_day_of_each_tenant_decides() {
        let row = |domain: &str, day: i8, versions: &[&str]| DomainUsage {
            product: "sheet".to_owned(),
            date: Date::constant(2026, 11, day),
            domain: domain.to_owned(),
            counts: Counts {
                versions: versions.iter().map(|of| ((*of).to_owned(), 1)).collect(),
                ..Counts::default()
            },
        };
        let rows = vec![
            row("a.cybozu.com", 20, &["1.9.0"]),
            row("a.cybozu.com", 1, &["1.8.0"]),
            row("b.cybozu.com", 1, &["1.8.0", "1.7.0"]),
            row("b.cybozu.com", 2, &[]),
            row(UNKNOWN, 3, &["1.8.0"]),
            row(OTHERS, 3, &["1.8.0"]),
        ];
        let last = last_versions(rows, |counts| counts.versions.into_keys().collect());
        let last: Vec<(&str, Vec<&str>)> = last
            .iter()
            .map(|(domain, (_, of))| (domain.as_str(), of.iter().map(String::as_str).collect()))
            .collect();
        assert_eq!(
            last,
            [
                ("a.cybozu.com", vec!["1.9.0"]),
                ("b.cybozu.com", vec!["1.7.0", "1.8.0"]),
            ]
        );
    }
}
