//! `tegata license`: from an order to its end.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand, ValueEnum};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::json;
use tegata_common::calendar::{self, Billing};
use tegata_common::domain::Domain;
use tegata_common::lease::Lease;
use tegata_common::license::{Amendment, Code, License, Order, Plan, SignedLicense};
use tegata_common::product::{Product, ProductSlug};
use tegata_common::serial::Serial;
use tegata_common::signing::Signer;
use tegata_common::table::{Act, Key, Licenses, Revision, Stored, TableError};

use crate::change::{self, Difference, DryRun};
use crate::failure::{self, NotFound, Usage};
use crate::output::{self, Output, say};
use crate::place::Place;
use crate::when::{self, When};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Issue a licence, bought or for trial, and show its serial once.
    Issue(Issue),
    /// Show a licence, and the code it is answered with now.
    Show {
        #[command(flatten)]
        which: Which,
        /// Show the signed lease too.
        #[arg(long)]
        lease: bool,
    },
    /// List the licences of a domain, or all.
    List(List),
    /// Change edition, users or quotas, effective at once.
    Change(Change),
    /// Suspend a licence: its plug-in is told at its next request.
    Suspend {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        write: DryRun,
    },
    /// End a suspension. The contract's dates have not moved meanwhile.
    Resume {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        write: DryRun,
    },
    /// Cancel a contract: it ends with this term, or one term on if the deadline has passed.
    Cancel {
        #[command(flatten)]
        which: Which,
        /// The day on which the customer cancelled [default: today].
        #[arg(long, value_name = "DATE", value_parser = when::date)]
        on: Option<Date>,
        #[command(flatten)]
        write: DryRun,
    },
    /// Sign leases anew, with the active key and from now on: of one licence, or of all.
    ///
    /// The licences stay as they are. A licence whose grace is over is left alone.
    Resign(Resign),
    /// Bring back a licence as it was at an earlier version, signed anew.
    ///
    /// It reads nothing of the current item but its version, so that it also mends an item that
    /// can no longer be read.
    Restore {
        #[command(flatten)]
        which: Which,
        /// The version, as `history` lists it.
        #[arg(long)]
        version: u64,
        #[command(flatten)]
        write: DryRun,
    },
    /// Show every change of a licence: when, by whom, which fields.
    History {
        #[command(flatten)]
        which: Which,
    },
}

/// Which licence.
#[derive(Args)]
pub(crate) struct Which {
    /// The tenant's host name, such as example.cybozu.com.
    domain: String,
    /// The product's slug, such as sheet.
    product: ProductSlug,
}

#[derive(Args)]
pub(crate) struct Issue {
    #[command(flatten)]
    which: Which,
    /// A bought licence with terms of this length, from the 1st of next month on.
    #[arg(
        long,
        value_enum,
        required_unless_present = "trial",
        conflicts_with = "trial"
    )]
    billing: Option<BillingArg>,
    /// A trial of this many days.
    #[arg(long, value_name = "DAYS")]
    trial: Option<u16>,
    /// The edition.
    #[arg(long, default_value = "standard")]
    edition: String,
    /// The number of users.
    #[arg(long)]
    users: u32,
    /// A further limit; may be repeated.
    #[arg(long = "quota", value_name = "NAME=NUMBER", value_parser = quota)]
    quotas: Vec<(String, u64)>,
    /// The date or instant from which it works [default: now].
    #[arg(long, value_name = "WHEN")]
    usable_from: Option<When>,
    /// A serial that the customer has already [default: a new one].
    #[arg(long, value_parser = Serial::parse)]
    serial: Option<Serial>,
    #[command(flatten)]
    write: DryRun,
}

#[derive(Clone, Copy, ValueEnum)]
enum BillingArg {
    Monthly,
    Yearly,
}

