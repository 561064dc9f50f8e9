//! Archives the lines in an event, or in the files that it names.

use std::io;

use aws_lambda_events::cloudwatch_logs::{LogData, LogsEvent};
use aws_lambda_events::s3::S3Event;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tegata_archive::Archive;
use tegata_archive::objects::{Objects, ObjectsError, Put};
use tegata_aws::TrustError;
use tegata_common::access::{self, ReadLine, Unreadable};
use tegata_common::domain::BaseDomains;
use tegata_storage::TableError;
use tegata_storage::usage::{Receipt, UsageTable};

use crate::batch::Batch;
use crate::clients;
use crate::report::BatchReport;
use crate::settings::AccessLogSettings;

/// The function with its archive and the table of receipts.
#[derive(Clone, Debug)]
pub struct AccessLog {
    archive: Archive,
    usage: UsageTable,
    zone: TimeZone,
    bases: BaseDomains,
}

/// Why a batch was not archived completely. Lambda delivers it again.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The event has an unknown form.
    #[error("unknown event: expected a batch of a log subscription or a notification of S3")]
    Unknown,
    /// Reading or writing the archive failed.
    #[error("the archive: {0}")]
    Archive(#[from] ObjectsError),
    /// Writing a receipt failed.
    #[error("the receipt: {0}")]
    Table(#[from] TableError),
    /// The file in a notification could not be read.
    #[error("the file of the CDN's log {key}: {reason}")]
    File {
        /// The key of the file.
        key: String,
        /// The error.
        reason: String,
    },
    /// Compressing the lines failed.
    #[error("the lines: {0}")]
    Lines(#[from] io::Error),
}

/// The members by which the kinds of events are distinguished.
#[derive(Deserialize)]
struct Shape {
    #[serde(default)]
    awslogs: Option<IgnoredAny>,
    #[serde(default, rename = "Records")]
    records: Option<IgnoredAny>,
    /// `s3:TestEvent`, which S3 sends when a notification is configured.
    #[serde(default, rename = "Event")]
    event: Option<String>,
}

impl AccessLog {
    /// Creates the function with its clients.
    pub fn open(settings: &AccessLogSettings) -> Result<Self, TrustError> {
        let (bucket, usage) = clients::open(settings)?;
        let archive = Archive::new(bucket(&settings.archive_bucket));
        let zone = settings.time_zone.tz().clone();
        Ok(Self::new(archive, usage, zone, settings.bases.clone()))
    }

    /// Creates the function with existing stores.
    pub fn new(archive: Archive, usage: UsageTable, zone: TimeZone, bases: BaseDomains) -> Self {
        Self {
            archive,
            usage,
            zone,
            bases,
        }
    }

    /// Archives the lines in an event, or in the files that it names. Idempotent, also if it is
    /// interrupted.
    pub async fn handle(&self, event: &str, now: Timestamp) -> Result<BatchReport, BatchError> {
        let shape: Shape = serde_json::from_str(event).map_err(|_| BatchError::Unknown)?;
        if shape.awslogs.is_some() {
            return self.subscription(event, now).await;
        }
        if shape.event.as_deref() == Some("s3:TestEvent") {
            return Ok(BatchReport::default());
        }
        let Some(_) = shape.records else {
            return Err(BatchError::Unknown);
        };
        let event: S3Event = serde_json::from_str(event).map_err(|_| BatchError::Unknown)?;
        self.notification(event, now).await
    }

    /// Archives a batch of a log subscription.
    async fn subscription(&self, event: &str, now: Timestamp) -> Result<BatchReport, BatchError> {
        let mut batch = Batch::new(&self.zone);
        match serde_json::from_str::<LogsEvent>(event) {
            Ok(event) => self.read_log_data(&event.aws_logs.data, now, &mut batch)?,
            // Another delivery would have the same content, so this is recorded as unreadable
            // instead of failing. The lines are still in the log group.
            Err(_) => {
                let reason = "a subscription's batch that cannot be decoded";
                let whole = Unreadable::new(event.as_bytes(), reason);
                batch.add(&ReadLine::Unreadable(whole), now, || {
                    "subscription".to_owned()
                })?;
            }
        }
        self.store(batch, now).await
    }

    fn read_log_data(
        &self,
        data: &LogData,
        now: Timestamp,
        batch: &mut Batch<'_>,
    ) -> io::Result<()> {
        // Other types are control messages, by which CloudWatch checks that the function exists.
        if data.message_type != "DATA_MESSAGE" {
            return Ok(());
        }
        for event in &data.log_events {
            let line = event.message.as_bytes();
            let (item, at) = match Timestamp::from_millisecond(event.timestamp) {
                Ok(at) => (access::read_line(line, at, &self.bases), at),
                Err(_) => {
                    let reason = "the timestamp of its log event is out of range";
                    (ReadLine::Unreadable(Unreadable::new(line, reason)), now)
                }
            };
            batch.add(&item, at, || {
                format!("{} {} {}", data.log_group, data.log_stream, event.id)
            })?;
        }
        Ok(())
    }

    /// Archives files of the CDN's log. A failed file does not prevent the others from being
    /// archived.
    async fn notification(
        &self,
        event: S3Event,
        now: Timestamp,
    ) -> Result<BatchReport, BatchError> {
        let mut report = BatchReport::default();
        let mut failed = None;
        for record in event.records {
            let at = Timestamp::from_millisecond(record.event_time.timestamp_millis());
            let bucket = record.s3.bucket.name.unwrap_or_default();
            let key = decoded(&record.s3.object.key.unwrap_or_default());
            let archived = match self.fetch(&bucket, &key).await {
                Ok(file) => self.file(&key, &file, at.unwrap_or(now)).await,
                Err(error) => Err(error),
            };
            match archived {
                Ok(archived) => report.add(archived),
                Err(error) => {
                    tracing::error!(%error, "a file of the CDN's log was not archived");
                    failed = Some(error);
                }
            }
        }
        failed.map_or(Ok(report), Err)
    }

    /// Archives a file of the CDN's log. `stored_at` is when CloudFront stored it.
    pub async fn file(
        &self,
        key: &str,
        file: &[u8],
        at: Timestamp,
    ) -> Result<BatchReport, BatchError> {
        let mut batch = Batch::new(&self.zone);
        let mut added = Ok(());
        let mut line = 0;
        access::read_cdn(file, at, &self.bases, |item| {
            line += 1;
            if added.is_ok() {
                added = batch.add(&item, at, || format!("{key} record {line}"));
            }
        });
        added?;
        self.store(batch, at).await
    }

    async fn fetch(&self, bucket: &str, key: &str) -> Result<Vec<u8>, BatchError> {
        let failed = |reason: String| BatchError::File {
            key: key.to_owned(),
            reason,
        };
        let Objects::S3 { client, .. } = self.archive.objects() else {
            return Err(failed("there are no buckets on one machine".to_owned()));
        };
        let got = client.get_object().bucket(bucket).key(key).send().await;
        let object = got.map_err(|error| failed(tegata_aws::causes(&error)))?;
        let body = object.body.collect().await;
        Ok(body
            .map_err(|error| failed(tegata_aws::causes(&error)))?
            .to_vec())
    }

    /// Writes each object, then its receipt, then marks its day as changed. If this is interrupted,
    /// the next delivery of the batch completes it.
    async fn store(&self, batch: Batch<'_>, now: Timestamp) -> Result<BatchReport, BatchError> {
        let (objects, mut report) = batch.finish()?;
        for object in objects {
            let receipt = Receipt {
                source: object.name.source,
                hash: object.name.hash.clone(),
                records: object.records,
                bytes: object.compressed.len() as u64,
                archived_at: now,
            };
            match self.archive.put(&object.name, object.compressed).await? {
                Put::New => report.objects += 1,
                Put::AlreadyThere => report.repeated += 1,
            }
            self.usage.put_receipt(object.name.date, &receipt).await?;
            self.usage.mark_changed(object.name.date).await?;
        }
        Ok(report)
    }
}

/// Decodes an object key in a notification, which is form-encoded.
fn decoded(key: &str) -> String {
    let key = key.replace('+', " ");
    percent_decode_str(&key).decode_utf8_lossy().into_owned()
}
