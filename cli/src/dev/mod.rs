//! `tegata dev`: the whole system on one machine, with nothing to install.

mod demo;
mod gateway;
mod log_delivery;
mod outbox;
mod post;
mod samples;
mod traffic;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use access_log::handler::AccessLog;
use access_log::roll_up::RollUp;
use anyhow::{Context as _, bail};
use clap::Args as ClapArgs;
use jiff::Timestamp;
use license_lookup::handler::Lookup;
use license_lookup::settings::LookupSettings;
use license_renewal::handler::Renewal;
use license_renewal::report::RenewalReport;
use tegata_common::keys::KeyPurpose;
use tegata_common::network::{KINTONE, Networks};
use tegata_lambda::Variables;
use tegata_notices::channels::news;
use tegata_notices::render::Sender;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::embedded::Embedded;
use crate::loopback::Loopback;
use crate::output::{self, note, text, translated};
use crate::shell;
use crate::target::{DEFAULT_DIRECTORY, LOCAL_TABLE, Target, TargetArgs};
use gateway::Gateway;
use log_delivery::{Handlers, LogSink};
use post::PostOffice;

/// Run the whole system on this machine, with sample data.
///
/// The same handler that runs on Lambda answers on an HTTP port, from the real DynamoDB API
/// embedded in this process. Data stays in the directory (--local=DIR, .tegata by default) and
/// survives restarts; delete the directory to start anew. Ctrl-C stops.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// The HTTP port; 0 picks a free one.
    #[arg(long, default_value_t = 8640)]
    port: u16,
    /// Make up a week of traffic, so that `usage report` has something to show.
    #[arg(long)]
    sample_traffic: bool,
}

/// How long the last lines may take into the archive, after Ctrl-C.
const LAST_LINES: Duration = Duration::from_secs(5);

pub(crate) async fn run(target: &TargetArgs, args: Args) -> anyhow::Result<()> {
    if target.stack.is_some() {
        bail!("dev runs on this machine; it has no use for --stack");
    }
    log_to_stderr();
    // Before anything says that it runs: a signal from then on is a wish to stop, not a kill.
    let mut stop = stop_signals()?;
    let directory = target.directory();
    // The port first: it is what most often is in use, and nothing has been touched yet.
    let address = SocketAddr::from(([127, 0, 0, 1], args.port));
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!(
            "port {} is in use or not allowed; choose another with --port",
            args.port
        )
    })?;
    let address = listener.local_addr()?;

    let embedded = Embedded::serve(&directory)
        .await
        .context("stop that one first, or run this one on its own data with --local=DIR")?;
    let arguments = target;
    let target = Target::local(arguments, embedded).await?;
    samples::fill(&target, Timestamp::now()).await?;
    samples::publish(&target, Timestamp::now()).await?;

    let handlers = handlers(&target)?;
    if args.sample_traffic {
        make_up_traffic(&target, &handlers).await?;
    }
    let (doors, following) = LogSink::open(handlers);
    let settings = settings(&target, &arguments.development_base_domains)?;
    let outbox = directory.join("outbox");
    let mut sender = target.sender()?;
    sender.cdn_url = Some(format!("http://{address}"));
    write_news(&target, &sender).await?;
    let post = PostOffice::open(&target, sender, outbox.clone())?;
    let notice = samples::write_notice(&directory, Timestamp::now())?;
    let gateway = Gateway {
        loopback: Loopback::new(address),
        lookup: Lookup::new(&settings)?,
        guide: guide(&target, &local_option(arguments), &notice, address).await?,
        target,
        doors: doors.clone(),
        outbox,
        lines: demo::Lines::default(),
    };
    output::untranslated(&gateway.guide);
    let renewal = Renewal::new(
        gateway.target.licenses()?.clone(),
        gateway.target.keys().clone(),
        "local:license-renewal",
    );
    let renewing = tokio::spawn(renew_hourly(renewal));
    let posting = tokio::spawn(post.work());
    let gateway = Arc::new(gateway);
    let archiving = tokio::spawn(archive_changes(Arc::clone(&gateway)));
    let (stopping, stopped) = oneshot::channel();
    let serving = axum::serve(listener, gateway::router(Arc::clone(&gateway)))
        .with_graceful_shutdown(async move {
            stop.recv().await;
            let _ = stopping.send(stop);
        });
    tokio::select! {
        served = serving => served?,
        () = out_of_patience(stopped) => {}
    }
    renewing.abort();
    posting.abort();
    archiving.abort();
    let _ = archiving.await;
    // What was asked last is to be in the usage too.
    doors.close().await;
    let _ = tokio::time::timeout(LAST_LINES, following).await;
    note!("stopping; the data stays in {}", directory.display());
    match Arc::try_unwrap(gateway) {
        Ok(gateway) => gateway.target.close().await,
        // A connection that is still being closed holds it; the process ends anyway.
        Err(_) => Ok(()),
    }
}

