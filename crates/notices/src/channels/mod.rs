//! The channels beside mail: the CDN with the news page, and the status page.

pub mod news;
pub mod status_page;

use tegata_archive::objects::Headers;

/// Of a file of the CDN that never changes: its path names its content.
pub fn never_changes(content_type: &str) -> Headers<'_> {
    Headers {
        content_type,
        cache_control: Some("public, max-age=31536000, immutable"),
    }
}

/// Of a file of the CDN that says what is current: caches keep it for a minute.
pub fn changes_within_a_minute(content_type: &str) -> Headers<'_> {
    Headers {
        content_type,
        cache_control: Some("public, max-age=60"),
    }
}
