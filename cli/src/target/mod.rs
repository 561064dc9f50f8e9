//! The target of a command: this machine, or a deployed stack. A command opens the stores that it
//! needs, and no others.

mod machine;
mod stack;

use std::path::PathBuf;
use std::sync::OnceLock;

use change_log::handler::ChangeLog;
use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tegata_archive::Archive;
use tegata_archive::copies::Copies;
use tegata_archive::objects::Objects;
use tegata_common::domain::BaseDomains;
use tegata_common::keys::{KeyPurpose, KeyRegister};
use tegata_common::product::{ProductSlug, Zone};
use tegata_common::release::document_path;
use tegata_common::revision::Revision;
use tegata_notices::mailer::MailTransport;
use tegata_notices::render::Sender;
use tegata_operations::history::Trail;
use tegata_operations::{Caller, access_log, import, keys, licenses, notices, publish, usage};
use tegata_signing::{KeyStore, Signer};
use tegata_storage::customers::Customers;
use tegata_storage::licenses::Licenses;
use tegata_storage::notices::Notices;
use tegata_storage::usage::UsageTable;

use crate::doctor::http::{self, Http};
use crate::embedded::Embedded;
use crate::failure::UsageError;
use crate::identity;
use crate::streams;
use crate::when;
use machine::Machine;
use stack::Stack;

pub(crate) use machine::LOCAL_TABLE;
pub(crate) use stack::s3;

/// The directory of the local target, if no other is named.
pub(crate) const DEFAULT_DIRECTORY: &str = ".tegata";

/// Which target the command works on.
#[derive(Args, Clone, Debug)]
pub(crate) struct TargetArgs {
    /// Work on this machine, in .tegata, or with --local=DIR in DIR.
    #[arg(
        long,
        value_name = "DIR",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = DEFAULT_DIRECTORY,
        conflicts_with = "stack",
        global = true
    )]
    pub(crate) local: Option<PathBuf>,

    /// Work on the deployed CloudFormation stack NAME, with the AWS identity of this shell:
    /// AWS_PROFILE, AWS_REGION and HTTPS_PROXY work as in the AWS CLI
    /// [env: TEGATA_STACK, if --local is not given].
    #[arg(long, value_name = "NAME", global = true)]
    pub(crate) stack: Option<String>,

    /// Base domains accepted beside cybozu.com, kintone.com and cybozu.cn, separated by commas.
    /// A stack's own are accepted on it anyway.
    #[arg(
        long,
        value_name = "LIST",
        env = "DEVELOPMENT_BASE_DOMAINS",
        default_value = "",
        hide_default_value = true,
        global = true
    )]
    pub(crate) development_base_domains: String,

    /// Act as if it were this instant: for trying out on this machine what time will do.
    #[arg(long, value_name = "INSTANT", global = true, requires = "local", value_parser = when::instant)]
    pub(crate) now: Option<Timestamp>,
}

/// This machine or a deployed stack, and who calls.
#[derive(Debug)]
pub(crate) struct Target {
    /// When this command acts.
    pub(crate) now: Timestamp,
    /// The base domains of the tenants that are accepted here.
    pub(crate) bases: BaseDomains,
    /// The zone of the days of access records and usage.
    pub(crate) zone: TimeZone,
    caller: String,
    place: Place,
    stores: Stores,
}

#[derive(Debug)]
enum Place {
    Machine(Machine),
    Stack(Box<Stack>),
}

/// The stores that have been opened so far.
#[derive(Debug, Default)]
struct Stores {
    licenses: OnceLock<Licenses>,
    customers: OnceLock<Customers>,
    notices: OnceLock<Notices>,
    usage: OnceLock<UsageTable>,
    archive: OnceLock<Archive>,
    cdn: OnceLock<Objects>,
    keys: OnceLock<KeyStore>,
}

impl TargetArgs {
    /// The directory of the local target.
    pub(crate) fn directory(&self) -> PathBuf {
        self.local
            .clone()
            .unwrap_or_else(|| DEFAULT_DIRECTORY.into())
    }

    /// The accepted base domains.
    fn bases(&self, of_the_place: &str) -> anyhow::Result<BaseDomains> {
        let names = self.development_base_domains.split(',');
        let names = names.chain(of_the_place.split(',')).map(str::trim);
        Ok(BaseDomains::with_development(
            names.filter(|name| !name.is_empty()),
        )?)
    }

