//! Archiving of changes on one machine. The records of the embedded database's streams are passed
//! to the same handler as in the cloud, in the same events.
//!
//! The process that serves the database does this: `tegata dev` every second, and a command without
//! `tegata dev` when it ends. If a process is killed, the next one archives the remaining records.

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

/// The maximum number of records in a batch, as in the template.
const BATCH: usize = 500;

/// Archives the changes of some tables since the last call.
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
            // The position is replaced atomically. If the process is killed before, the same
            // records are archived again, as the same object.
            let draft = stream.position.with_extension("new");
            fs::write(&draft, last)?;
            fs::rename(&draft, &stream.position)?;
        }
    }
    Ok(())
}

/// A table's stream and the position up to which it has been archived.
struct Stream {
    iterator: Option<String>,
    /// The file with the sequence number of the last archived record.
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

    /// The next batch as Lambda's event, and the sequence number of its last record.
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
