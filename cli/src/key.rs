//! `tegata key`: the keys that sign leases, and the JWKS that plug-ins check them with.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use jiff::{Timestamp, ToSpan as _};
use serde_json::json;
use tegata_common::keys::{KeyLocation, KeyRegister};
use tegata_common::revision::Revision;
use tegata_storage::Key;

use crate::change::{self, DryRun};
use crate::failure;
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
    let (register, revision) = target.key_register().await?;
    let write = Write {
        target,
        output,
        now: target.now,
        before: &register,
        revision: revision.as_ref(),
    };
    match command {
        Command::Create { write: mode } => create(&write, mode).await,
        Command::Rotate { write: mode } => {
            let rotated = register.rotated(target.now)?;
            write.write("rotate", &rotated, mode).await
        }
        Command::Retire {
            kid,
            force,
            write: mode,
        } => retire(&write, &kid, force, mode).await,
        Command::List => list(&register, output),
        Command::Export { file } => export(&register, file),
    }
}

struct Write<'a> {
    target: &'a Target,
    output: Output,
    now: Timestamp,
    before: &'a KeyRegister,
    revision: Option<&'a Revision>,
}

impl Write<'_> {
    async fn write(&self, what: &str, after: &KeyRegister, mode: DryRun) -> anyhow::Result<()> {
        // By key id instead of by position in the list.
        let by_kid = |register: &KeyRegister| {
            let keys = register.keys.iter();
            keys.map(|key| (key.jwk.kid.to_string(), json!(key)))
                .collect::<serde_json::Map<_, _>>()
        };
        let differences = change::differences(Some(&by_kid(self.before)), &by_kid(after))?;
        if self.output == Output::Text {
            say!("{what} signing key:");
            change::print(&differences, None);
        }
        if !mode.dry_run {
            let table = self.target.licenses()?.table();
            let act = self.target.act(what);
            table
                .put(&Key::signing_keys(), self.revision, after, &act)
                .await?;
        }
        match self.output {
            Output::Json => output::json(&json!({
                "change": what,
                "dry_run": mode.dry_run,
                "differences": differences,
            })),
            Output::Text => {
                mode.conclude("written");
                Ok(())
            }
        }
    }
}

async fn create(write: &Write<'_>, mode: DryRun) -> anyhow::Result<()> {
    write.before.check_room()?;
    if mode.dry_run {
        let state = if write.before.keys.is_empty() {
            "active"
        } else {
            "next"
        };
        return match write.output {
            Output::Json => {
                output::json(&json!({ "change": "create", "dry_run": true, "state": state }))
            }
            Output::Text => {
                say!("a new key would be created and published as {state}");
                mode.conclude("");
                Ok(())
            }
        };
    }
    let (jwk, location) = write.target.create_key().await?;
    let kid = jwk.kid.clone();
    let made = match &location {
        KeyLocation::Kms(id) => {
            format!("KMS key {id} was made; `tegata key list` tells whether it is registered")
        }
        KeyLocation::File => {
            format!("key {kid} was made; `tegata key list` tells whether it is registered")
        }
    };
    let after = write.before.with(jwk, location, write.now)?;
    let written = write.write("create", &after, mode).await;
    // Only a conflict says for certain that it is not registered, and so of no use to anybody:
    // after a time-out it may be the key that signs.
    if written.as_ref().is_err_and(failure::is_conflict) {
        write.target.keys().remove(&kid)?;
    }
    written.context(made)
}

/// Retires a key. Leases that plug-ins have cached may be as old as the rotation and live for the
/// longest lease days of any product: until then, retiring would stop paying customers.
async fn retire(write: &Write<'_>, kid: &str, force: bool, mode: DryRun) -> anyhow::Result<()> {
    let after = write.before.without(kid)?;
    let key = write
        .before
        .keys
        .iter()
        .find(|key| key.jwk.kid.as_str() == kid);
    if let (Some(since), false) = (key.and_then(|key| key.previous_since), force) {
        let products = write.target.licenses()?.products().await?;
        let licenses = write.target.licenses()?.all().await?.licenses;
        let policies = products.iter().map(|stored| &stored.value.policy);
        let policies = policies.chain(licenses.iter().map(|stored| &stored.value.license.policy));
        let days = policies.map(|policy| policy.lease_days).max().unwrap_or(0);
        // A renewal that was under way at the rotation signed on with the key before: a day more.
        let unused_from = since.checked_add((i64::from(days + 1) * 24).hours())?;
        if write.now < unused_from {
            bail!(
                "plug-ins may have leases of key {kid} in their cache until {unused_from:.0}; \
                 retire it after that, or at once with --force if it is compromised"
            );
        }
        // The leases of licences that are over are not renewed, but still served as denials.
        let leases = licenses.iter().map(|stored| &stored.value.lease);
        let signed = leases.filter(|lease| lease.kid == kid).count();
        if signed > 0 {
            bail!(
                "{signed} leases that are served are signed with key {kid}; first run \
                 `tegata license re-sign --all --signed-with {kid}`"
            );
        }
    }
    write.write("retire", &after, mode).await?;
    if let (Some(key), false) = (key, mode.dry_run) {
        write.target.keys().remove(&key.jwk.kid)?;
    }
    Ok(())
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