    /// The stack that was named, if any.
    pub(crate) fn stack_name(&self) -> Option<String> {
        // Read here and not by clap, which would call it a conflict with --local.
        let named = self.stack.clone();
        named.or_else(|| std::env::var("TEGATA_STACK").ok())
    }

    /// Opens the target that was named.
    pub(crate) async fn open(&self) -> anyhow::Result<Target> {
        match (&self.local, self.stack_name()) {
            (Some(directory), _) => {
                let embedded = Embedded::join(directory).await?;
                Target::local(self, embedded).await
            }
            (None, Some(stack)) if stack.is_empty() => {
                Err(UsageError("--stack names no stack".to_owned()).into())
            }
            (None, Some(stack)) => Target::stack(self, &stack).await,
            (None, None) => Err(UsageError(
                "say where to work: --local for this machine, or --stack NAME for a deployed stack"
                    .to_owned(),
            )
            .into()),
        }
    }
}

impl Target {
    /// This machine, through its running database.
    pub(crate) async fn local(args: &TargetArgs, embedded: Embedded) -> anyhow::Result<Self> {
        let machine = Machine::open(args.directory(), embedded).await?;
        let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
        Ok(Self {
            caller: format!("local:{}", user.as_deref().unwrap_or("unknown")),
            now: args.now.unwrap_or_else(Timestamp::now),
            bases: args.bases("")?,
            zone: Zone::named(machine::ZONE)?.tz().clone(),
            place: Place::Machine(machine),
            stores: Stores::default(),
        })
    }

    async fn stack(args: &TargetArgs, name: &str) -> anyhow::Result<Self> {
        let config = identity::sdk_config().await?;
        let caller = identity::caller(&config).await?;
        let stack = Stack::read(name, config).await?;
        Ok(Self {
            caller,
            now: Timestamp::now(),
            bases: args.bases(stack.optional(stack::BASE_DOMAINS_OUTPUT).unwrap_or(""))?,
            zone: Zone::named(stack.output(stack::ZONE_OUTPUT)?)?.tz().clone(),
            place: Place::Stack(Box::new(stack)),
            stores: Stores::default(),
        })
    }

    /// The licences, the catalogue and the register of keys.
    pub(crate) fn licenses(&self) -> anyhow::Result<&Licenses> {
        opened(&self.stores.licenses, || match &self.place {
            Place::Machine(machine) => Ok(machine.licenses()),
            Place::Stack(stack) => {
                let table = stack.output(stack::LICENSES_OUTPUT)?;
                Ok(Licenses::new(stack.dynamodb(), table))
            }
        })
    }

    /// The customers and their contacts.
    pub(crate) fn customers(&self) -> anyhow::Result<&Customers> {
        opened(&self.stores.customers, || match &self.place {
            Place::Machine(machine) => Ok(machine.customers()),
            Place::Stack(stack) => {
                let table = stack.output(stack::CUSTOMERS_OUTPUT)?;
                Ok(Customers::new(stack.dynamodb(), table))
            }
        })
    }

    /// The notices and their deliveries.
    pub(crate) fn notices(&self) -> anyhow::Result<&Notices> {
        opened(&self.stores.notices, || match &self.place {
            Place::Machine(machine) => Ok(machine.notices()),
            Place::Stack(stack) => {
                let table = stack.output(stack::NOTICES_OUTPUT)?;
                Ok(Notices::new(stack.dynamodb(), table))
            }
        })
    }

    /// What the access records add up to.
    pub(crate) fn usage(&self) -> anyhow::Result<&UsageTable> {
        opened(&self.stores.usage, || match &self.place {
            Place::Machine(machine) => Ok(machine.usage()),
            Place::Stack(stack) => {
                let table = stack.output(stack::USAGE_OUTPUT)?;
                Ok(UsageTable::new(stack.dynamodb(), table))
            }
        })
    }

    /// The archive of access records and changes.
    pub(crate) fn archive(&self) -> anyhow::Result<&Archive> {
        opened(&self.stores.archive, || {
            Ok(Archive::new(match &self.place {
                Place::Machine(machine) => machine.objects("archive"),
                Place::Stack(stack) => stack.bucket(stack::ARCHIVE_OUTPUT)?,
            }))
        })
    }

