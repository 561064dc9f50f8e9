//! A notice's file.

use std::path::Path;

use clap::Args;
use jiff::Timestamp;
use tegata_notices::check::{Problem, notice_id};
use tegata_notices::file::NoticeFile;
use tegata_operations::Error;
use tegata_operations::notices::{self, CheckedNotice, NoticeError};

use crate::failure::UsageError;
use crate::output::note;
use crate::target::Target;
use crate::text_file;

/// What a check needs to know.
#[derive(Args)]
pub(super) struct TermsArgs {
    /// Why it is announced later than the product's lead time asks for. It is recorded.
    #[arg(long, value_name = "REASON")]
    short_notice: Option<String>,
}

/// Reads and checks a file. All that is wrong with it is printed.
pub(super) async fn read(
    target: &Target,
    path: &Path,
    terms: TermsArgs,
    send_at: Timestamp,
) -> anyhow::Result<CheckedNotice> {
    let shown = path.display();
    let text = text_file::read_utf8(path)?;
    let id = notice_id(path).map_err(|problem| UsageError(format!("{shown}: {problem}")))?;
    let file = NoticeFile::parse(&text).map_err(|error| anyhow::anyhow!("{shown}: {error}"))?;
    let context = target.notice_context()?;
    let checked = notices::check(&context, &id, &file, terms.short_notice, send_at).await;
    checked.map_err(|error| {
        let Error::Notice(NoticeError::Problems(problems)) = &error else {
            return error.into();
        };
        for Problem { field, message } in problems {
            note!("{shown}: {field}: {message}");
        }
        anyhow::anyhow!("{shown}: {error}")
    })
}
