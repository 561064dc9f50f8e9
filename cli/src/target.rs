//! Where a command works: on this machine, or on a deployed stack.

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use change_log::handler::ChangeLog;
use clap::Args;
use data_encoding::BASE64;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tegata_archive::Archive;
use tegata_archive::objects::Objects;
use tegata_common::domain::BaseDomains;
use tegata_common::keys::{Jwk, KeyLocation, KeyRegister};
use tegata_common::product::Zone;
use tegata_common::revision::Revision;
use tegata_notices::render::Sender;
use tegata_signing::{KeyFiles, KeyStore, Signer};
use tegata_storage::customers::Customers;
use tegata_storage::licenses::Licenses;
use tegata_storage::notices::Notices;
use tegata_storage::usage::UsageTable;
use tegata_storage::{ChangeContext, Table};

use crate::embedded::Embedded;
use crate::failure::UsageError;
use crate::history::Trail;
use crate::identity;
use crate::streams;
use crate::when;

/// The `Licenses` table's name on one machine.
pub(crate) const LOCAL_TABLE: &str = "Licenses";

/// The directory of the local target, if no other is named.
pub(crate) const DEFAULT_DIRECTORY: &str = ".tegata";

/// The `Customers` table's name on one machine.
const LOCAL_CUSTOMERS: &str = "Customers";

/// The `Usage` table's name on one machine.
const LOCAL_USAGE: &str = "Usage";

/// The `Notices` table's name on one machine.
const LOCAL_NOTICES: &str = "Notices";

/// The tables of one machine whose changes are archived.
const LOCAL_TABLES: [&str; 3] = [LOCAL_TABLE, LOCAL_CUSTOMERS, LOCAL_NOTICES];

/// Who speaks on one machine. `.example` is nobody's.
const LOCAL_SENDER: [&str; 3] = [
    "Sample Plug-ins",
    "notice@vendor.example",
    "security@vendor.example",
];

/// The zone of the days of access records and usage on one machine.
const LOCAL_ZONE: &str = "Asia/Tokyo";

/// The stack outputs that name the stores, and the zone of their days.
const LICENSES_OUTPUT: &str = "LicensesTable";
const CUSTOMERS_OUTPUT: &str = "CustomersTable";
const USAGE_OUTPUT: &str = "UsageTable";
const ARCHIVE_OUTPUT: &str = "ArchiveBucket";
const ZONE_OUTPUT: &str = "TimeZone";
const NOTICES_OUTPUT: &str = "NoticesTable";
const TRAIL_OUTPUT: &str = "TrailBucket";

/// The stack outputs that say where mails and files of the CDN go, and who speaks.
const CDN_OUTPUT: &str = "CdnBucket";
const CDN_URL_OUTPUT: &str = "CdnUrl";
const MAIL_FROM_OUTPUT: &str = "MailFrom";
const SENDER_OUTPUT: &str = "SenderNameBase64";
const SECURITY_OUTPUT: &str = "SecurityContact";

/// The sender's name as stacks of earlier versions have it. CloudFormation gives every character of
/// an output that is not ASCII back as `?`.
const LEGACY_SENDER: &str = "SenderName";

/// The stack output with the development base domains that the lookup function accepts.
const BASE_DOMAINS_OUTPUT: &str = "DevelopmentBaseDomains";

