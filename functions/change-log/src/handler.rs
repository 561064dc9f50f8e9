//! Archives a batch of a table's stream.

use std::io;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tegata_archive::objects::{Objects, ObjectsError, Put};
use tegata_archive::{Archive, Lines};
use tegata_aws::TrustError;
use tegata_common::access::Source;
use tegata_common::change::{self, ChangeLine};
use tegata_lambda::RetryPolicy;

use crate::settings::ChangeLogSettings;

/// The retries, with time-outs for batches of about a megabyte.
const RETRIES: RetryPolicy = RetryPolicy {
    attempts: 4,
    connect: Duration::from_secs(1),
    attempt: Duration::from_secs(5),
    operation: Duration::from_secs(15),
};

/// The function with its archive and the time zone of its days.
#[derive(Clone, Debug)]
pub struct ChangeLog {
    archive: Archive,
    zone: TimeZone,
}

/// The answer to Lambda: the record from which to deliver again, if the batch was not archived.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// The first record to deliver again. Lambda also delivers all records after it.
    pub batch_item_failures: Vec<Failure>,
    /// The number of archived changes.
    pub archived: u64,
    /// The number of new objects.
    pub objects: u64,
    /// The number of objects that existed already, because the batch was delivered again.
    pub repeated: u64,
    /// The number of unreadable records. Evidence of them is in the archive.
    pub unreadable: u64,
}

/// A record to deliver again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// Its sequence number.
    pub item_identifier: String,
}

/// Why a batch was not archived. Lambda delivers it again.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The event is not a batch of a stream.
    #[error("unknown event: expected a batch of a DynamoDB stream")]
    Unknown,
    /// Writing the archive failed.
    #[error("the archive: {0}")]
    Archive(#[from] ObjectsError),
    /// Compressing the lines failed.
    #[error("the lines: {0}")]
    Lines(#[from] io::Error),
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "Records")]
    records: Vec<&'a RawValue>,
}

/// The member of a record with its sequence number.
#[derive(Deserialize)]
struct Numbered {
    dynamodb: Number,
}

#[derive(Deserialize)]
struct Number {
    #[serde(rename = "SequenceNumber")]
    sequence: String,
}

impl ChangeLog {
    /// Creates the function with its client.
    pub fn open(settings: &ChangeLogSettings) -> Result<Self, TrustError> {
        let aws = &settings.aws;
        let config = aws.sdk_config("S3", aws.https_client()?, RETRIES);
        let archive = Archive::new(Objects::bucket(&config, &settings.archive_bucket));
        Ok(Self::new(archive, settings.time_zone.tz().clone()))
    }

    /// Creates the function with an existing archive.
    pub fn new(archive: Archive, zone: TimeZone) -> Self {
        Self { archive, zone }
    }

    /// Archives a batch of a stream. Idempotent, also if it is interrupted: the same batch writes
    /// the same objects.
    ///
    /// A batch that was not archived is delivered again from its first record, so that no record is
    /// skipped and the batch has the same content.
    pub async fn handle(&self, event: &str, now: Timestamp) -> Result<Response, BatchError> {
        let event: Event<'_> = serde_json::from_str(event).map_err(|_| BatchError::Unknown)?;
        match self.archive(&event.records, now).await {
            Ok(response) => Ok(response),
            Err(error) => {
                tracing::error!(%error, "a batch of changes was not archived");
                let first = event.records.first();
                let first = first.and_then(|first| serde_json::from_str(first.get()).ok());
                let Some(Numbered { dynamodb }) = first else {
                    return Err(error);
                };
                Ok(Response {
                    batch_item_failures: vec![Failure {
                        item_identifier: dynamodb.sequence,
                    }],
                    ..Response::default()
                })
            }
        }
    }

