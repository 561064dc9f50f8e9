//! Where a command works: on this machine, or on a deployed stack.

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use clap::Args;
use tegata_common::aws::{self, Trust};
use tegata_common::domain::BaseDomains;
use tegata_common::signing::{self, Jwk, KeyFiles, KeyLocation, KeyRegister, Signer};
use tegata_common::table::{Key, Revision, Table};

use crate::embedded::Embedded;
use crate::failure::Usage;

/// The `Licenses` table's name on one machine.
pub(crate) const LOCAL_TABLE: &str = "Licenses";

/// The directory of one machine's place, if no other is named.
pub(crate) const DEFAULT_DIRECTORY: &str = ".tegata";

/// The stack output that names the `Licenses` table.
const TABLE_OUTPUT: &str = "LicensesTable";

/// The stack output with the development base domains that the lookup function accepts.
const BASE_DOMAINS_OUTPUT: &str = "DevelopmentBaseDomains";

/// Which place is meant.
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

    /// Work on the deployed CloudFormation stack NAME, with the AWS identity of this shell
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
}

/// The stores of a place, and who works on them.
#[derive(Debug)]
pub(crate) struct Place {
    /// The licences, the catalogue and the register of keys.
    pub(crate) table: Table,
    /// Whom changes are recorded for.
    pub(crate) caller: String,
    /// The tenants accepted here.
    pub(crate) bases: BaseDomains,
    keys: Keys,
    embedded: Option<Embedded>,
}

#[derive(Debug)]
enum Keys {
    Files(KeyFiles),
    Kms {
        client: aws_sdk_kms::Client,
        stack: String,
    },
}

impl PlaceArgs {
    /// The directory of this machine's place.
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

    /// Opens the place that was named.
    pub(crate) async fn open(&self) -> anyhow::Result<Place> {
        // Read here and not by clap, which would call it a conflict with --local.
        let stack = self
            .stack
            .clone()
            .or_else(|| std::env::var("TEGATA_STACK").ok());
        match (&self.local, stack) {
            (Some(directory), _) => {
                let embedded = Embedded::join(directory).await?;
                Place::local(self, embedded).await
            }
            (None, Some(stack)) => Place::stack(self, &stack).await,
            (None, None) => Err(Usage(
                "say where to work: --local for this machine, or --stack NAME for a deployed stack"
                    .to_owned(),
            )
            .into()),
        }
    }
}

impl Place {
    /// This machine's place through its running database.
    pub(crate) async fn local(args: &PlaceArgs, embedded: Embedded) -> anyhow::Result<Self> {
        let client = aws_sdk_dynamodb::Client::from_conf(
            aws_sdk_dynamodb::Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .http_client(aws::http_client())
                .endpoint_url(&embedded.endpoint)
                .region(Region::new("local"))
                .credentials_provider(Credentials::new("local", "local", None, None, "local"))
                .build(),
        );
        let table = Table::new(client, LOCAL_TABLE);
        table.create_if_missing().await?;
        let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
        Ok(Self {
            table,
            caller: format!("local:{}", user.as_deref().unwrap_or("unknown")),
            bases: args.bases("")?,
            keys: Keys::Files(KeyFiles::in_directory(args.directory().join("keys"))),
            embedded: Some(embedded),
        })
    }

    async fn stack(args: &PlaceArgs, stack: &str) -> anyhow::Result<Self> {
        let bundle = std::env::var_os("AWS_CA_BUNDLE").map(PathBuf::from);
        let trust = bundle.as_deref().map_or(Trust::System, Trust::Bundle);
        let config = aws_config::defaults(BehaviorVersion::latest())
            .http_client(aws::https_client(trust)?)
            .load()
            .await;
        if config.region().is_none() {
            bail!("no AWS region: set AWS_REGION, or a region in your AWS profile");
        }
        let identity = aws_sdk_sts::Client::new(&config)
            .get_caller_identity()
            .send()
            .await
            .map_err(|error| anyhow::anyhow!("who are you? STS: {}", aws::causes(&error)))?;
        let caller = identity.arn.context("STS did not tell your ARN")?;
        let outputs = outputs(&config, stack).await?;
        let table = outputs
            .get(TABLE_OUTPUT)
            .with_context(|| format!("stack {stack} has no output {TABLE_OUTPUT}"))?;
        let bases = outputs.get(BASE_DOMAINS_OUTPUT).map_or("", String::as_str);
        Ok(Self {
            table: Table::new(aws_sdk_dynamodb::Client::new(&config), table),
            caller,
            bases: args.bases(bases)?,
            keys: Keys::Kms {
                client: aws_sdk_kms::Client::new(&config),
                stack: stack.to_owned(),
            },
            embedded: None,
        })
    }

    /// Makes a signing key where this place keeps its keys.
    pub(crate) async fn create_key(&self) -> anyhow::Result<(Jwk, KeyLocation)> {
        match &self.keys {
            Keys::Files(files) => Ok(files.create()?),
            Keys::Kms { client, stack } => Ok(signing::create_kms_key(client, stack).await?),
        }
    }

    /// Removes the private half of a retired key from this machine. A KMS key is left alone.
    pub(crate) fn remove_key(&self, kid: &str) -> anyhow::Result<()> {
        match &self.keys {
            Keys::Files(files) => Ok(files.remove(kid)?),
            Keys::Kms { .. } => Ok(()),
        }
    }

    /// The register of signing keys, and the revision to change it from.
    pub(crate) async fn key_register(&self) -> anyhow::Result<(KeyRegister, Option<Revision>)> {
        let stored = self.table.get::<KeyRegister>(&Key::signing_keys()).await?;
        Ok(match stored {
            Some(stored) => (stored.value, Some(stored.revision)),
            None => (KeyRegister::default(), None),
        })
    }

    /// What signs leases here.
    pub(crate) async fn signer(&self) -> anyhow::Result<Signer> {
        let (register, _) = self.key_register().await?;
        let active = register.active()?;
        match (&self.keys, &active.location) {
            (Keys::Files(files), KeyLocation::File) => Ok(files.signer(&active.jwk.kid)?),
            (Keys::Kms { client, .. }, KeyLocation::Kms(id)) => {
                Ok(Signer::kms(client.clone(), id, &active.jwk.kid))
            }
            _ => bail!("the active key {} is not kept here", active.jwk.kid),
        }
    }

    /// The address of the embedded database, on one machine.
    pub(crate) fn endpoint(&self) -> Option<&str> {
        self.embedded
            .as_ref()
            .map(|embedded| embedded.endpoint.as_str())
    }

    /// Closes what was opened for it.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        match self.embedded {
            Some(embedded) => embedded.stop().await,
            None => Ok(()),
        }
    }
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
            let causes = aws::causes(&error);
            anyhow::anyhow!("cannot read stack {stack}: CloudFormation: {causes}")
        })?;
    let outputs = described
        .stacks
        .into_iter()
        .flatten()
        .flat_map(|stack| stack.outputs.unwrap_or_default().into_iter());
    Ok(outputs
        .filter_map(|output| Some((output.output_key?, output.output_value?)))
        .collect())
}