/// Which target the command works on.
#[derive(Args, Clone, Debug)]
pub(crate) struct PlaceArgs {
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

/// What a command works on: the stores of this machine or of a stack, and who calls.
#[derive(Debug)]
pub(crate) struct Target {
    /// The licences, the catalogue and the register of keys.
    pub(crate) licenses: Licenses,
    /// The customers and their contacts.
    pub(crate) customers: Customers,
    /// What was announced, and to whom.
    pub(crate) notices: Notices,
    /// The files that the CDN serves.
    pub(crate) cdn: Objects,
    /// Who speaks in mails and on the news page.
    pub(crate) sender: Sender,
    /// Where mails go.
    pub(crate) post: MailTransport,
    /// What the records of accesses add up to.
    pub(crate) usage: UsageTable,
    /// The records of accesses.
    pub(crate) archive: Archive,
    /// CloudTrail's record of who wrote, where the stack has one.
    pub(crate) trail: Option<Trail>,
    /// The zone of their days.
    pub(crate) zone: TimeZone,
    /// Whom changes are recorded for.
    pub(crate) caller: String,
    /// When this command acts.
    pub(crate) now: Timestamp,
    /// The tenants accepted here.
    pub(crate) bases: BaseDomains,
    /// What keeps the signing keys.
    pub(crate) keys: KeyStore,
    stack: String,
    embedded: Option<Embedded>,
}

/// Where mails go that a command itself sends.
#[derive(Clone, Debug)]
pub(crate) enum MailTransport {
    /// Into files of a directory.
    Outbox(PathBuf),
    /// Through SES.
    Ses(aws_sdk_sesv2::Client),
}

impl PlaceArgs {
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
    /// This machine's stores, through its running database.
    pub(crate) async fn local(args: &PlaceArgs, embedded: Embedded) -> anyhow::Result<Self> {
        let client = aws_sdk_dynamodb::Client::from_conf(
            aws_sdk_dynamodb::Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .http_client(tegata_aws::http_client())
                .endpoint_url(&embedded.endpoint)
                .region(Region::new("local"))
                .credentials_provider(Credentials::new(
                    embedded.access_key.as_str(),
                    "local",
                    None,
                    None,
                    "local",
                ))
                .build(),
        );
        let licenses = Licenses::new(client.clone(), LOCAL_TABLE);
        licenses.create_if_missing().await?;
        let customers = Customers::new(client.clone(), LOCAL_CUSTOMERS);
        customers.create_if_missing().await?;
        let notices = Notices::new(client.clone(), LOCAL_NOTICES);
        notices.create_if_missing().await?;
        for table in [licenses.table(), customers.table(), notices.table()] {
            table.stream_if_missing().await?;
        }
        let usage = UsageTable::new(client, LOCAL_USAGE);
        usage.create_if_missing().await?;
        let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
        Ok(Self {
            licenses,
            customers,
            notices,
            cdn: Objects::Directory(args.directory().join("cdn")),
            sender: sender(LOCAL_SENDER, None)?,
            post: MailTransport::Outbox(args.directory().join("outbox")),
            usage,
            archive: Archive::new(Objects::Directory(args.directory().join("archive"))),
            trail: None,
            zone: Zone::named(LOCAL_ZONE)?.tz().clone(),
            caller: format!("local:{}", user.as_deref().unwrap_or("unknown")),
            now: args.now.unwrap_or_else(Timestamp::now),
            bases: args.bases("")?,
            keys: KeyStore::Files(KeyFiles::in_directory(args.directory().join("keys"))),
            stack: String::new(),
            embedded: Some(embedded),
        })
    }

    async fn stack(args: &PlaceArgs, stack: &str) -> anyhow::Result<Self> {
        let config = identity::sdk_config().await?;
        let caller = identity::caller(&config).await?;
        let outputs = outputs(&config, stack).await?;
        let output = |name: &str| {
            let value = outputs.get(name);
            value.with_context(|| {
                format!("stack {stack} has no output {name}; deploy it again with this version")
            })
        };
        let objects = |name: &str| -> anyhow::Result<Objects> {
            Ok(Objects::S3 {
                client: s3(&config),
                bucket: output(name)?.clone(),
            })
        };
        let dynamodb = aws_sdk_dynamodb::Client::new(&config);
        let bases = outputs.get(BASE_DOMAINS_OUTPUT).map_or("", String::as_str);
        Ok(Self {
            licenses: Licenses::new(dynamodb.clone(), output(LICENSES_OUTPUT)?),
            customers: Customers::new(dynamodb.clone(), output(CUSTOMERS_OUTPUT)?),
            notices: Notices::new(dynamodb.clone(), output(NOTICES_OUTPUT)?),
            cdn: objects(CDN_OUTPUT)?,
            sender: sender(
                [
                    &sender_name(&outputs).with_context(|| format!("stack {stack}"))?,
                    output(MAIL_FROM_OUTPUT)?,
                    output(SECURITY_OUTPUT)?,
                ],
                // CloudFormation drops an output that is empty.
                outputs.get(CDN_URL_OUTPUT).map(String::as_str),
            )?,
            post: MailTransport::Ses(aws_sdk_sesv2::Client::from_conf(
                aws_sdk_sesv2::config::Builder::from(&config)
                    // A mail that is repeated is a second one.
                    .retry_config(aws_sdk_sesv2::config::retry::RetryConfig::disabled())
                    .build(),
            )),
            usage: UsageTable::new(dynamodb, output(USAGE_OUTPUT)?),
            archive: Archive::new(objects(ARCHIVE_OUTPUT)?),
            // There is one if the parameter ChangeTrail asked for it.
            trail: outputs.get(TRAIL_OUTPUT).map(|bucket| Trail {
                objects: Objects::S3 {
                    client: s3(&config),
                    bucket: bucket.clone(),
                },
                // arn:aws:sts::123456789012:assumed-role/…
                account: caller.split(':').nth(4).unwrap_or_default().to_owned(),
                region: config.region().map(ToString::to_string).unwrap_or_default(),
            }),
            zone: Zone::named(output(ZONE_OUTPUT)?)?.tz().clone(),
            caller,
            now: Timestamp::now(),
            bases: args.bases(bases)?,
            keys: KeyStore::Kms(aws_sdk_kms::Client::new(&config)),
            stack: stack.to_owned(),
            embedded: None,
        })
    }

