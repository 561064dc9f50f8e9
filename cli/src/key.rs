//! `tegata key`: the keys that sign leases, and the JWKS that plug-ins check them with.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::json;
use tegata_common::keys::{KeyLocation, KeyRegister};
use tegata_operations::keys::{self, Context, PlannedKeys};

use crate::change::{self, Difference, DryRun};
use crate::output::{self, Output, say};
use crate::target::Target;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Create a key: in AWS KMS, or as a file of mode 0600 on this machine.
    ///
    /// The first key signs at once. A second one is published ahead; it signs after `rotate`.
    Create {
        #[command(flatten)]
        write: DryRun,
    },
    /// Let the next key sign from now on; the one before stays published.
    Rotate {
        #[command(flatten)]
        write: DryRun,
    },
    /// Stop publishing a key that does not sign, once no cached lease can be signed with it.
    Retire {
        /// The key's id, as `list` shows it.
        #[arg(allow_hyphen_values = true)]
        kid: String,
        /// Retire it although leases signed with it are in use: for a compromised key.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        write: DryRun,
    },
    /// List the published keys.
    List,
    /// Write the JWKS, to be published and pinned in the plug-in.
    Export {
        /// Write to FILE instead of stdout.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

pub(crate) async fn run(target: &Target, output: Output, command: Command) -> anyhow::Result<()> {
    let context = target.key_context()?;
    match command {
        Command::Create { write } => create(&context, output, write).await,
        Command::Rotate { write } => {
            let planned = keys::rotate(&context).await?;
            carry_out(&context, output, planned, write).await
        }
        Command::Retire { kid, force, write } => {
            let planned = keys::retire(&context, &kid, force).await?;
            carry_out(&context, output, planned, write).await
        }
        Command::List => list(&keys::register(context.licenses).await?, output),
        Command::Export { file } => export(&keys::register(context.licenses).await?, file),
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
        print(planned.change, &planned.differences);
    }
    let report = planned.carry_out(context, write.dry_run).await?;
    match output {
        Output::Json => output::json(&report)?,
        Output::Text => write.conclude("written"),
    }
    Ok(())
}

async fn create(context: &Context<'_>, output: Output, write: DryRun) -> anyhow::Result<()> {
    if write.dry_run {
        let state = keys::plan_create(context.licenses).await?;
        return match output {
            Output::Json => output::json(&json!({
                "change": "create",
                "dry_run": true,
                "state": state,
            })),
            Output::Text => {
                say!("a new key would be created and published as {state}");
                write.conclude("");
                Ok(())
            }
        };
    }
    let report = keys::create(context).await?;
    match output {
        Output::Json => output::json(&report)?,
        Output::Text => {
            print(report.change, &report.differences);
            write.conclude("written");
        }
    }
    Ok(())
}

fn print(change: &str, differences: &[Difference]) {
    say!("{change} signing key:");
    change::print(differences, None);
}

fn list(register: &KeyRegister, output: Output) -> anyhow::Result<()> {
    if output == Output::Json {
        return output::json(&register.keys);
    }
    let rows = register.keys.iter().map(|key| {
        let location = match &key.location {
            KeyLocation::Kms(id) => id.clone(),
            KeyLocation::File => "file".to_owned(),
        };
        vec![
            key.jwk.kid.to_string(),
            key.state.to_string(),
            format!("{:.0}", key.created_at),
            location,
        ]
    });
    output::table(&["kid", "state", "created at", "location"], rows.collect());
    Ok(())
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
