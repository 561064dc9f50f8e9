//! A new notice file to start from.

use tegata_common::customer::Language;
use tegata_common::product::{Product, ProductSlug};
use tegata_common::version::PluginVersion;
use tegata_notices::draft::{self, Draft};
use tegata_notices::file::KindName;

use super::{Context, NoticeError};
use crate::Error;

/// Writes a notice file that passes the check, for a product or for all products. `domains` are the
/// tenants that it is for; empty for all. `comments` is the language of the file's comments.
pub async fn new(
    context: &Context<'_>,
    kind: KindName,
    product: Option<&ProductSlug>,
    version: Option<&PluginVersion>,
    domains: &[String],
    comments: Language,
) -> Result<Draft, Error> {
    let catalogue = context.licenses.products().await?.into_iter();
    let catalogue: Vec<Product> = catalogue.map(|stored| stored.value).collect();
    let found = match product {
        Some(slug) => {
            let known = catalogue.iter().find(|of| of.slug == *slug);
            Some(known.ok_or_else(|| NoticeError::NoProduct(slug.clone()))?)
        }
        None => None,
    };
    let draft = draft::draft(
        kind,
        found,
        version,
        domains,
        &catalogue,
        comments,
        context.caller.now,
    );
    Ok(draft.map_err(NoticeError::Draft)?)
}
