//! The channels beside mail: the CDN with the news page, and the status page.

pub mod news;
pub mod shelf;
pub mod status_page;