/// What goes wrong goes to stderr; stdout has the guide and the access lines. The embedded
/// database warns of every condition that does not hold, which is daily business here.
fn log_to_stderr() {
    let levels = Targets::new()
        .with_default(Level::WARN)
        .with_target("dynoxide", LevelFilter::OFF);
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .with_writer(|| output::JsonLog);
    tracing_subscriber::registry()
        .with(lines.with_filter(levels))
        .init();
}

/// The archive's and the usage's handlers, on the target's stores.
fn handlers(target: &Target) -> anyhow::Result<Handlers> {
    let Some(copies) = target.copies() else {
        bail!("dev runs on this machine; it has no use for --stack");
    };
    let (archive, usage) = (target.archive()?.clone(), target.usage()?.clone());
    let zone = target.zone.clone();
    let bases = target.bases.clone();
    Ok(Handlers {
        access_log: AccessLog::new(archive.clone(), usage.clone(), zone.clone(), bases),
        roll_up: RollUp::new(archive, copies, usage, zone).with_kintone(here()),
    })
}

/// From where kintone asks on one machine: its proxy, and this machine itself.
fn here() -> Networks {
    Networks::parse(&format!("{KINTONE},127.0.0.0/8,::1/128")).unwrap_or_default()
}

/// The news page with the address that this process has.
async fn write_news(target: &Target, sender: &Sender) -> anyhow::Result<()> {
    let notices = target.notices()?.all().await?;
    news::publish(&notices, target.cdn()?, sender, None, None).await?;
    Ok(())
}

/// Archives a week of made-up traffic, and rolls it up. What is there already stays.
async fn make_up_traffic(target: &Target, handlers: &Handlers) -> anyhow::Result<()> {
    note!("making up a week of traffic");
    for lines in traffic::week(Timestamp::now(), &target.zone)? {
        handlers.deliver(&lines).await?;
    }
    handlers.roll_up().await;
    Ok(())
}

/// The tables' changes, as their streams report them.
async fn archive_changes(gateway: Arc<Gateway>) {
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        seconds.tick().await;
        if let Err(error) = gateway.target.archive_changes().await {
            tracing::error!("changes were not archived: {error:#}");
        }
    }
}

/// The renewal, as often as the template's schedule wakes it. A run that did something prints its
/// report among the access lines.
async fn renew_hourly(renewal: Renewal) {
    let mut hours = tokio::time::interval(Duration::from_secs(3600));
    loop {
        hours.tick().await;
        let now = Timestamp::now();
        match renewal.run(now, || false).await {
            Ok(report) if report == RenewalReport::default() => {}
            Ok(report) => {
                output::try_json_text(&report.line(now, "local").to_string());
            }
            Err(error) => tracing::error!("the renewal did not run: {error}"),
        }
    }
}

/// The function's settings as Lambda would give them, with the embedded database's address and access key.
fn settings(target: &Target, development_base_domains: &str) -> anyhow::Result<LookupSettings> {
    let embedded = target.embedded().context("dev works on this machine")?;
    Ok(LookupSettings::read(&Variables(|name: &str| match name {
        "LICENSES_TABLE" => Some(LOCAL_TABLE.to_owned()),
        "AWS_REGION" | "AWS_SECRET_ACCESS_KEY" => Some("local".to_owned()),
        "AWS_ACCESS_KEY_ID" => Some(embedded.access_key.as_str().to_owned()),
        "AWS_ENDPOINT_URL_DYNAMODB" => Some(embedded.endpoint.clone()),
        "DEVELOPMENT_BASE_DOMAINS" => Some(development_base_domains.to_owned()),
        "ALLOWED_SOURCE_RANGES" => std::env::var(name).ok(),
        _ => None,
    }))?)
}

/// How a command in another terminal names this target.
fn local_option(target: &TargetArgs) -> String {
    match &target.local {
        Some(directory) if directory.as_os_str() != DEFAULT_DIRECTORY => {
            shell::quote(&format!("--local={}", directory.display())).into_owned()
        }
        _ => "--local".to_owned(),
    }
}

