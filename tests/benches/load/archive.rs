//! What functions and gateway log, on its way into an archive, and its roll-up.

use std::collections::BTreeMap;
use std::time::Duration;

use access_log::handler::AccessLog;
use access_log::roll_up::add_up;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tegata_archive::Archive;
use tegata_archive::copies::Copies;
use tegata_archive::objects::Objects;
use tegata_common::domain::BaseDomains;
use tegata_common::network::{KINTONE, Networks};
use tegata_storage::usage::UsageTable;
use tegata_tests::log_lines;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::phase::Figures;

/// The most lines of a batch, and how long they are collected.
const BATCH: usize = 10_000;
const COLLECT: Duration = Duration::from_millis(500);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LogGroup {
    Gateway,
    Lookup,
}

/// Takes lines; never waits.
#[derive(Clone)]
pub(crate) struct Recorder(mpsc::UnboundedSender<(LogGroup, Timestamp, String)>);

impl Recorder {
    /// Starts to archive. The archive is complete when every recorder is dropped.
    pub(crate) fn start(usage: UsageTable) -> (Self, JoinHandle<Recorded>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), tokio::spawn(archive(receiver, usage)))
    }

    pub(crate) fn record(&self, group: LogGroup, line: String) {
        let _ = self.0.send((group, Timestamp::now(), line));
    }
}

/// The archive.
pub(crate) struct Recorded {
    archive: Archive,
    first: Timestamp,
    _directory: TempDir,
}

async fn archive(
    mut lines: mpsc::UnboundedReceiver<(LogGroup, Timestamp, String)>,
    usage: UsageTable,
) -> Recorded {
    let first = Timestamp::now();
    let directory = tempfile::tempdir().unwrap();
    let archive = Archive::new(Objects::Directory(directory.path().to_owned()));
    let access_log = AccessLog::new(archive.clone(), usage, zone(), BaseDomains::default());
    let mut received = Vec::new();
    while lines.recv_many(&mut received, BATCH).await > 0 {
        let mut batches: BTreeMap<LogGroup, Vec<(Timestamp, String)>> = BTreeMap::new();
        for (group, at, line) in received.drain(..) {
            batches.entry(group).or_default().push((at, line));
        }
        for (group, lines) in batches {
            let group = format!("{group:?}").to_lowercase();
            let lines = lines.iter().map(|(at, line)| (*at, &**line));
            let event = log_lines::subscription(&group, lines);
            access_log.handle(&event, Timestamp::now()).await.unwrap();
        }
        tokio::time::sleep(COLLECT).await;
    }
    Recorded {
        archive,
        first,
        _directory: directory,
    }
}

fn zone() -> TimeZone {
    TimeZone::get("Asia/Tokyo").unwrap()
}

impl Recorded {
    /// Whether the roll-up counts what was asked and answered, code by code; prints it.
    pub(crate) async fn compare(self, figures: &Figures) -> bool {
        let mut codes: BTreeMap<String, u64> = BTreeMap::new();
        let (mut requests, mut halves, mut others) = (0, 0, 0);
        let directory = tempfile::tempdir().unwrap();
        let copies = Copies::new(Objects::Directory(directory.path().to_owned()));
        let mut date = zone().to_datetime(self.first).date();
        while date <= zone().to_datetime(Timestamp::now()).date() {
            let kintone = Networks::parse(KINTONE).unwrap();
            let added = add_up(&self.archive, &copies, date, &kintone, || false)
                .await
                .unwrap();
            let summary = added.summary;
            requests += summary.requests;
            halves += summary.gateway_only + summary.lookup_only;
            others += summary.duplicates + summary.unreadable + added.damaged;
            for row in added.usage {
                let unconfirmed = row.counts.unconfirmed.codes;
                for (code, number) in row.counts.codes.into_iter().chain(unconfirmed) {
                    *codes.entry(code).or_default() += number;
                }
            }
            date = date.tomorrow().unwrap();
        }
        println!(
            "\nrequests made {}, in the archive {requests}",
            figures.requests()
        );
        println!(
            "records without their other half {halves}; duplicates, unreadable, damaged {others}"
        );
        let are_equal = codes == figures.codes;
        println!(
            "by code: {codes:?}{}",
            if are_equal {
                ""
            } else {
                ", but answered were:"
            }
        );
        if !are_equal {
            println!("         {:?}", figures.codes);
        }
        are_equal && requests == figures.requests() && halves + others == 0
    }
}
