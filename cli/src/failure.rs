//! What a failed command tells its caller: a sentence and an exit code.

use std::process::ExitCode;

use tegata_common::domain::DomainError;
use tegata_common::keys::RegisterError;
use tegata_common::license::LicenseError;
use tegata_notices::operate::OperateError;
use tegata_operations::ErrorKind;
use tegata_operations::contract::WriteError;
use tegata_storage::TableError;

/// What was asked for is not there.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NotFound(pub(crate) String);

/// What was typed cannot be meant.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(pub(crate) String);

/// 2: wrong usage; 3: not found; 4: somebody else wrote first; 1: everything else.
pub(crate) fn exit_code(error: &anyhow::Error) -> ExitCode {
    let is_unknown_key = |error: &RegisterError| matches!(error, RegisterError::Unknown(_));
    let is_unknown_name = |error: &LicenseError| {
        matches!(
            error,
            LicenseError::UnknownDomain(_) | LicenseError::NoQuota(_)
        )
    };
    let is_unknown_notice = |error: &OperateError| {
        matches!(
            error,
            OperateError::NoNotice(_) | OperateError::NoDelivery(_)
        )
    };
    let is_wrong_value = |error: &LicenseError| {
        matches!(
            error,
            LicenseError::Edition
                | LicenseError::Users
                | LicenseError::QuotaName(_)
                | LicenseError::TrialDays
        )
    };
    match operation_error(error) {
        Some(ErrorKind::Usage) => return ExitCode::from(2),
        Some(ErrorKind::NotFound) => return ExitCode::from(3),
        Some(ErrorKind::Conflict) => return ExitCode::from(4),
        Some(ErrorKind::Failed) => return ExitCode::FAILURE,
        None => {}
    }
    let is_usage = error.is::<UsageError>() || error.is::<DomainError>();
    if is_usage || error.downcast_ref().is_some_and(is_wrong_value) {
        ExitCode::from(2)
    } else if error.is::<NotFound>()
        || error.downcast_ref().is_some_and(is_unknown_key)
        || error.downcast_ref().is_some_and(is_unknown_name)
        || error.downcast_ref().is_some_and(is_unknown_notice)
    {
        ExitCode::from(3)
    } else if is_conflict(error) {
        ExitCode::from(4)
    } else {
        ExitCode::FAILURE
    }
}

fn operation_error(error: &anyhow::Error) -> Option<ErrorKind> {
    let error = error.downcast_ref::<tegata_operations::Error>();
    error.map(tegata_operations::Error::kind)
}

/// Whether somebody else wrote first.
pub(crate) fn is_conflict(error: &anyhow::Error) -> bool {
    let in_a_contract = error.downcast_ref();
    let in_a_notice = error.downcast_ref();
    operation_error(error) == Some(ErrorKind::Conflict)
        || matches!(error.downcast_ref(), Some(TableError::Conflict))
        || matches!(in_a_notice, Some(OperateError::Table(TableError::Conflict)))
        || matches!(in_a_contract, Some(WriteError::Table(TableError::Conflict)))
}