    /// On one machine: the copies of the archive's objects. In the cloud only the roll-up has them.
    pub(crate) fn copies(&self) -> Option<Copies> {
        match &self.place {
            Place::Machine(machine) => Some(Copies::new(machine.objects("copies"))),
            Place::Stack(_) => None,
        }
    }

    /// The files that the CDN serves.
    pub(crate) fn cdn(&self) -> anyhow::Result<&Objects> {
        opened(&self.stores.cdn, || match &self.place {
            Place::Machine(machine) => Ok(machine.objects("cdn")),
            Place::Stack(stack) => stack.bucket(stack::CDN_OUTPUT),
        })
    }

    /// The store of the signing keys.
    pub(crate) fn keys(&self) -> &KeyStore {
        self.stores.keys.get_or_init(|| match &self.place {
            Place::Machine(machine) => machine.keys(),
            Place::Stack(stack) => KeyStore::Kms(aws_sdk_kms::Client::new(&stack.config)),
        })
    }

    /// CloudTrail's record of the callers, where the stack has a trail.
    pub(crate) fn trail(&self) -> Option<Trail> {
        let Place::Stack(stack) = &self.place else {
            return None;
        };
        // There is one if the parameter ChangeTrail asked for it.
        let bucket = stack.optional(stack::TRAIL_OUTPUT)?;
        let region = stack.config.region();
        Some(Trail {
            objects: stack.objects(bucket),
            // arn:aws:sts::123456789012:assumed-role/…
            account: self.caller.split(':').nth(4).unwrap_or_default().to_owned(),
            region: region.map(ToString::to_string).unwrap_or_default(),
        })
    }

    /// The sender of mails and of the news page.
    pub(crate) fn sender(&self) -> anyhow::Result<Sender> {
        match &self.place {
            Place::Machine(_) => sender(machine::SENDER, None),
            Place::Stack(stack) => {
                let name = stack.sender_name()?;
                let from = stack.output(stack::MAIL_FROM_OUTPUT)?;
                let security = stack.output(stack::SECURITY_OUTPUT)?;
                // CloudFormation drops an output that is empty.
                sender(
                    [&name, from, security],
                    stack.optional(stack::CDN_URL_OUTPUT),
                )
            }
        }
    }

    /// Where mails go that a command itself sends.
    pub(crate) fn mail_transport(&self) -> MailTransport {
        match &self.place {
            Place::Machine(machine) => MailTransport::Outbox(machine.directory.join("outbox")),
            Place::Stack(stack) => {
                let config = aws_sdk_sesv2::config::Builder::from(&stack.config)
                    // A mail that is repeated is a second one.
                    .retry_config(aws_sdk_sesv2::config::retry::RetryConfig::disabled());
                MailTransport::Ses(aws_sdk_sesv2::Client::from_conf(config.build()))
            }
        }
    }

    /// Today, in the zone of the days of records and usage.
    pub(crate) fn today(&self) -> Date {
        self.zone.to_datetime(self.now).date()
    }

    /// An instant in that zone, to the second.
    pub(crate) fn local_time(&self, at: Timestamp) -> String {
        tegata_operations::local_time(at, &self.zone)
    }

    /// The register of the signing keys of a purpose, and the revision to change it from.
    pub(crate) async fn key_register(
        &self,
        purpose: KeyPurpose,
    ) -> anyhow::Result<(KeyRegister, Option<Revision>)> {
        Ok(self.licenses()?.key_register(purpose).await?)
    }

    /// What signs leases here.
    pub(crate) async fn signer(&self) -> anyhow::Result<Signer> {
        Ok(tegata_operations::signer(self.keys(), self.licenses()?).await?)
    }

