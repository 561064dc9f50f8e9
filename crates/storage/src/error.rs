//! Errors of reading and writing tables.

use aws_sdk_dynamodb::error::SdkError;

/// Why an item could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The precondition of a write does not hold because of a concurrent write. Nothing was
    /// written.
    #[error(
        "someone else changed it at the same time; nothing was written: read it again, then repeat the command"
    )]
    Conflict,
    /// A kintone plug-in id belongs to another product's licence. Nothing was written.
    #[error(
        "a kintone plug-in id of this product also belongs to another product with a licence of the same domain; nothing was written: remove it from that product in the catalogue, then run `tegata license update-plugin-ids`"
    )]
    Claimed,
    /// The attributes of an item are invalid.
    #[error("item {key}: {reason}")]
    Unreadable {
        /// The partition key and the sort key, without a mail address.
        key: String,
        /// The error, with the name of the attribute.
        reason: String,
    },
    /// An error of DynamoDB, with its causes.
    #[error("DynamoDB: {0}")]
    Database(String),
}

impl TableError {
    pub(crate) fn database<E, R>(error: SdkError<E, R>) -> Self
    where
        E: std::error::Error + 'static,
        R: std::fmt::Debug + 'static,
    {
        Self::Database(tegata_aws::causes(&error))
    }

    pub(crate) fn unreadable(key: String, reason: impl ToString) -> Self {
        Self::Unreadable {
            key,
            reason: reason.to_string(),
        }
    }

    pub(crate) fn build(error: aws_sdk_dynamodb::error::BuildError) -> Self {
        Self::Database(error.to_string())
    }
}
