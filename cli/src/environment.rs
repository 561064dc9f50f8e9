//! The environment of the process, in which an empty variable counts as unset.

use std::ffi::OsString;
use std::io;
use std::process::{Command, ExitCode};

/// Restarts this command without its empty variables, if it has any.
///
/// The AWS SDK, the proxy settings and clap read variables themselves, and treat an empty one as a
/// value. A process cannot unset a variable without unsafe code, but it can start itself again.
///
/// Returns the exit code of the command if it ran in another process.
pub(crate) fn unset_empty_variables() -> io::Result<Option<ExitCode>> {
    let empty: Vec<OsString> = std::env::vars_os()
        .filter(|(_, value)| value.is_empty())
        .map(|(name, _)| name)
        .collect();
    if empty.is_empty() {
        return Ok(None);
    }
    let mut command = Command::new(std::env::current_exe()?);
    command.args(std::env::args_os().skip(1));
    for name in empty {
        command.env_remove(name);
    }
    run(command).map(Some)
}

/// Replaces this process, so that signals and the exit code do not have to be forwarded.
#[cfg(unix)]
fn run(mut command: Command) -> io::Result<ExitCode> {
    Err(std::os::unix::process::CommandExt::exec(&mut command))
}

#[cfg(windows)]
fn run(mut command: Command) -> io::Result<ExitCode> {
    let code = command.status()?.code();
    let code = code.and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
