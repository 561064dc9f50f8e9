//! The queue that `announce` fills and `deliver` empties: one message a delivery.
//!
//! `deliver` sends nothing to it. Lambda stops a function that feeds the queue it is triggered by
//! after about 16 rounds.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use serde::{Deserialize, Serialize};
use tegata_common::notice::{DeliveryId, NoticeId};
use tokio::sync::mpsc::UnboundedSender;

/// Messages in a request to SQS.
const BATCH: usize = 10;

/// How often messages that SQS did not take are offered again.
const TRIES: usize = 3;

/// A message: which delivery. It holds no address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Of which notice.
    pub notice_id: NoticeId,
    /// Which one.
    pub delivery: DeliveryId,
}

/// Why messages are not in the queue, or not all.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// SQS's own error, with its causes.
    #[error("SQS: {0}")]
    Sqs(String),
    /// Nobody reads the queue of this machine.
    #[error("the queue of this machine is closed")]
    Closed,
}

/// Where the queue is.
#[derive(Clone, Debug)]
pub enum Queue {
    /// In SQS.
    Sqs {
        /// How it is reached.
        client: Client,
        /// Its URL.
        url: String,
    },
    /// In this process, on one machine.
    Local(UnboundedSender<Message>),
}

impl Queue {
    /// Puts messages into the queue. If it fails, some of them may be in it: repeating it may put
    /// them in twice, which delivers nothing twice.
    pub async fn send(&self, messages: &[Message]) -> Result<(), QueueError> {
        match self {
            Self::Local(sender) => {
                for message in messages {
                    let sent = sender.send(message.clone());
                    sent.map_err(|_| QueueError::Closed)?;
                }
            }
            Self::Sqs { client, url } => {
                for batch in messages.chunks(BATCH) {
                    send_batch(client, url, batch).await?;
                }
            }
        }
        Ok(())
    }
}

async fn send_batch(client: &Client, url: &str, batch: &[Message]) -> Result<(), QueueError> {
    let failed = |reason: String| QueueError::Sqs(reason);
    let mut entries = Vec::new();
    for (index, message) in batch.iter().enumerate() {
        let body = serde_json::to_string(message).map_err(|error| failed(error.to_string()))?;
        let entry = SendMessageBatchRequestEntry::builder()
            .id(index.to_string())
            .message_body(body)
            .build();
        entries.push(entry.map_err(|error| failed(error.to_string()))?);
    }
    let mut reason = String::new();
    for _ in 0..TRIES {
        let output = client
            .send_message_batch()
            .queue_url(url)
            .set_entries(Some(entries.clone()))
            .send()
            .await
            .map_err(|error| failed(tegata_aws::causes(&error)))?;
        // A request can be answered with 200 and have taken only some of its messages.
        let left: Vec<&str> = output.failed().iter().map(|entry| entry.id()).collect();
        if left.is_empty() {
            return Ok(());
        }
        reason = output.failed().first().map_or_else(String::new, |entry| {
            format!("{}: {}", entry.code(), entry.message().unwrap_or_default())
        });
        entries.retain(|entry| left.contains(&entry.id()));
    }
    Err(failed(reason))
}