#[derive(Args)]
pub(crate) struct List {
    /// Only this tenant's.
    domain: Option<String>,
    /// Only this product's.
    #[arg(long)]
    product: Option<ProductSlug>,
    /// Only those answered with this code now.
    #[arg(long, value_parser = code)]
    code: Option<Code>,
}

#[derive(Args)]
#[command(group = clap::ArgGroup::new("values").required(true).multiple(true))]
pub(crate) struct Change {
    #[command(flatten)]
    which: Which,
    /// The new edition.
    #[arg(long, group = "values")]
    edition: Option<String>,
    /// The new number of users.
    #[arg(long, group = "values")]
    users: Option<u32>,
    /// Set a limit; may be repeated.
    #[arg(long = "quota", value_name = "NAME=NUMBER", value_parser = quota, group = "values")]
    quotas: Vec<(String, u64)>,
    /// Remove a limit; may be repeated.
    #[arg(long = "no-quota", value_name = "NAME", group = "values")]
    no_quotas: Vec<String>,
    #[command(flatten)]
    write: DryRun,
}

#[derive(Args)]
pub(crate) struct Resign {
    /// The tenant's host name.
    #[arg(requires = "product", required_unless_present = "all")]
    domain: Option<String>,
    /// The product's slug.
    product: Option<ProductSlug>,
    /// All licences, or those that the other options pick.
    #[arg(long, conflicts_with = "domain")]
    all: bool,
    /// Only leases of which less than half of their days is left.
    #[arg(long, requires = "all")]
    due: bool,
    /// Only leases signed with this key, such as a compromised one.
    #[arg(long, value_name = "KID", requires = "all")]
    signed_with: Option<String>,
    #[command(flatten)]
    write: DryRun,
}

fn quota(text: &str) -> Result<(String, u64), String> {
    let parsed = text
        .split_once('=')
        .and_then(|(name, value)| Some((name.to_owned(), value.parse().ok()?)));
    parsed.ok_or_else(|| "expected NAME=NUMBER, such as records_per_day=1000".to_owned())
}

fn code(text: &str) -> Result<Code, String> {
    let upper = text.to_ascii_uppercase().replace('-', "_");
    serde_json::from_value(upper.into())
        .map_err(|_| "expected VALID, GRACE, EXPIRED, SUSPENDED or NOT_STARTED".to_owned())
}

pub(crate) async fn run(place: &Place, output: Output, command: Command) -> anyhow::Result<()> {
    let now = Timestamp::now();
    match command {
        Command::Issue(args) => issue(place, output, args, now).await,
        Command::Show { which, lease } => show(place, output, &which, lease, now).await,
        Command::List(args) => list(place, output, args, now).await,
        Command::Change(args) => {
            let set = args
                .quotas
                .into_iter()
                .map(|(name, value)| (name, Some(value)));
            let unset = args.no_quotas.into_iter().map(|name| (name, None));
            let mut quotas = BTreeMap::new();
            for (name, value) in set.chain(unset) {
                if quotas.insert(name.clone(), value).is_some() {
                    return Err(Usage(format!("quota {name} is named twice")).into());
                }
            }
            let amendment = Amendment {
                edition: args.edition,
                users: args.users,
                quotas,
            };
            let (editor, license) =
                Editor::open(place, output, &args.which, &args.write, now).await?;
            editor.write("change", license.amended(amendment)?).await
        }
        Command::Suspend { which, write } => {
            let (editor, license) = Editor::open(place, output, &which, &write, now).await?;
            editor.write("suspend", license.suspended(now)?).await
        }
        Command::Resume { which, write } => {
            let (editor, license) = Editor::open(place, output, &which, &write, now).await?;
            editor.write("resume", license.resumed()?).await
        }
        Command::Cancel { which, on, write } => {
            let (editor, license) = Editor::open(place, output, &which, &write, now).await?;
            let today = calendar::date_of(now, &license.policy);
            let on = on.unwrap_or(today);
            if on > today {
                return Err(Usage(format!("--on {on} is in the future; today is {today}")).into());
            }
            editor.write("cancel", license.cancelled(on)?).await
        }
        Command::Resign(args) => resign(place, output, args, now).await,
        Command::Restore {
            which,
            version,
            write,
        } => restore(place, output, &which, version, &write, now).await,
        Command::History { which } => history(place, output, &which).await,
    }
}

