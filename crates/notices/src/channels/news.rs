//! Publishing the news page on the CDN.

use tegata_archive::objects::{Objects, ObjectsError};
use tegata_common::notice::{Notice, NoticeId};
use tegata_storage::TableError;

use super::changes_within_a_minute;
use crate::render::news::pages;
use crate::render::{RenderError, Sender};

/// Why the news page was not written.
#[derive(Debug, thiserror::Error)]
pub enum NewsError {
    /// The notices could not be read.
    #[error("{0}")]
    Table(#[from] TableError),
    /// A page could not be rendered.
    #[error("{0}")]
    Render(#[from] RenderError),
    /// A page could not be stored.
    #[error("{0}")]
    Cdn(#[from] ObjectsError),
}

/// Writes the lists and feeds, and the pages of one notice or of all. Idempotent. Returns the number
/// of files.
pub async fn publish(
    notices: &[Notice],
    cdn: &Objects,
    sender: &Sender,
    status_page_url: Option<&str>,
    only: Option<&NoticeId>,
) -> Result<usize, NewsError> {
    let wanted = pages(notices, sender, status_page_url, only)?;
    let written = wanted.len();
    for page in wanted {
        let content = page.content.into_bytes();
        let headers = changes_within_a_minute(page.content_type);
        cdn.put(&page.path, content, headers).await?;
    }
    Ok(written)
}
