//! `tegata key`: the keys that sign leases and releases, and the JWKS that plug-ins check them with.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use serde_json::json;
use tegata_common::keys::{KeyLocation, KeyPurpose, KeyRegister, RegisteredKey};
use tegata_operations::keys::{self, Context, PlannedKeys};

use crate::change::{self, Difference, DryRun};
use crate::output::{self, Output, say};
use crate::target::Target;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Create a key: in AWS KMS, or as a file of mode 0600 on this machine.
    ///
    /// The first key of a purpose signs at once. A second one is published ahead; it signs after
    /// `rotate`.
    Create {
        #[command(flatten)]
        purpose: Purpose,
        #[command(flatten)]
        write: DryRun,
    },
    /// Let the next key sign from now on; the one before stays published.
    Rotate {
        #[command(flatten)]
        purpose: Purpose,
        #[command(flatten)]
        write: DryRun,
    },
    /// Stop publishing a key that does not sign, once no cached lease and no current release can be
    /// signed with it.
    Retire {
        /// The key's id, as `list` shows it.
        #[arg(allow_hyphen_values = true)]
        kid: String,
        /// Retire it although leases or a release signed with it are in use: for a compromised key.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        write: DryRun,
    },
    /// List the published keys of both purposes.
    List,
    /// Write the JWKS, to be published and pinned in the plug-in.
    Export {
        #[command(flatten)]
        purpose: Purpose,
        /// Write to FILE instead of stdout.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

/// What a key signs.
#[derive(Args)]
pub(crate) struct Purpose {
    /// What the key signs.
    #[arg(long, value_enum, default_value_t)]
    purpose: PurposeName,
}

/// The purposes as they are typed.
#[derive(Clone, Copy, Default, ValueEnum)]
enum PurposeName {
    /// Leases.
    #[default]
    Lease,
    /// Releases: which version of a plug-in is current.
    Release,
}

impl Purpose {
    fn get(&self) -> KeyPurpose {
        match self.purpose {
            PurposeName::Lease => KeyPurpose::Lease,
            PurposeName::Release => KeyPurpose::Release,
        }
    }
}

pub(crate) async fn run(target: &Target, output: Output, command: Command) -> anyhow::Result<()> {
    let context = target.key_context()?;
    match command {
        Command::Create { purpose, write } => create(&context, purpose.get(), output, write).await,
        Command::Rotate { purpose, write } => {
            let planned = keys::rotate(&context, purpose.get()).await?;
            carry_out(&context, output, planned, write).await
        }
        Command::Retire { kid, force, write } => {
            let planned = keys::retire(&context, &kid, force).await?;
            carry_out(&context, output, planned, write).await
        }
        Command::List => {
            let mut registers = Vec::new();
            for purpose in KeyPurpose::ALL {
                registers.push(keys::register(context.licenses, purpose).await?);
            }
            list(&registers, output)
        }
        Command::Export { purpose, file } => export(
            &keys::register(context.licenses, purpose.get()).await?,
            file,
        ),
    }
}

/// Prints a change of the register, carries it out, and prints what was done.
async fn carry_out(
    context: &Context<'_>,
    output: Output,
    planned: PlannedKeys,
    write: DryRun,
) -> anyhow::Result<()> {
    if output == Output::Text {
        print(planned.change, planned.purpose, &planned.differences);
    }
    let report = planned.carry_out(context, write.dry_run).await?;
    match output {
        Output::Json => output::json(&report)?,
        Output::Text => write.conclude("written"),
    }
    Ok(())
}

async fn create(
    context: &Context<'_>,
    purpose: KeyPurpose,
    output: Output,
    write: DryRun,
) -> anyhow::Result<()> {
    if write.dry_run {
        let state = keys::plan_create(context.licenses, purpose).await?;
        return match output {
            Output::Json => output::json(&json!({
                "change": "create",
                "purpose": purpose,
                "dry_run": true,
                "state": state,
            })),
            Output::Text => {
                say!("a new {purpose} key would be created and published as {state}");
                write.conclude("");
                Ok(())
            }
        };
    }
    let report = keys::create(context, purpose).await?;
    match output {
        Output::Json => output::json(&report)?,
        Output::Text => {
            print(report.change, report.purpose, &report.differences);
            write.conclude("written");
        }
    }
    Ok(())
}

fn print(change: &str, purpose: KeyPurpose, differences: &[Difference]) {
    say!("{change} {purpose} key:");
    // `key export` writes the public key.
    let shown = differences.iter().filter(|of| !of.field.contains(".jwk."));
    change::print(&shown.cloned().collect::<Vec<_>>(), None);
}

fn list(registers: &[KeyRegister], output: Output) -> anyhow::Result<()> {
    let keys = registers.iter().flat_map(|register| {
        let keys = register.keys.iter();
        keys.map(|key| (register.purpose, key))
    });
    if output == Output::Json {
        let keys = keys.map(|(purpose, key)| Listed { purpose, key });
        return output::json(&keys.collect::<Vec<_>>());
    }
    let rows = keys.map(|(purpose, key)| {
        let location = match &key.location {
            KeyLocation::Kms(id) => id.clone(),
            KeyLocation::File => "file".to_owned(),
        };
        vec![
            key.jwk.kid.to_string(),
            purpose.to_string(),
            key.state.to_string(),
            format!("{:.0}", key.created_at),
            location,
        ]
    });
    let header = ["kid", "purpose", "state", "created at", "location"];
    output::table(&header, &["purpose", "state", "location"], rows.collect());
    Ok(())
}

/// A key as it is listed.
#[derive(Serialize)]
struct Listed<'a> {
    purpose: KeyPurpose,
    #[serde(flatten)]
    key: &'a RegisteredKey,
}

fn export(register: &KeyRegister, file: Option<PathBuf>) -> anyhow::Result<()> {
    register.active()?;
    let jwks = serde_json::to_string_pretty(&register.jwks())?;
    match file {
        None => output::json_text(&jwks),
        Some(file) => std::fs::write(&file, jwks + "\n")
            .with_context(|| format!("cannot write {}", file.display()))?,
    }
    Ok(())
}