impl Which {
    fn domain(&self, place: &Place) -> anyhow::Result<Domain> {
        canonical(place, &self.domain)
    }

    fn missing(&self, domain: &Domain) -> NotFound {
        NotFound(format!("{domain} has no licence of {}", self.product))
    }
}

fn canonical(place: &Place, domain: &str) -> anyhow::Result<Domain> {
    let read = place.bases.canonicalize(domain);
    read.with_context(|| format!("domain {domain:?}"))
}

/// The product of this slug in the catalogue.
async fn product(place: &Place, slug: &ProductSlug) -> anyhow::Result<Product> {
    let stored = place.table.get::<Product>(&Key::product(slug)).await?;
    let stored = stored.ok_or_else(|| {
        NotFound(format!(
            "product {slug} is not in the catalogue; add it to products.toml and run `tegata product apply`"
        ))
    })?;
    Ok(stored.value)
}

async fn issue(place: &Place, output: Output, args: Issue, now: Timestamp) -> anyhow::Result<()> {
    let domain = args.which.domain(place)?;
    let product = product(place, &args.which.product).await?;
    let usable_from = match args.usable_from {
        Some(when) => when.instant(&product.policy)?,
        None => now,
    };
    let plan = match (args.billing, args.trial) {
        (Some(BillingArg::Monthly), _) => Plan::Paid {
            billing: Billing::Monthly,
        },
        (Some(BillingArg::Yearly), _) => Plan::Paid {
            billing: Billing::Yearly,
        },
        (None, days) => Plan::Trial {
            days: days.unwrap_or(0),
        },
    };
    let is_generated = args.serial.is_none();
    let serial = args.serial.map_or_else(Serial::generate, Ok)?;
    let order = Order {
        domain: domain.clone(),
        plan,
        edition: args.edition,
        users: args.users,
        quotas: args.quotas.into_iter().collect::<BTreeMap<_, _>>(),
        usable_from,
    };
    let license = License::issue(order, &product, serial.hash())?;
    let key = Key::license(&domain, &product.slug);
    if place.table.get::<SignedLicense>(&key).await?.is_some() {
        bail!(
            "{domain} has a licence of {} already; see `tegata license show`",
            product.slug
        );
    }
    let editor = Editor {
        place,
        output,
        dry_run: args.write.dry_run,
        now,
        key,
        before: None,
        revision: None,
        lease: None,
    };
    let shown = (is_generated && !editor.dry_run).then(|| serial.reveal());
    editor.write_with("issue", license, shown).await
}

/// A change on its way: the licence as it was read, and where to put it back.
struct Editor<'a> {
    place: &'a Place,
    output: Output,
    dry_run: bool,
    now: Timestamp,
    key: Key,
    /// What the change is shown against.
    before: Option<License>,
    /// What the write is conditioned on.
    revision: Option<Revision>,
    /// What the new lease has to be newer than.
    lease: Option<Lease>,
}

impl<'a> Editor<'a> {
    async fn open(
        place: &'a Place,
        output: Output,
        which: &Which,
        write: &DryRun,
        now: Timestamp,
    ) -> anyhow::Result<(Self, License)> {
        let domain = which.domain(place)?;
        let key = Key::license(&domain, &which.product);
        let before = place.table.get::<SignedLicense>(&key).await?;
        let Stored { value, revision } = before.ok_or_else(|| which.missing(&domain))?;
        let SignedLicense { license, lease } = value;
        let dry_run = write.dry_run;
        let editor = Self {
            place,
            output,
            dry_run,
            now,
            key,
            before: Some(license.clone()),
            revision: Some(revision),
            lease: Some(lease),
        };
        Ok((editor, license))
    }
}