    /// The caller that changes are recorded for, and the instant of this command.
    pub(crate) fn caller(&self) -> Caller<'_> {
        Caller {
            name: &self.caller,
            now: self.now,
        }
    }

    /// The stores of operations on licences.
    pub(crate) fn license_context(&self) -> anyhow::Result<licenses::Context<'_>> {
        Ok(licenses::Context {
            licenses: self.licenses()?,
            customers: self.customers()?,
            keys: self.keys(),
            caller: self.caller(),
        })
    }

    /// The stores of an import.
    pub(crate) fn import_context(&self) -> anyhow::Result<import::Context<'_>> {
        Ok(import::Context {
            stores: self.license_context()?,
            bases: &self.bases,
            zone: &self.zone,
        })
    }

    /// The stores of operations on notices.
    pub(crate) fn notice_context(&self) -> anyhow::Result<notices::Context<'_>> {
        Ok(notices::Context {
            licenses: self.licenses()?,
            customers: self.customers()?,
            notices: self.notices()?,
            zone: &self.zone,
            caller: self.caller(),
        })
    }

    /// The stores of access records.
    pub(crate) fn access_log_context(&self) -> anyhow::Result<access_log::Context<'_>> {
        Ok(access_log::Context {
            archive: self.archive()?,
            usage: self.usage()?,
            zone: &self.zone,
            caller: self.caller(),
        })
    }

    /// Where usage is read.
    pub(crate) fn usage_place(&self) -> anyhow::Result<usage::Place<'_>> {
        Ok(usage::Place {
            usage: self.usage()?,
            zone: &self.zone,
            now: self.now,
        })
    }

    /// The stores of publishing.
    pub(crate) fn publish_context(&self) -> anyhow::Result<publish::Context<'_>> {
        Ok(publish::Context {
            licenses: self.licenses()?,
            notices: self.notices()?,
            cdn: self.cdn()?,
            keys: self.keys(),
            caller: self.caller(),
        })
    }

    /// A product's release document as plug-ins get it: over HTTPS from the CDN, or on one machine
    /// from its directory.
    pub(crate) async fn served_release(
        &self,
        product: &ProductSlug,
    ) -> anyhow::Result<publish::Served> {
        let path = document_path(product);
        let Place::Stack(stack) = &self.place else {
            let read = self.cdn()?.get(&path).await;
            return Ok(read.map_err(|error| error.to_string()));
        };
        let url = format!("{}/{path}", stack.output(stack::CDN_URL_OUTPUT)?);
        let answered = match Http::new() {
            Ok(http) => http.get(&url).await,
            Err(unread) => Err(unread),
        };
        Ok(http::object(answered))
    }

    /// The stores of operations on keys.
    pub(crate) fn key_context(&self) -> anyhow::Result<keys::Context<'_>> {
        Ok(keys::Context {
            licenses: self.licenses()?,
            notices: self.notices()?,
            keys: self.keys(),
            stack: match &self.place {
                Place::Machine(_) => "",
                Place::Stack(stack) => &stack.name,
            },
            caller: self.caller(),
        })
    }

    /// The embedded database, on one machine.
    pub(crate) fn embedded(&self) -> Option<&Embedded> {
        match &self.place {
            Place::Machine(machine) => Some(&machine.embedded),
            Place::Stack(_) => None,
        }
    }

    /// On one machine: archives what changed, if this process serves the database. In the cloud
    /// the function `change-log` does.
    pub(crate) async fn archive_changes(&self) -> anyhow::Result<()> {
        let of_tables = self.embedded().and_then(Embedded::streams);
        let Some(of_tables) = of_tables else {
            return Ok(());
        };
        let change_log = ChangeLog::new(self.archive()?.clone(), self.zone.clone());
        streams::archive(of_tables, &machine::ARCHIVED_TABLES, &change_log).await
    }

    /// Closes what was opened for it.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        self.archive_changes().await?;
        match self.place {
            Place::Machine(machine) => machine.embedded.stop().await,
            Place::Stack(_) => Ok(()),
        }
    }
}

/// A store, opened when it is first asked for.
fn opened<T>(store: &OnceLock<T>, open: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<&T> {
    if let Some(store) = store.get() {
        return Ok(store);
    }
    let opened = open()?;
    Ok(store.get_or_init(|| opened))
}

fn sender([name, from, security]: [&str; 3], cdn_url: Option<&str>) -> anyhow::Result<Sender> {
    Ok(Sender {
        name: name.to_owned(),
        from: from.parse()?,
        security_contact: security.parse()?,
        cdn_url: cdn_url.filter(|url| !url.is_empty()).map(str::to_owned),
    })
}