/// What to try, ready to paste, in the chosen language.
async fn guide(
    target: &Target,
    local: &str,
    notice: &Path,
    address: SocketAddr,
) -> anyhow::Result<String> {
    let mut guide = Guide(String::new());
    guide.says(&text!(
        "tegata is running at http://{address}   (Ctrl-C stops it)"
    ));
    guide.heading(
        "Open it in a browser for the demo: a plug-in in a kintone-like page, with switches.",
    );
    guide.heading("Licences:");
    for a_try in samples::tries(target, Timestamp::now()).await? {
        let samples::Try {
            code,
            domain,
            product,
            with_serial,
            note,
        } = a_try;
        let serial = match with_serial {
            true => format!(" -H 'X-License-Serial: {}'", samples::SAMPLE_SERIAL),
            false => String::new(),
        };
        let url = format!("http://{address}/v1/products/{product}/domains/{domain}/license");
        guide.command(code.as_str(), &format!("curl -s{serial} {url}"), note);
    }
    if let Some((domain, id)) = samples::by_plugin_id(target).await? {
        guide.heading("The same as a plug-in of Cybozu's official licence sample asks:");
        let body = format!("{{\"domain\":\"{domain}\",\"pluginId\":\"{id}\"}}");
        let command = format!("curl -s http://{address}/license -d '{body}'");
        guide.command("", &command, "");
    }
    guide.heading("Public keys of the leases:");
    let jwks = KeyPurpose::Lease.jwks_path();
    guide.command("", &format!("curl -s http://{address}/{jwks}"), "");
    let cargo = format!("cargo run -q -- {local}");
    let tegata = |command: &str| command.replacen("tegata", &cargo, 1);
    for (heading, commands) in [
        (
            "In another terminal, watch the next answer change:",
            &["tegata license suspend example.cybozu.com sheet"][..],
        ),
        (
            "Why does a domain get its answer, now or at another instant?",
            &["tegata license explain grace.cybozu.com sheet"],
        ),
        (
            "What was asked so far, and is the archive of it whole?",
            &[
                "tegata usage report --product sheet --html usage.html",
                "tegata access-log verify",
            ],
        ),
    ] {
        guide.heading(heading);
        for command in commands {
            guide.command("", &tegata(command), "");
        }
    }
    let outbox = format!("http://{address}{}", outbox::PATH);
    guide.heading("Announce a release:");
    let notice = shell::quote(&notice.display().to_string()).into_owned();
    guide.command(
        "",
        &tegata(&format!("tegata notice send --yes {notice}")),
        "",
    );
    guide.says(&text!("the mails: {outbox}"));
    guide.says(&text!("the news page: http://{address}/news/"));
    guide.heading("Release it. The demo page runs 1.8.0 of the sample plug-in. After each command forget what it keeps and open it again (a plug-in asks once an hour), or switch its CDN off:");
    guide.command(
        "",
        &tegata("tegata publish current sheet 1.9.0"),
        "refused: announced for later",
    );
    for command in [
        "tegata publish current sheet 1.9.0 --yes --emergency 'a demo' --stage 50%",
        "tegata publish current sheet 1.9.0 --yes --emergency 'a demo' --stage all",
        "tegata publish current sheet 1.8.0 --yes --emergency 'a demo'",
        "tegata publish status sheet",
    ] {
        guide.command("", &tegata(command), "");
    }
    guide.0.push('\n');
    Ok(guide.0)
}

/// The text of [`guide`].
struct Guide(String);

impl Guide {
    fn says(&mut self, text: &str) {
        self.0 += text;
        self.0.push('\n');
    }

    fn heading(&mut self, text: &str) {
        self.0.push('\n');
        self.says(&translated(text));
    }

    /// A command below a heading, after what it shows, and with a comment.
    fn command(&mut self, shows: &str, command: &str, comment: &str) {
        let comment = match comment {
            "" => String::new(),
            comment => format!("   # {}", translated(comment)),
        };
        self.says(&format!("  {shows:12}{command}{comment}"));
    }
}

/// Ctrl-C and SIGTERM, as often as they come.
fn stop_signals() -> anyhow::Result<mpsc::Receiver<()>> {
    let mut signals = StopSignals::listen()?;
    let (sender, receiver) = mpsc::channel(2);
    tokio::spawn(async move {
        loop {
            signals.next().await;
            if sender.send(()).await.is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

#[cfg(unix)]
struct StopSignals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl StopSignals {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Windows has no SIGTERM.
#[cfg(windows)]
struct StopSignals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl StopSignals {
    fn listen() -> std::io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    async fn next(&mut self) {
        self.0.recv().await;
    }
}

/// Requests under way get two seconds after the signal, or until the next one.
async fn out_of_patience(stopped: oneshot::Receiver<mpsc::Receiver<()>>) {
    match stopped.await {
        Ok(mut stop) => {
            let _ = tokio::time::timeout(Duration::from_secs(2), stop.recv()).await;
        }
        Err(_) => std::future::pending().await,
    }
}