impl Editor<'_> {
    async fn write(self, what: &str, license: License) -> anyhow::Result<()> {
        self.write_with(what, license, None).await
    }

    /// Prints the change, then signs and writes it unless this is a dry run.
    async fn write_with(
        self,
        what: &str,
        license: License,
        serial: Option<&str>,
    ) -> anyhow::Result<()> {
        let differences = change::differences(self.before.as_ref(), &license)?;
        if self.output == Output::Text {
            say!("{what} {}, {}:", license.domain, license.product);
            change::print(&differences);
        }
        if differences.is_empty() {
            return self.report(&license, what, &differences, None, "nothing to change");
        }
        // In a dry run too: it says so if the write could not be signed.
        let signer = self.place.signer().await?;
        if self.dry_run {
            let done = "dry run: nothing was written";
            return self.report(&license, what, &differences, None, done);
        }
        let signed = signer.sign(license, self.now, self.lease.as_ref()).await?;
        let act = Act {
            at: self.now,
            by: &self.place.caller,
            change: what,
        };
        let before = self.revision.as_ref();
        let written = self
            .place
            .table
            .put(&self.key, before, &signed, &act)
            .await?;
        let done = format!("written as version {}", written.version);
        let written = Some(Written {
            version: written.version,
            serial,
        });
        self.report(&signed.license, what, &differences, written, &done)
    }

    fn report(
        &self,
        license: &License,
        what: &str,
        differences: &[Difference],
        written: Option<Written<'_>>,
        done: &str,
    ) -> anyhow::Result<()> {
        let serial = written.as_ref().and_then(|written| written.serial);
        match self.output {
            Output::Text => {
                say!("{done}");
                if let Some(serial) = serial {
                    say!("\nserial, shown this once: {serial}");
                }
                Ok(())
            }
            Output::Json => output::json(&json!({
                "change": what,
                "domain": license.domain,
                "product": license.product,
                "dry_run": self.dry_run,
                "differences": differences,
                "version": written.map(|written| written.version),
                "serial": serial,
            })),
        }
    }
}

/// What a write made.
struct Written<'a> {
    version: u64,
    /// A serial that was generated for it.
    serial: Option<&'a str>,
}

async fn restore(
    place: &Place,
    output: Output,
    which: &Which,
    version: u64,
    write: &DryRun,
    now: Timestamp,
) -> anyhow::Result<()> {
    let domain = which.domain(place)?;
    let key = Key::license(&domain, &which.product);
    let history = place.table.history::<SignedLicense>(&key).await?;
    let missing = || NotFound(format!("{domain}, {}: no version {version}", which.product));
    let last_lease = history.iter().map(|stored| &stored.value.lease);
    let last_lease = last_lease.max_by_key(|lease| lease.issued_at).cloned();
    let of_version = history
        .iter()
        .find(|stored| stored.revision.version == version);
    let license = of_version.ok_or_else(missing)?.value.license.clone();
    let revision = place.table.revision(&key).await?;
    let editor = Editor {
        place,
        output,
        dry_run: write.dry_run,
        now,
        key,
        before: None,
        revision,
        lease: last_lease,
    };
    editor.write("restore", license).await
}

