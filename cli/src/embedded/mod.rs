//! The database of one machine: DynamoDB embedded in a process, kept in a file.
//!
//! One process at a time opens the file, guarded by a lock. `tegata dev` writes where it serves,
//! and the access key that it wants, into the `endpoint` file, so that commands beside it join it;
//! a command on its own waits for the lock and serves itself. The directory and what is secret in
//! it are for their owner only.

mod api;

use std::fs::{self, File, TryLockError};
use std::future::IntoFuture as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::failure::UsageError;
use crate::output::note;
use crate::owner_only;
use api::AccessKey;

/// The SQLite file.
const DATABASE: &str = "dynamodb.sqlite";

/// How long a command waits for another one to finish with the file.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running database, ours or another process's.
#[derive(Debug)]
pub(crate) struct Embedded {
    /// Where the AWS SDK reaches it.
    pub(crate) endpoint: String,
    /// What it wants to be sent as the access key id.
    pub(crate) access_key: AccessKey,
    serving: Option<Serving>,
}

#[derive(Debug)]
struct Serving {
    stop: oneshot::Sender<()>,
    server: JoinHandle<io::Result<()>>,
    streams: Streams,
    endpoint_file: Option<PathBuf>,
    _lock: File,
}

/// What the database knows of its tables' changes, and how far they have been taken from it.
#[derive(Clone)]
pub(crate) struct Streams {
    pub(crate) database: dynoxide::Database,
    /// Where the number of the last change that was taken is noted, by table.
    pub(crate) directory: PathBuf,
}

impl std::fmt::Debug for Streams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Streams({})", self.directory.display())
    }
}

/// Why this process cannot be the one that serves.
#[derive(Debug, thiserror::Error)]
#[error("another tegata is serving {0} already")]
pub(crate) struct AlreadyServed(String);

