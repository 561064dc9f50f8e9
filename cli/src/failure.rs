//! The exit code of a failed command.

use std::process::ExitCode;

use tegata_common::domain::DomainError;
use tegata_operations::{Error, ErrorKind};
use tegata_storage::TableError;

/// An invalid argument. Exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(pub(crate) String);

/// The exit code of a command that has printed its result, which is not a failure.
#[derive(Debug, thiserror::Error)]
#[error("exit code {0}")]
pub(crate) struct Exit(pub(crate) u8);

/// 2: invalid arguments; 3: not found; 4: concurrent change; 1: any other error.
pub(crate) fn exit_code(error: &anyhow::Error) -> ExitCode {
    if let Some(Exit(code)) = error.downcast_ref() {
        return ExitCode::from(*code);
    }
    match kind(error) {
        ErrorKind::Usage => ExitCode::from(2),
        ErrorKind::NotFound => ExitCode::from(3),
        ErrorKind::Conflict => ExitCode::from(4),
        ErrorKind::Failed => ExitCode::FAILURE,
    }
}

fn kind(error: &anyhow::Error) -> ErrorKind {
    if let Some(error) = error.downcast_ref::<Error>() {
        return error.kind();
    }
    if error.is::<UsageError>() || error.is::<DomainError>() {
        return ErrorKind::Usage;
    }
    match error.downcast_ref::<TableError>() {
        Some(TableError::Conflict) => ErrorKind::Conflict,
        _ => ErrorKind::Failed,
    }
}
