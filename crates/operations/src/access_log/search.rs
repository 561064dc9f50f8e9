//! Search in the archive for the requests of one tenant.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, stream};
use serde::Serialize;
use tegata_archive::Listed;
use tegata_common::access::{AccessRecord, Source};
use tegata_common::domain::Domain;
use tegata_common::product::ProductSlug;

use super::{AHEAD, Context};
use crate::{Error, Period, Progress};

/// The criteria of a search.
#[derive(Clone, Debug)]
pub struct RequestFilter {
    /// The tenant.
    pub domain: Domain,
    /// Only requests for this product.
    pub product: Option<ProductSlug>,
    /// Only requests answered with this code, in upper case.
    pub code: Option<String>,
}

impl RequestFilter {
    fn matches(&self, record: &AccessRecord<'_>) -> bool {
        let is = |wanted: Option<&str>, value: Option<&str>| {
            wanted.is_none_or(|wanted| value == Some(wanted))
        };
        let product = self.product.as_ref().map(ProductSlug::as_str);
        record.domain.as_deref() == Some(self.domain.as_str())
            && is(product, record.product.as_deref())
            && is(self.code.as_deref(), record.code.as_deref())
    }
}

/// The result of a search.
#[derive(Debug, Default)]
pub struct FoundRequests {
    /// The requests, oldest first.
    pub requests: Vec<MergedRequest>,
    /// The number of objects that could not be read. Their requests are missing from the result.
    pub damaged: u64,
}

/// One request, merged from the records of the gateway and the function, or from the CDN's record.
#[derive(Debug, Serialize)]
pub struct MergedRequest {
    /// The source of the record.
    pub source: Source,
    #[serde(flatten)]
    pub record: AccessRecord<'static>,
    /// The status that the gateway sent to the caller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway_status: Option<u16>,
    /// The time from the request to the answer at the gateway, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway_latency_ms: Option<u32>,
}

/// Searches for the requests of a tenant. Reads every object of the period.
pub async fn search(
    context: &Context<'_>,
    filter: &RequestFilter,
    period: Period,
    progress: &dyn Progress,
) -> Result<FoundRequests, Error> {
    let mut found: BTreeMap<(Source, String), MergedRequest> = BTreeMap::new();
    let mut damaged = 0;
    for source in [Source::Lookup, Source::Cdn] {
        damaged += each(context, source, period, progress, |record| {
            if filter.matches(&record) {
                let id = record.request_id.to_string();
                let entry = found.entry((source, id));
                entry.or_insert_with(|| MergedRequest {
                    source,
                    record: record.into_owned(),
                    gateway_status: None,
                    gateway_latency_ms: None,
                });
            }
        })
        .await?;
    }
    // Records of the gateway do not contain the tenant. They are found by the request id.
    damaged += each(context, Source::Gateway, period, progress, |record| {
        let key = (Source::Lookup, record.request_id.to_string());
        if let Some(found) = found.get_mut(&key) {
            found.gateway_status = record.status;
            found.gateway_latency_ms = record.latency_ms;
        }
    })
    .await?;
    let mut requests: Vec<MergedRequest> = found.into_values().collect();
    requests.sort_by_key(|found| found.record.time);
    Ok(FoundRequests { requests, damaged })
}

/// Calls `call` for each record of a source in a period. Returns the number of objects that could
/// not be read.
async fn each(
    context: &Context<'_>,
    source: Source,
    period: Period,
    progress: &dyn Progress,
    mut call: impl FnMut(AccessRecord<'_>),
) -> Result<u64, Error> {
    let archive = context.archive;
    progress.set_message(source.as_str());
    let mut damaged = 0;
    for date in period.days() {
        let listed = archive.list(source, date).await?;
        progress.add_total(listed.len());
        let objects =
            stream::iter(listed).map(async |listed| (archive.get(&listed.key).await, listed));
        let mut objects = std::pin::pin!(objects.buffered(AHEAD));
        while let Some((object, listed)) = objects.next().await {
            progress.advance();
            let Some(lines) = lines(&listed, object?) else {
                damaged += 1;
                continue;
            };
            for line in lines.split(|byte| *byte == b'\n') {
                if let Ok(record) = serde_json::from_slice::<AccessRecord<'_>>(line) {
                    call(record);
                }
            }
        }
    }
    Ok(damaged)
}

fn lines(listed: &Listed, object: Option<Vec<u8>>) -> Option<Vec<u8>> {
    tegata_archive::open(listed.name.as_ref()?, &object?).ok()
}
