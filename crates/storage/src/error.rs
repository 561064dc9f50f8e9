//! Why a table did not do what was asked.

use aws_sdk_dynamodb::error::SdkError;

/// Why the table did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// Somebody else wrote first; nothing was written.
    #[error(
        "somebody else changed it at the same time; nothing was written: look again, then repeat"
    )]
    Conflict,
    /// A copy's key that is another product's; nothing was written.
    #[error(
        "a kintone plug-in id of this product is another product's too, for a licence of the same domain; nothing was written: take it out of the other's catalogue entry, then `tegata license update-plugin-ids`"
    )]
    Claimed,
    /// An item that is not of its type.
    #[error("item {key}: {reason}")]
    Unreadable {
        /// Partition and sort key; never a mail address.
        key: String,
        /// What does not fit, by attribute.
        reason: String,
    },
    /// The database's own error, with its causes.
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