/// Signs leases anew. A licence that somebody changes meanwhile gets its new lease by that
/// change, and is counted apart.
async fn resign(place: &Place, output: Output, args: Resign, now: Timestamp) -> anyhow::Result<()> {
    let mut licenses = match (&args.domain, &args.product) {
        (Some(domain), Some(product)) => {
            let domain = canonical(place, domain)?;
            let stored = place.table.get(&Key::license(&domain, product)).await?;
            let missing = || NotFound(format!("{domain} has no licence of {product}"));
            Licenses {
                licenses: vec![stored.ok_or_else(missing)?],
                unreadable: Vec::new(),
            }
        }
        _ => place.table.licenses().await?,
    };
    licenses.licenses.retain(|stored| {
        let SignedLicense { license, lease } = &stored.value;
        let is_wanted = args
            .signed_with
            .as_ref()
            .is_none_or(|kid| *kid == lease.kid);
        let half = SignedDuration::from_hours(i64::from(license.policy.lease_days) * 12);
        let is_due = !args.due || lease.issued_at + half <= now;
        is_wanted && is_due && now < license.grace_until
    });
    let total = licenses.licenses.len();
    let (mut signed, mut changed_meanwhile, mut failed) = (0, 0, 0);
    if !args.write.dry_run && total > 0 {
        let signer = place.signer().await?;
        for (number, stored) in licenses.licenses.into_iter().enumerate() {
            match resign_one(place, &signer, stored, now).await {
                Ok(()) => signed += 1,
                Err(error) if failure::is_conflict(&error) => {
                    changed_meanwhile += 1;
                }
                // One licence's trouble must not keep the others' leases from being signed.
                Err(error) => {
                    failed += 1;
                    eprintln!("warning: {error:#}");
                }
            }
            if (number + 1) % 100 == 0 && output == Output::Text {
                eprintln!("{} of {total}", number + 1);
            }
        }
    }
    match (output, args.write.dry_run) {
        (Output::Json, dry_run) => {
            output::json(&json!({
                "change": "resign",
                "dry_run": dry_run,
                "leases": total,
                "signed": signed,
                "changed_meanwhile": changed_meanwhile,
                "failed": failed,
                "unreadable": licenses.unreadable.len(),
            }))?;
        }
        (Output::Text, true) => {
            say!("{total} leases would be signed anew\ndry run: nothing was written");
        }
        (Output::Text, false) => {
            say!("{signed} leases signed anew, {changed_meanwhile} changed meanwhile");
        }
    }
    if failed > 0 {
        bail!("{failed} leases could not be signed; run it again");
    }
    complain(&licenses.unreadable)
}

async fn resign_one(
    place: &Place,
    signer: &Signer,
    stored: Stored<SignedLicense>,
    now: Timestamp,
) -> anyhow::Result<()> {
    let SignedLicense { license, lease } = stored.value;
    let target = format!("{}, {}", license.domain, license.product);
    let key = Key::license(&license.domain, &license.product);
    let anew = signer.sign(license, now, Some(&lease)).await;
    let anew = anew.with_context(|| target.clone())?;
    let act = Act {
        at: now,
        by: &place.caller,
        change: "resign",
    };
    let put = place
        .table
        .put(&key, Some(&stored.revision), &anew, &act)
        .await;
    put.with_context(|| target)?;
    Ok(())
}

/// Items that could not be read are named, and fail the command after it did the rest.
fn complain(unreadable: &[TableError]) -> anyhow::Result<()> {
    for error in unreadable {
        eprintln!("warning: {error}");
    }
    match unreadable.len() {
        0 => Ok(()),
        n => bail!("{n} licences could not be read; `tegata license restore` brings them back"),
    }
}

/// A licence as it is listed: its facts, and what follows from them now.
#[derive(Serialize)]
struct Shown<'a> {
    code: Code,
    #[serde(flatten)]
    license: Visible<'a>,
    lease: VisibleLease<'a>,
    revision: &'a Revision,
}

#[derive(Serialize)]
struct VisibleLease<'a> {
    kid: &'a str,
    issued_at: Timestamp,
    expires_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    jws: Option<&'a str>,
}

/// The facts without the serial's hash.
struct Visible<'a>(&'a License);

impl Serialize for Visible<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut value = serde_json::to_value(self.0).map_err(serde::ser::Error::custom)?;
        if let Some(members) = value.as_object_mut() {
            members.remove("serial_sha256");
        }
        value.serialize(serializer)
    }
}