    /// Today, in the zone of the days of records and usage.
    pub(crate) fn today(&self) -> Date {
        self.zone.to_datetime(self.now).date()
    }

    /// An instant in that zone, to the second.
    pub(crate) fn local_time(&self, at: Timestamp) -> String {
        let at = at.to_zoned_datetime(self.zone.clone());
        at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }

    /// Creates a signing key in the target's key store.
    pub(crate) async fn create_key(&self) -> anyhow::Result<(Jwk, KeyLocation)> {
        Ok(self.keys.create(&self.stack, &self.caller).await?)
    }

    /// The register of signing keys, and the revision to change it from.
    pub(crate) async fn key_register(&self) -> anyhow::Result<(KeyRegister, Option<Revision>)> {
        Ok(self.licenses.key_register().await?)
    }

    /// What signs leases here.
    pub(crate) async fn signer(&self) -> anyhow::Result<Signer> {
        Ok(tegata_operations::signer(&self.keys, &self.licenses).await?)
    }

    /// A change by the caller, now.
    pub(crate) fn act<'a>(&'a self, change: &'a str) -> ChangeContext<'a> {
        ChangeContext {
            at: self.now,
            by: &self.caller,
            change,
        }
    }

    /// The embedded database, on one machine.
    pub(crate) fn embedded(&self) -> Option<&Embedded> {
        self.embedded.as_ref()
    }

    /// The tables whose changes are archived.
    pub(crate) fn tables(&self) -> [&Table; 3] {
        [
            self.licenses.table(),
            self.customers.table(),
            self.notices.table(),
        ]
    }

    /// On one machine: archives what changed, if this process serves the database. In the cloud
    /// the function `change-log` does.
    pub(crate) async fn archive_changes(&self) -> anyhow::Result<()> {
        let of_tables = self.embedded.as_ref().and_then(Embedded::streams);
        let Some(of_tables) = of_tables else {
            return Ok(());
        };
        let change_log = ChangeLog::new(self.archive.clone(), self.zone.clone());
        streams::archive(of_tables, &LOCAL_TABLES, &change_log).await
    }

    /// Closes what was opened for it.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        self.archive_changes().await?;
        match self.embedded {
            Some(embedded) => embedded.stop().await,
            None => Ok(()),
        }
    }
}

fn sender([name, from, security]: [&str; 3], cdn_url: Option<&str>) -> anyhow::Result<Sender> {
    Ok(Sender {
        name: name.to_owned(),
        from: from.parse()?,
        security_contact: security.parse()?,
        cdn_url: cdn_url.filter(|url| !url.is_empty()).map(str::to_owned),
    })
}