    async fn archive(&self, records: &[&RawValue], now: Timestamp) -> Result<Response, BatchError> {
        let mut response = Response::default();
        let mut lines = Lines::default();
        for record in records {
            let line = change::read_record(record.get(), now);
            if matches!(line, ChangeLine::Unreadable(_)) {
                response.unreadable += 1;
                tracing::error!(
                    "a record of a stream cannot be read; it is archived as unreadable"
                );
            }
            let date = self.zone.to_datetime(line.time()).date();
            lines.add(Source::Change, date, &line)?;
        }
        for object in lines.finish()? {
            match self.archive.put(&object.name, object.compressed).await? {
                Put::New => response.objects += 1,
                Put::AlreadyThere => response.repeated += 1,
            }
            response.archived += object.records;
        }
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: &str = "2026-11-27T12:00:00Z";

    /// A record of a licence's change, with its number and second.
    fn record(number: u32, seconds: i64) -> Value {
        json!({
            "eventID": format!("{number:032x}"),
            "eventName": "INSERT",
            "dynamodb": {
                "ApproximateCreationDateTime": seconds,
                "Keys": { "domain": { "S": "example.cybozu.com" }, "product": { "S": "sheet" } },
                "NewImage": { "domain": { "S": "example.cybozu.com" }, "product": { "S": "sheet" } },
                "SequenceNumber": format!("4000000000000000{number:05}"),
            },
        })
    }

    fn event(records: &[Value]) -> String {
        json!({ "Records": records }).to_string()
    }

    fn change_log(archive: &std::path::Path) -> ChangeLog {
        let archive = Archive::new(Objects::Directory(archive.to_owned()));
        ChangeLog::new(archive, TimeZone::get("Asia/Tokyo").unwrap())
    }

    #[tokio::test]
    async fn a_batch_is_an_object_a_day_and_repeated_writes_nothing_new() {
        let directory = tempfile::tempdir().unwrap();
        let change_log = change_log(directory.path());
        // 23:59:59 and midnight in Tokyo.
        let midnight = 1_795_705_200;
        let batch = event(&[record(1, midnight - 1), record(2, midnight), json!("x")]);
        let now = NOW.parse().unwrap();
        let first = change_log.handle(&batch, now).await.unwrap();
        assert_eq!((first.archived, first.objects, first.repeated), (3, 2, 0));
        assert_eq!((first.unreadable, first.batch_item_failures.len()), (1, 0));
        let again = change_log.handle(&batch, now).await.unwrap();
        assert_eq!((again.archived, again.objects, again.repeated), (3, 0, 2));
        for date in ["2026-11-26", "2026-11-27"] {
            let listed = change_log
                .archive
                .list(Source::Change, date.parse().unwrap());
            assert_eq!(listed.await.unwrap().len(), 1, "{date}");
        }
    }

    #[tokio::test]
    async fn the_sample_event_is_archived_without_an_address() {
        let directory = tempfile::tempdir().unwrap();
        let change_log = change_log(directory.path());
        let batch = include_str!("../../../events/table-stream.json");
        let response = change_log.handle(batch, NOW.parse().unwrap()).await;
        let response = response.unwrap();
        assert_eq!((response.archived, response.unreadable), (3, 0));
        let date = "2026-11-27".parse().unwrap();
        let listed = change_log.archive.list(Source::Change, date).await.unwrap();
        let name = listed[0].name.as_ref().unwrap();
        let object = change_log
            .archive
            .get(&listed[0].key)
            .await
            .unwrap()
            .unwrap();
        let lines = tegata_archive::open(name, &object).unwrap();
        let text = String::from_utf8(lines).unwrap();
        assert!(!text.contains("it@customer.example"), "{text}");
        let events: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["event"].clone())
            .collect();
        assert_eq!(events, ["insert", "modify", "remove"]);
    }

    #[tokio::test]
    async fn a_batch_that_does_not_reach_the_archive_comes_again_from_its_first_record() {
        // A file where the archive's directory should be.
        let file = tempfile::NamedTempFile::new().unwrap();
        let change_log = change_log(file.path());
        let batch = event(&[record(7, 1_795_705_200), record(8, 1_795_705_200)]);
        let response = change_log.handle(&batch, NOW.parse().unwrap()).await;
        assert_eq!(
            serde_json::to_value(response.unwrap()).unwrap()["batchItemFailures"],
            json!([{ "itemIdentifier": "400000000000000000007" }])
        );
        let unknown = change_log.handle("{}", NOW.parse().unwrap()).await;
        assert!(matches!(unknown, Err(BatchError::Unknown)));
    }
}
