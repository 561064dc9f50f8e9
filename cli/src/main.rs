//! `tegata`: the operators' command line.

mod access_log;
mod bulk;
mod change;
mod contact;
mod customer;
mod dev;
mod doctor;
#[cfg(test)]
mod documents;
mod embedded;
mod environment;
mod failure;
mod history;
mod identity;
mod instants;
mod key;
mod license;
mod loopback;
mod messages;
mod notice;
mod output;
mod owner_only;
mod period;
mod private_file;
mod product;
mod proxy;
mod publish;
mod shell;
mod spreadsheet;
mod streams;
mod target;
mod text_file;
mod usage;
mod when;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use output::{Output, OutputArg};
use target::TargetArgs;

/// Runs the licences of a kintone plug-in vendor.
///
/// Every command works on one target: this machine (--local) or a deployed stack (--stack NAME).
/// Operators need no account of tegata's: in the cloud their IAM identity decides, and every
/// change is recorded with its ARN.
#[derive(Parser)]
#[command(
    name = "tegata",
    version,
    after_help = "Start here:\n  \
        tegata dev                               the whole system on this machine, with samples\n  \
        tegata --local license list              what it holds\n  \
        tegata --stack NAME product apply products.toml\n  \
        tegata --stack NAME license issue example.cybozu.com sheet --billing yearly --users 50\n\n\
        Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 changed by somebody else."
)]
struct Cli {
    #[command(flatten)]
    target: TargetArgs,

    /// The language of results, explanations and errors; stands before the command [default: ja if the
    /// locale (LC_ALL, LC_MESSAGES, LANG) is Japanese, or else en]. JSON and help stay English.
    #[arg(long, value_enum)]
    language: Option<messages::Language>,

    /// How results are printed.
    #[arg(long, value_enum, default_value_t, global = true)]
    output: OutputArg,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Issue, show, explain, change, move, suspend and cancel licences.
    #[command(subcommand)]
    License(license::Command),
    /// Add, show, list and change customers.
    #[command(subcommand)]
    Customer(customer::Command),
    /// Add, remove and list the contacts whom notices reach.
    #[command(subcommand)]
    Contact(contact::Command),
    Import(bulk::Import),
    Export(bulk::Export),
    /// Apply and list the product catalogue.
    #[command(subcommand)]
    Product(product::Command),
    /// Announce releases, maintenance and incidents: by mail, on the news and the status page.
    #[command(subcommand)]
    Notice(notice::Command),
    /// Put a plug-in's files onto the CDN, and make a version current that has been announced.
    #[command(subcommand)]
    Publish(publish::Command),
    /// Report how products and tenants use the licence API.
    #[command(subcommand)]
    Usage(usage::Command),
    /// Search and verify the archive of access records.
    #[command(subcommand)]
    AccessLog(access_log::Command),
    /// Verify that what was recorded of changes is what was done.
    #[command(subcommand)]
    History(history::Command),
    /// Create, rotate, retire and export the keys that sign leases.
    #[command(subcommand)]
    Key(key::Command),
    Doctor(doctor::Args),
    /// Run the whole system on this machine, with sample data.
    Dev(dev::Args),
}

fn main() -> ExitCode {
    messages::choose(std::env::args_os().skip(1), |name| std::env::var(name).ok());
    match environment::unset_empty_variables() {
        Ok(None) => run_to_exit_code(),
        Ok(Some(code)) => code,
        Err(error) => {
            let error = anyhow::Error::new(error);
            output::failure(&error.context("cannot unset the environment's empty variables"));
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run_to_exit_code() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    match run(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !error.is::<failure::Exit>() {
                output::failure(&error);
            }
            failure::exit_code(&error)
        }
    }
}

/// What clap says of a command line: help as it is; an error may repeat what was typed.
fn refuse(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind;
    match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => error.exit(),
        _ => {
            let text = error.to_string();
            let text = text.strip_prefix("error: ").unwrap_or(&text);
            output::failure(&anyhow::anyhow!("{}", text.trim_end()));
            ExitCode::from(2)
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    let Cli {
        target,
        language: _,
        output,
        command,
    } = cli;
    if let Command::Dev(args) = command {
        return dev::run(&target, args).await;
    }
    let is_ledger = output == OutputArg::Csv;
    if is_ledger && !matches!(command, Command::Notice(notice::Command::Status { .. })) {
        let only = "--output csv is for `tegata notice status` only".to_owned();
        return Err(failure::UsageError(only).into());
    }
    let output = match output {
        OutputArg::Json => Output::Json,
        OutputArg::Text | OutputArg::Csv => Output::Text,
    };
    if let Command::Doctor(args) = command {
        return doctor::run(&target, output, args).await;
    }
    let target = target.open().await?;
    instants::show_in(&target.zone);
    let done = match command {
        Command::License(command) => license::run(&target, output, command).await,
        Command::Customer(command) => customer::run(&target, output, command).await,
        Command::Contact(command) => contact::run(&target, output, command).await,
        Command::Import(args) => bulk::import(&target, output, args).await,
        Command::Export(args) => bulk::export(&target, output, args).await,
        Command::Product(command) => product::run(&target, output, command).await,
        Command::Notice(command) => notice::run(&target, output, is_ledger, command).await,
        Command::Publish(command) => publish::run(&target, output, command).await,
        Command::Usage(command) => usage::run(&target, output, command).await,
        Command::AccessLog(command) => access_log::run(&target, output, command).await,
        Command::History(command) => history::run(&target, output, command).await,
        Command::Key(command) => key::run(&target, output, command).await,
        Command::Doctor(_) | Command::Dev(_) => Ok(()),
    };
    target.close().await?;
    done
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        super::Cli::command().debug_assert();
    }
}