/// The sender's name, which may have any characters, from an output, which has ASCII only.
fn sender_name(outputs: &HashMap<String, String>) -> anyhow::Result<String> {
    let name = match (outputs.get(SENDER_OUTPUT), outputs.get(LEGACY_SENDER)) {
        (Some(encoded), _) => {
            let bytes = BASE64.decode(encoded.as_bytes());
            let bytes = bytes.with_context(|| format!("output {SENDER_OUTPUT} is not Base64"))?;
            let name = String::from_utf8(bytes);
            name.with_context(|| format!("output {SENDER_OUTPUT} is not UTF-8"))?
        }
        (None, Some(name)) => name.clone(),
        (None, None) => {
            bail!("there is no output {SENDER_OUTPUT}; deploy the stack again with this version")
        }
    };
    if name.contains("??") || name.trim_matches(['?', ' ']).is_empty() {
        bail!(
            "its sender's name reads {name:?}: CloudFormation has replaced characters; \
             deploy the stack again with this version"
        );
    }
    Ok(name)
}

/// A local AWS, which another endpoint means, has no host names of its own for buckets.
pub(crate) fn s3(config: &aws_config::SdkConfig) -> aws_sdk_s3::Client {
    let is_local = std::env::var_os("AWS_ENDPOINT_URL").is_some()
        || std::env::var_os("AWS_ENDPOINT_URL_S3").is_some();
    let config = aws_sdk_s3::config::Builder::from(config).force_path_style(is_local);
    aws_sdk_s3::Client::from_conf(config.build())
}

async fn outputs(
    config: &aws_config::SdkConfig,
    stack: &str,
) -> anyhow::Result<HashMap<String, String>> {
    let described = aws_sdk_cloudformation::Client::new(config)
        .describe_stacks()
        .stack_name(stack)
        .send()
        .await
        .map_err(|error| {
            let causes = tegata_aws::causes(&error);
            anyhow::anyhow!("cannot read stack {stack}: CloudFormation: {causes}")
        })?;
    let stacks = described.stacks.unwrap_or_default();
    // Another stack's stores must never be written to.
    let found = match <[_; 1]>::try_from(stacks) {
        Ok([found]) => found,
        Err(stacks) if stacks.is_empty() => {
            bail!("cannot read stack {stack}: CloudFormation described no stack")
        }
        Err(stacks) => bail!(
            "cannot read stack {stack}: CloudFormation described {} stacks",
            stacks.len()
        ),
    };
    let (name, arn) = (found.stack_name(), found.stack_id());
    if name != Some(stack) && arn != Some(stack) {
        let name = name.unwrap_or("without a name");
        bail!("cannot read stack {stack}: CloudFormation described stack {name}");
    }
    let outputs = found.outputs.unwrap_or_default().into_iter();
    Ok(outputs
        .filter_map(|output| Some((output.output_key?, output.output_value?)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An output as DescribeStacks tells it: with `?` for each character that is not ASCII.
    fn told(name: &str, value: &str) -> HashMap<String, String> {
        let value = value.chars().map(|c| if c.is_ascii() { c } else { '?' });
        HashMap::from([(name.to_owned(), value.collect())])
    }

    #[test]
    fn a_japanese_sender_survives_describe_stacks() {
        for name in [
            "株式会社サンプル",
            "Sample 株式会社",
            "Example Inc.",
            "Who?",
        ] {
            let encoded = BASE64.encode(name.as_bytes());
            let read = sender_name(&told(SENDER_OUTPUT, &encoded)).unwrap();
            assert_eq!(read, name);
        }
    }

    #[test]
    fn a_sender_that_lost_its_characters_is_refused() {
        let refused = |name: &str, value: &str| {
            let error = sender_name(&told(name, value)).unwrap_err();
            format!("{error:#}")
        };
        for (name, value, reason) in [
            (LEGACY_SENDER, "株式会社サンプル", "has replaced characters"),
            (LEGACY_SENDER, "Sample 株式会社", "has replaced characters"),
            (LEGACY_SENDER, "社", "has replaced characters"),
            (SENDER_OUTPUT, "Pz8/Pw==", "has replaced characters"), // "????"
            (SENDER_OUTPUT, "Example Inc.", "is not Base64"),
            (SENDER_OUTPUT, "ilSOrg==", "is not UTF-8"), // CP932
            (
                "MailFrom",
                "notice@example.com",
                "no output SenderNameBase64",
            ),
        ] {
            assert!(refused(name, value).contains(reason), "{value}");
        }
    }

    #[test]
    fn an_ascii_sender_of_an_earlier_stack_is_read() {
        let read = sender_name(&told(LEGACY_SENDER, "Example Inc.")).unwrap();
        assert_eq!(read, "Example Inc.");
    }
}
