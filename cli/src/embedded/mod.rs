//! The database of one machine: DynamoDB embedded in a process, kept in a file.
//!
//! One process at a time opens the file, guarded by a lock. `tegata dev` writes where it serves
//! into the `endpoint` file, so that commands beside it join it; a command on its own waits for
//! the lock and serves itself.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How long a command waits for another one to finish with the file.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running database, ours or another process's.
#[derive(Debug)]
pub(crate) struct Embedded {
    /// Where the AWS SDK reaches it.
    pub(crate) endpoint: String,
    serving: Option<Serving>,
}

#[derive(Debug)]
struct Serving {
    stop: oneshot::Sender<()>,
    server: JoinHandle<Result<(), String>>,
    endpoint_file: Option<PathBuf>,
    _lock: File,
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
            if let Ok(endpoint) = fs::read_to_string(endpoint_file(directory)) {
                return Ok(Self {
                    endpoint,
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
        let path = directory.join("dynamodb.sqlite");
        if !path.exists() {
            eprintln!("note: a new place is made in {}", directory.display());
        }
        let shown = path.display().to_string();
        let database = dynoxide::Database::new(&shown).map_err(anyhow::Error::msg);
        let database = database.with_context(|| format!("cannot open {shown}"))?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(dynoxide::server::serve_with_shutdown(
            listener,
            database,
            async {
                let _ = stopped.await;
            },
        ));
        if let Some(file) = &endpoint_file {
            // Renamed into place: a reader never sees half an address.
            let draft = directory.join("endpoint.new");
            fs::write(&draft, &endpoint)?;
            fs::rename(&draft, file)?;
        }
        let serving = Serving {
            stop,
            server,
            endpoint_file,
            _lock: lock,
        };
        Ok(Self {
            endpoint,
            serving: Some(serving),
        })
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
            Ok(served) => served?.map_err(anyhow::Error::msg),
            Err(_) => Ok(()),
        }
    }
}

fn endpoint_file(directory: &Path) -> PathBuf {
    directory.join("endpoint")
}

/// The directory's lock, or `None` while another process holds it.
fn lock(directory: &Path) -> anyhow::Result<Option<File>> {
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
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
