//! The channels other than mail: the news page on the CDN, and the status page.

pub mod news;
pub mod status_page;

use tegata_archive::objects::Headers;

/// The headers of an immutable file of the CDN, whose path contains its version.
pub fn never_changes(content_type: &str) -> Headers<'_> {
    Headers {
        content_type,
        cache_control: Some("public, max-age=31536000, immutable"),
    }
}

/// The headers of a file of the CDN that is overwritten. Caches keep it for a minute.
pub fn changes_within_a_minute(content_type: &str) -> Headers<'_> {
    Headers {
        content_type,
        cache_control: Some("public, max-age=60"),
    }
}
