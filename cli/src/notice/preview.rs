//! `tegata notice preview`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use tegata_common::customer::EmailAddress;
use tegata_operations::notices::{self, RenderedFile};

use super::audience;
use super::file::{self, TermsArgs};
use crate::output::{self, Output, say};
use crate::target::Target;

#[derive(Args)]
pub(crate) struct Preview {
    /// The file.
    file: PathBuf,
    /// Where to [default: beside the file, its name with .preview].
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// Send both languages' mail to this address too, as a test.
    #[arg(long, value_name = "ADDRESS")]
    test_to: Option<EmailAddress>,
    #[command(flatten)]
    terms: TermsArgs,
}

pub(super) async fn run(target: &Target, output: Output, args: Preview) -> anyhow::Result<()> {
    let checked = file::read(target, &args.file, args.terms, target.now).await?;
    let suppressed = audience::suppressed(target).await;
    let (context, sender) = (target.notice_context()?, target.sender()?);
    let preview = notices::preview(&context, checked, &sender, &suppressed).await?;
    let directory = args
        .to
        .unwrap_or_else(|| args.file.with_extension("preview"));
    let files = write(&directory, &preview.files)?;
    if let Some(address) = &args.test_to {
        let transport = target.mail_transport();
        notices::test_mails(&preview, address, &sender, &transport, target.caller()).await?;
    }
    let report = preview.report(files, args.test_to.is_some());
    if output == Output::Json {
        return output::json(&report);
    }
    audience::print_recipients(&preview.audience, 0);
    for (language, number) in &report.languages {
        say!("  in {language}: {number}");
    }
    audience::print_left_out(&preview.audience);
    if !preview.notice.audience.is_empty() {
        audience::print_contracts(&preview.audience);
    }
    say!("written:");
    for file in &report.files {
        say!("  {file}");
    }
    if report.test_to {
        say!("sent to the test address, in both languages");
    }
    Ok(())
}

/// Writes the files, and returns their paths.
fn write(directory: &Path, files: &[RenderedFile]) -> anyhow::Result<Vec<String>> {
    std::fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
    let mut paths = Vec::new();
    for file in files {
        let path = directory.join(&file.name);
        std::fs::write(&path, &file.content).with_context(|| path.display().to_string())?;
        paths.push(path.display().to_string());
    }
    Ok(paths)
}