impl Embedded {
    /// Joins the process that serves the directory, or serves it for this command.
    pub(crate) async fn join(directory: &Path) -> anyhow::Result<Self> {
        let started = std::time::Instant::now();
        loop {
            if let Some(lock) = lock(directory)? {
                return Self::serve_with(directory, lock, None).await;
            }
            if let Some((endpoint, access_key)) = read_endpoint(directory) {
                return Ok(Self {
                    endpoint,
                    access_key,
                    serving: None,
                });
            }
            if started.elapsed() > PATIENCE {
                return Err(AlreadyServed(directory.display().to_string()).into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Serves the directory to this and to other processes until [`Embedded::stop`].
    pub(crate) async fn serve(directory: &Path) -> anyhow::Result<Self> {
        let Some(lock) = lock(directory)? else {
            return Err(AlreadyServed(directory.display().to_string()).into());
        };
        Self::serve_with(directory, lock, Some(endpoint_file(directory))).await
    }

    async fn serve_with(
        directory: &Path,
        lock: File,
        endpoint_file: Option<PathBuf>,
    ) -> anyhow::Result<Self> {
        // Left behind by a process that was killed.
        let _ = fs::remove_file(self::endpoint_file(directory));
        let path = directory.join(DATABASE);
        if !path.exists() {
            note!(
                "note: a new local target is created in {}",
                directory.display()
            );
        }
        let shown = path.display().to_string();
        close_files(directory).with_context(|| format!("cannot close {shown} to other users"))?;
        let database = dynoxide::Database::new(&shown).map_err(anyhow::Error::msg);
        let database = database.with_context(|| format!("cannot open {shown}"))?;
        let streams = Streams {
            database: database.clone(),
            directory: directory.join("streams"),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let endpoint = format!("http://{address}");
        let access_key = AccessKey::create()?;
        let router = api::router(database, access_key.clone(), address);
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = axum::serve(listener, router).with_graceful_shutdown(async {
            let _ = stopped.await;
        });
        let server = tokio::spawn(serving.into_future());
        if let Some(file) = &endpoint_file {
            // Renamed into place: a reader never sees half of it.
            let draft = directory.join("endpoint.new");
            let _ = fs::remove_file(&draft);
            let mut options = File::options();
            options.write(true).create_new(true);
            let mut written = owner_only::options(&mut options).open(&draft)?;
            writeln!(written, "{endpoint}\n{}", access_key.as_str())?;
            fs::rename(&draft, file)?;
        }
        let serving = Serving {
            stop,
            server,
            streams,
            endpoint_file,
            _lock: lock,
        };
        Ok(Self {
            endpoint,
            access_key,
            serving: Some(serving),
        })
    }

    /// The tables' streams, if this process serves.
    pub(crate) fn streams(&self) -> Option<&Streams> {
        self.serving.as_ref().map(|serving| &serving.streams)
    }

    /// Stops serving, if this process does.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        let Some(serving) = self.serving else {
            return Ok(());
        };
        if let Some(file) = &serving.endpoint_file {
            let _ = fs::remove_file(file);
        }
        let _ = serving.stop.send(());
        // Idle keep-alive connections of our own clients may outlast the signal.
        match tokio::time::timeout(Duration::from_secs(2), serving.server).await {
            Ok(served) => Ok(served??),
            Err(_) => Ok(()),
        }
    }
}

fn endpoint_file(directory: &Path) -> PathBuf {
    directory.join("endpoint")
}

/// Where the process serves that has the lock, and its access key. `None` if it does not say so.
fn read_endpoint(directory: &Path) -> Option<(String, AccessKey)> {
    let text = fs::read_to_string(endpoint_file(directory)).ok()?;
    let (endpoint, access_key) = text.split_once('\n')?;
    Some((endpoint.to_owned(), AccessKey::read(access_key.trim_end())?))
}

/// The directory's lock, or `None` while another process holds it.
fn lock(directory: &Path) -> anyhow::Result<Option<File>> {
    make_private(directory)?;
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(directory.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Makes the directory if it is missing, and closes it to other users if it is open to them.
fn make_private(directory: &Path) -> anyhow::Result<()> {
    let shown = directory.display();
    let metadata = match fs::metadata(directory) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut made = parent(directory).map_or(Ok(()), fs::create_dir_all);
            made = made.and_then(|()| owner_only::create_directory(directory));
            return match made {
                // Another command was faster.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                made => made.with_context(|| format!("cannot make {shown}")),
            };
        }
        Err(error) => return Err(error).with_context(|| format!("cannot read {shown}")),
    };
    if !owner_only::is_open_to_others(&metadata) {
        return Ok(());
    }
    // Closing a directory that is used for something else would do harm.
    let is_place = directory.join(DATABASE).exists() || directory.join("lock").exists();
    let mut entries = fs::read_dir(directory).with_context(|| format!("cannot read {shown}"))?;
    if !is_place && entries.next().is_some() {
        return Err(UsageError(format!(
            "{shown} holds files that are not tegata's: name a new or an empty directory, such as \
             --local={}",
            directory.join("tegata").display()
        ))
        .into());
    }
    owner_only::close(directory, &metadata)
        .with_context(|| format!("cannot close {shown} to other users of this machine"))?;
    note!("note: {shown} is now closed to other users of this machine (mode 0700)");
    Ok(())
}

/// The directory that a path is in. `None` if that is the current one.
fn parent(path: &Path) -> Option<&Path> {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
}

/// Makes the database's file if it is missing, and lets only its owner read it. SQLite gives the
/// files that it makes beside it the same mode.
fn close_files(directory: &Path) -> io::Result<()> {
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    owner_only::options(&mut options).open(directory.join(DATABASE))?;
    for suffix in ["", "-wal", "-shm"] {
        let path = directory.join(format!("{DATABASE}{suffix}"));
        match fs::metadata(&path) {
            Ok(metadata) if owner_only::is_open_to_others(&metadata) => {
                owner_only::close(&path, &metadata)?;
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn a_new_place_is_for_its_owner_only() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = temporary.path().join("a").join("place");
        let embedded = Embedded::serve(&directory).await.unwrap();
        assert_eq!(mode(&directory), 0o700);
        assert_eq!(mode(&directory.join(DATABASE)), 0o600);
        assert_eq!(mode(&endpoint_file(&directory)), 0o600);
        let joined = Embedded::join(&directory).await.unwrap();
        assert_eq!(joined.endpoint, embedded.endpoint);
        assert!(joined.access_key == embedded.access_key);
        assert!(!format!("{embedded:?}").contains(embedded.access_key.as_str()));
        embedded.stop().await.unwrap();
    }

    #[tokio::test]
    async fn a_place_of_an_older_version_is_closed() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = temporary.path().join("place");
        Embedded::serve(&directory)
            .await
            .unwrap()
            .stop()
            .await
            .unwrap();
        let database = directory.join(DATABASE);
        let log = directory.join(format!("{DATABASE}-wal"));
        fs::write(&log, "").unwrap();
        for (path, mode) in [(&directory, 0o755), (&database, 0o644), (&log, 0o644)] {
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        }
        let embedded = Embedded::join(&directory).await.unwrap();
        assert_eq!(
            [&directory, &database].map(|path| mode(path)),
            [0o700, 0o600]
        );
        assert!(!log.exists() || mode(&log) == 0o600);
        embedded.stop().await.unwrap();
    }

    #[tokio::test]
    async fn a_directory_with_other_files_is_left_as_it_is() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = temporary.path().join("home");
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("letter.txt"), "").unwrap();
        fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
        let error = Embedded::join(&directory).await.unwrap_err();
        assert!(error.is::<UsageError>(), "{error:#}");
        assert_eq!(mode(&directory), 0o755);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
    }
}
