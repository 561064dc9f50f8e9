//! The whole news page, written again.

use serde::Serialize;
use tegata_archive::objects::Objects;
use tegata_notices::channels::news::{NewsError, publish};
use tegata_notices::render::Sender;
use tegata_notices::render::news::pages;
use tegata_storage::notices::Notices;

use crate::Error;

/// The result of writing the news page.
#[derive(Debug, Serialize)]
pub struct NewsReport {
    /// The number of files.
    pub pages: usize,
    /// Whether nothing was to be written.
    pub dry_run: bool,
}

/// Writes the whole news page: after its design or the address of the CDN has changed.
pub async fn publish_news(
    notices: &Notices,
    cdn: &Objects,
    sender: &Sender,
    status_page: Option<&str>,
    dry_run: bool,
) -> Result<NewsReport, Error> {
    let notices = notices.all().await?;
    let pages = match dry_run {
        true => {
            let pages = pages(&notices, sender, status_page, None);
            pages.map_err(NewsError::from)?.len()
        }
        false => publish(&notices, cdn, sender, status_page, None).await?,
    };
    Ok(NewsReport { pages, dry_run })
}
