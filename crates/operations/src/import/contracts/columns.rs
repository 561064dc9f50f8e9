//! Parsing of a row of contracts, column by column.

use std::collections::BTreeMap;
use std::fmt::Display;

use jiff::Timestamp;
use jiff::civil::Date;
use tegata_common::calendar::Billing;
use tegata_common::customer::CustomerId;
use tegata_common::domain::{BaseDomains, Domain};
use tegata_common::license::{Cell, ContractRow, LicenseKind};
use tegata_common::product::{Policy, Product, ProductSlug};
use tegata_common::serial::{Serial, SerialHash};

use super::ParsedRow;
use crate::import::customers::choice;
use crate::import::table::{Refusal, Row, Table};
use crate::import::values::{date, instant, is_no_end};
use crate::licenses::quota;

/// Parses a row. It is not compared with other rows or with stored contracts.
pub(super) fn read<'s>(
    table: &Table,
    row: &'s Row,
    bases: &BaseDomains,
    products: &BTreeMap<ProductSlug, Product>,
) -> Result<ParsedRow<'s>, Refusal> {
    table.check_cells(row)?;
    let columns = Columns { table, row, bases };
    let product: ProductSlug = columns.parsed("product")?;
    let Some(policy) = products.get(&product).map(|product| &product.policy) else {
        let reason = "the product is not in the catalogue; see `tegata product apply`";
        return Err(columns.refuse("product", reason));
    };
    let kind = choice(table, row, "kind", "trial or paid", None)?;
    let main = columns.domain("domain", columns.text("domain"))?;
    let other_domains = columns.domains("other_domains")?;
    let development_domains = columns.domains("development_domains")?;
    let mut domains = vec![("domain", main.clone())];
    for (column, cell) in [
        ("other_domains", &other_domains),
        ("development_domains", &development_domains),
    ] {
        if let Cell::Value(more) = cell {
            domains.extend(more.iter().map(|domain| (column, domain.clone())));
        }
    }
    let usable_from = instant(columns.text("usable_from"), policy);
    let record = ContractRow {
        domain: main,
        kind,
        users: columns.users()?,
        billing: columns.billing("billing")?,
        usable_from: usable_from.map_err(|error| columns.refuse("usable_from", error))?,
        customer: columns.customer()?,
        edition: columns.edition(),
        quotas: columns.quotas()?,
        next_billing: match columns.cell("next_billing") {
            None => Cell::Missing,
            Some(_) => Cell::Value(columns.billing("next_billing")?),
        },
        first_term_on: columns.date("first_term_on")?,
        term_starts_on: columns.date("term_starts_on")?,
        ends_on: columns.ends_on(kind)?,
        suspended_from: columns.suspended_from(policy)?,
        other_domains,
        development_domains,
        serial_sha256: columns.serial()?,
        product,
    };
    Ok(ParsedRow {
        row,
        record,
        domains,
    })
}

/// A row during parsing.
struct Columns<'a> {
    table: &'a Table,
    row: &'a Row,
    bases: &'a BaseDomains,
}

