//! On one machine: what the streams of the embedded database report goes to the same handler as in
//! the cloud, in the same events.
//!
//! The process that serves the database does that: `tegata dev` every second, a command on its own
//! at its end, and whoever comes next does what one that was killed has left.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use change_log::handler::ChangeLog;
use dynoxide::actions::describe_stream::DescribeStreamRequest;
use dynoxide::actions::get_records::GetRecordsRequest;
use dynoxide::actions::get_shard_iterator::GetShardIteratorRequest;
use dynoxide::actions::list_streams::ListStreamsRequest;
use jiff::Timestamp;
use serde_json::json;

use crate::embedded::Streams;

/// Records of a batch, as the template has it.
const BATCH: usize = 500;

/// Archives what has changed in some tables since it was done last.
pub(crate) async fn archive(
    streams: &Streams,
    tables: &[&str],
    change_log: &ChangeLog,
) -> anyhow::Result<()> {
    for table in tables {
        let of_table = Stream::open(streams, table)?;
        let Some(mut stream) = of_table else {
            continue;
        };
        while let Some((event, last)) = stream.next_batch(streams)? {
            let response = change_log.handle(&event, Timestamp::now()).await?;
            if !response.batch_item_failures.is_empty() {
                bail!("changes of the table {table} could not be archived");
            }
            fs::create_dir_all(&streams.directory)?;
            // Renamed into place: what breaks off in between is archived again, as the same object.
            let draft = stream.position.with_extension("new");
            fs::write(&draft, last)?;
            fs::rename(&draft, &stream.position)?;
        }
    }
    Ok(())
}

/// A table's stream from where it was read last.
struct Stream {
    iterator: Option<String>,
    /// The file with the number of the last record that is archived.
    position: PathBuf,
}

impl Stream {
    fn open(streams: &Streams, table: &str) -> anyhow::Result<Option<Self>> {
        let database = &streams.database;
        let listed = database
            .list_streams(ListStreamsRequest {
                table_name: Some(table.to_owned()),
                ..ListStreamsRequest::default()
            })
            .map_err(anyhow::Error::msg)?;
        let Some(stream) = listed.streams.into_iter().next() else {
            return Ok(None);
        };
        let described = database
            .describe_stream(DescribeStreamRequest {
                stream_arn: stream.stream_arn.clone(),
                ..DescribeStreamRequest::default()
            })
            .map_err(anyhow::Error::msg)?;
        let Some(shard) = described.stream_description.shards.into_iter().next() else {
            return Ok(None);
        };
        let position = streams.directory.join(table);
        let last = match fs::read_to_string(&position) {
            Ok(last) => Some(last),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error).context(position.display().to_string()),
        };
        let from = match last {
            Some(_) => "AFTER_SEQUENCE_NUMBER",
            None => "TRIM_HORIZON",
        };
        let iterator = database
            .get_shard_iterator(GetShardIteratorRequest {
                stream_arn: stream.stream_arn,
                shard_id: shard.shard_id,
                shard_iterator_type: from.to_owned(),
                sequence_number: last,
            })
            .map_err(anyhow::Error::msg)?;
        Ok(Some(Self {
            iterator: iterator.shard_iterator,
            position,
        }))
    }

    /// The next batch as Lambda's event, and the number of its last record.
    fn next_batch(&mut self, streams: &Streams) -> anyhow::Result<Option<(String, String)>> {
        let Some(shard_iterator) = self.iterator.take() else {
            return Ok(None);
        };
        let read = streams
            .database
            .get_records(GetRecordsRequest {
                shard_iterator,
                limit: Some(BATCH),
            })
            .map_err(anyhow::Error::msg)?;
        self.iterator = read.next_shard_iterator;
        let last = read.records.last();
        let last = last.map(|record| record.dynamodb.sequence_number.clone());
        Ok(last.map(|last| (json!({ "Records": read.records }).to_string(), last)))
    }
}
