//! `tegata notice new`.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use jiff::ToSpan as _;
use serde_json::json;
use tegata_common::product::ProductSlug;
use tegata_common::version::PluginVersion;
use tegata_notices::check::notice_id;
use tegata_notices::file::KindName;
use tegata_operations::{Period, notices, usage};

use crate::failure::UsageError;
use crate::messages;
use crate::output::{self, Output, say};
use crate::target::Target;

#[derive(Args)]
pub(crate) struct New {
    /// The kind of the notice.
    #[arg(value_enum)]
    kind: KindArg,
    /// The product [default: all products].
    #[arg(long, value_name = "SLUG")]
    product: Option<ProductSlug>,
    /// The version of a release.
    #[arg(long)]
    version: Option<PluginVersion>,
    /// Only for the tenants that have run this version of the product lately; may be repeated. Their
    /// domains are written into the file.
    #[arg(long, value_name = "VERSION", requires = "product")]
    running: Vec<PluginVersion>,
    /// Where to; the file's name without .toml becomes the notice's [default: the notice's name with
    /// .toml, in this directory].
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum KindArg {
    Release,
    Maintenance,
    Incident,
    Information,
}

impl From<KindArg> for KindName {
    fn from(kind: KindArg) -> Self {
        match kind {
            KindArg::Release => Self::Release,
            KindArg::Maintenance => Self::Maintenance,
            KindArg::Incident => Self::Incident,
            KindArg::Information => Self::Information,
        }
    }
}

pub(super) async fn run(target: &Target, output: Output, args: New) -> anyhow::Result<()> {
    // Its name becomes the notice's.
    if let Some(path) = &args.to {
        let shown = path.display();
        notice_id(path).map_err(|problem| UsageError(format!("{shown}: {problem}")))?;
    }
    let context = target.notice_context()?;
    let (product, version) = (args.product.as_ref(), args.version.as_ref());
    let domains = running(target, &args).await?;
    let kind = args.kind.into();
    let comments = messages::language().into();
    let draft = notices::new(&context, kind, product, version, &domains, comments).await?;
    let path = args
        .to
        .unwrap_or_else(|| format!("{}.toml", draft.id).into());
    let shown = path.display().to_string();
    // An existing file is somebody's work.
    let mut file = File::create_new(&path).with_context(|| shown.clone())?;
    file.write_all(draft.content.as_bytes())
        .with_context(|| shown.clone())?;
    match output {
        Output::Json => {
            let domains = domains.len();
            output::json(&json!({ "notice_id": draft.id, "file": shown, "domains": domains }))?;
        }
        Output::Text => {
            say!("{shown} is written: edit it, then");
            say!("  tegata notice check {shown}");
            say!("  tegata notice preview {shown}");
        }
    }
    Ok(())
}

/// The days of usage that are looked at for the versions that tenants run.
const LATELY: i32 = 35;

/// The tenants that run one of the versions that are asked for.
async fn running(target: &Target, args: &New) -> anyhow::Result<Vec<String>> {
    let (Some(product), false) = (&args.product, args.running.is_empty()) else {
        return Ok(Vec::new());
    };
    let to = target.today();
    let from = to.checked_sub(LATELY.days())?;
    let versions: Vec<String> = args.running.iter().map(ToString::to_string).collect();
    let place = target.usage_place()?;
    let domains = usage::running(&place, product, &versions, Period { from, to }).await?;
    match domains.is_empty() {
        true => bail!(
            "no tenant has run {} in {LATELY} days",
            versions.join(" or ")
        ),
        false => Ok(domains),
    }
}