impl<'a> Columns<'a> {
    /// A cell, or `None` if the file does not have the column.
    fn cell(&self, column: &str) -> Option<&'a str> {
        self.table.cell(self.row, column)
    }

    fn text(&self, column: &str) -> &'a str {
        self.cell(column).unwrap_or("")
    }

    fn refuse(&self, column: &str, reason: impl Display) -> Refusal {
        self.table.refuse(self.row, column, reason)
    }

    fn parsed<T: std::str::FromStr<Err: Display>>(&self, column: &str) -> Result<T, Refusal> {
        let parsed = self.text(column).parse();
        parsed.map_err(|error| self.refuse(column, error))
    }

    fn domain(&self, column: &str, text: &str) -> Result<Domain, Refusal> {
        let domain = self.bases.canonicalize(text);
        domain.map_err(|error| self.refuse(column, error))
    }

    /// Domains, separated by spaces.
    fn domains(&self, column: &str) -> Result<Cell<Vec<Domain>>, Refusal> {
        let Some(cell) = self.cell(column) else {
            return Ok(Cell::Missing);
        };
        let domains = cell
            .split_whitespace()
            .map(|name| self.domain(column, name));
        domains.collect::<Result<Vec<_>, _>>().map(Cell::Value)
    }

    fn users(&self) -> Result<u32, Refusal> {
        let users = self.text("users").parse();
        users.map_err(|_| self.refuse("users", "expected a number such as 50"))
    }

    fn billing(&self, column: &str) -> Result<Option<Billing>, Refusal> {
        match self.text(column) {
            "" => Ok(None),
            _ => choice(self.table, self.row, column, "monthly or yearly", None).map(Some),
        }
    }

    fn customer(&self) -> Result<Cell<Option<CustomerId>>, Refusal> {
        match self.cell("customer_id") {
            None => Ok(Cell::Missing),
            Some("") => Ok(Cell::Value(None)),
            Some(_) => self.parsed("customer_id").map(Some).map(Cell::Value),
        }
    }

    fn edition(&self) -> Cell<String> {
        match self.cell("edition") {
            None | Some("") => Cell::Missing,
            Some(edition) => Cell::Value(edition.to_owned()),
        }
    }

    fn quotas(&self) -> Result<Cell<BTreeMap<String, u64>>, Refusal> {
        let Some(cell) = self.cell("quotas") else {
            return Ok(Cell::Missing);
        };
        let quotas = cell.split_whitespace().map(quota);
        let quotas = quotas.collect::<Result<BTreeMap<_, _>, _>>();
        quotas
            .map(Cell::Value)
            .map_err(|error| self.refuse("quotas", error))
    }

    fn date(&self, column: &str) -> Result<Cell<Option<Date>>, Refusal> {
        match self.cell(column) {
            None => Ok(Cell::Missing),
            Some("") => Ok(Cell::Value(None)),
            Some(text) => match date(text) {
                Some(date) => Ok(Cell::Value(Some(date))),
                None => Err(self.refuse(column, "expected a date such as 2026-11-30")),
            },
        }
    }

    /// The last day. A day that means "no end" is `None`: the contract renews.
    fn ends_on(&self, kind: LicenseKind) -> Result<Cell<Option<Date>>, Refusal> {
        match self.date("ends_on")? {
            Cell::Value(Some(last_day)) if is_no_end(last_day) && kind == LicenseKind::Trial => {
                let reason = format!("a trial must have a last day; {last_day} means no end");
                Err(self.refuse("ends_on", reason))
            }
            Cell::Value(Some(last_day)) if is_no_end(last_day) => Ok(Cell::Value(None)),
            ends_on => Ok(ends_on),
        }
    }

    fn suspended_from(&self, policy: &Policy) -> Result<Cell<Option<Timestamp>>, Refusal> {
        match self.cell("suspended_from") {
            None => Ok(Cell::Missing),
            Some("") => Ok(Cell::Value(None)),
            Some(text) => {
                let from = instant(text, policy);
                let from = from.map_err(|error| self.refuse("suspended_from", error))?;
                Ok(Cell::Value(Some(from)))
            }
        }
    }

    /// The hash of the serial, from the column `serial` or `serial_sha256`.
    fn serial(&self) -> Result<Option<SerialHash>, Refusal> {
        let of_serial = match self.text("serial") {
            "" => None,
            serial => {
                let serial = Serial::parse_typed(serial);
                let serial = serial.map_err(|error| self.refuse("serial", error))?;
                Some(serial.hash())
            }
        };
        let of_hash = match self.text("serial_sha256") {
            "" => None,
            hash => {
                let hash = serde_json::from_value(hash.into());
                let expected = "expected 64 hexadecimal digits";
                Some(hash.map_err(|_| self.refuse("serial_sha256", expected))?)
            }
        };
        match (of_serial, of_hash) {
            (Some(a), Some(b)) if a != b => {
                Err(self.refuse("serial_sha256", "does not match the serial in this row"))
            }
            (a, b) => Ok(a.or(b)),
        }
    }
}