impl<'a> Shown<'a> {
    fn of(stored: &'a Stored<SignedLicense>, with_jws: bool, now: Timestamp) -> Self {
        let SignedLicense { license, lease } = &stored.value;
        Self {
            code: license.code_at(now),
            license: Visible(license),
            lease: VisibleLease {
                kid: &lease.kid,
                issued_at: lease.issued_at,
                expires_at: lease.expires_at,
                jws: with_jws.then_some(lease.jws.as_str()),
            },
            revision: &stored.revision,
        }
    }
}

async fn show(
    place: &Place,
    output: Output,
    which: &Which,
    with_jws: bool,
    now: Timestamp,
) -> anyhow::Result<()> {
    let domain = which.domain(place)?;
    let key = Key::license(&domain, &which.product);
    let stored = place.table.get::<SignedLicense>(&key).await?;
    let stored = stored.ok_or_else(|| which.missing(&domain))?;
    let shown = Shown::of(&stored, with_jws, now);
    if output == Output::Json {
        return output::json(&shown);
    }
    let license = &stored.value.license;
    let style = output::style(shown.code);
    say!(
        "{} {}: {style}{}{style:#}",
        license.domain,
        license.product,
        shown.code.as_str()
    );
    // The same walk over the fields that a change prints, from nothing to what is there.
    change::print(&change::differences(None, &serde_json::to_value(&shown)?)?);
    Ok(())
}

async fn list(place: &Place, output: Output, args: List, now: Timestamp) -> anyhow::Result<()> {
    let Licenses {
        mut licenses,
        unreadable,
    } = match &args.domain {
        Some(domain) => place.table.licenses_of(&canonical(place, domain)?).await?,
        None => place.table.licenses().await?,
    };
    licenses.retain(|stored| {
        let license = &stored.value.license;
        args.product
            .as_ref()
            .is_none_or(|product| *product == license.product)
            && args.code.is_none_or(|code| code == license.code_at(now))
    });
    if output == Output::Json {
        let shown: Vec<Shown> = licenses.iter().map(|l| Shown::of(l, false, now)).collect();
        output::json(&shown)?;
        return complain(&unreadable);
    }
    let rows = licenses.iter().map(|stored| {
        let license = &stored.value.license;
        let kind = match license.billing {
            None => "trial",
            Some(Billing::Monthly) => "monthly",
            Some(Billing::Yearly) => "yearly",
        };
        vec![
            license.domain.to_string(),
            license.product.to_string(),
            license.code_at(now).as_str().to_owned(),
            kind.to_owned(),
            license.edition.clone(),
            license.users.to_string(),
            format!("{}…{}", license.term.starts_on, license.term.ends_on),
            license
                .ends_on
                .map_or_else(|| "renews".to_owned(), |day| day.to_string()),
        ]
    });
    let header = [
        "domain", "product", "code", "kind", "edition", "users", "term", "ends on",
    ];
    output::table(&header, rows.collect());
    complain(&unreadable)
}

async fn history(place: &Place, output: Output, which: &Which) -> anyhow::Result<()> {
    let domain = which.domain(place)?;
    let key = Key::license(&domain, &which.product);
    let revisions = place.table.history::<SignedLicense>(&key).await?;
    if revisions.is_empty() {
        return Err(which.missing(&domain).into());
    }
    let mut before: Option<&License> = None;
    let mut documents = Vec::new();
    for Stored { value, revision } in &revisions {
        let differences = change::differences(before, &value.license)?;
        before = Some(&value.license);
        match output {
            Output::Json => documents.push(json!({
                "revision": revision,
                "differences": differences,
            })),
            Output::Text => {
                say!(
                    "{}  version {}  {}  by {}",
                    calendar::rfc3339(revision.at, &value.license.policy),
                    revision.version,
                    revision.change,
                    revision.by
                );
                change::print(&differences);
            }
        }
    }
    match output {
        Output::Json => output::json(&documents),
        Output::Text => Ok(()),
    }
}
