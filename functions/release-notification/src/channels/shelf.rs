//! The files that the CDN serves: a bucket, or a directory on one machine.

use std::fmt;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use tegata_common::aws;

/// How a file may be kept by caches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caching {
    /// For ever: its path names its content.
    Immutable,
    /// For a minute: it says what is current.
    Minute,
}

impl Caching {
    /// The value of `Cache-Control`.
    pub fn header(self) -> &'static str {
        match self {
            Self::Immutable => "public, max-age=31536000, immutable",
            Self::Minute => "public, max-age=60",
        }
    }
}

/// What went wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// S3's own error, with its causes.
    #[error("S3: {0}")]
    S3(String),
    /// The directory's.
    #[error("{path}: {error}")]
    Directory {
        /// Which file or directory.
        path: String,
        /// What the system says.
        error: io::Error,
    },
}

/// Where the files are.
#[derive(Clone, Debug)]
pub enum Shelf {
    /// A bucket.
    S3 {
        /// How it is reached.
        client: Client,
        /// Its name.
        bucket: String,
    },
    /// A directory.
    Directory(PathBuf),
}

/// Whether a file that must not change was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutNew {
    /// It is new.
    New,
    /// There is one under its path.
    Exists,
}

impl Shelf {
    /// Puts a file, in place of what was there.
    pub async fn put(
        &self,
        path: &str,
        content: Vec<u8>,
        content_type: &str,
        caching: Caching,
    ) -> Result<(), ShelfError> {
        match self {
            Self::S3 { client, bucket } => {
                client
                    .put_object()
                    .bucket(bucket)
                    .key(path)
                    .content_type(content_type)
                    .cache_control(caching.header())
                    .body(ByteStream::from(content))
                    .send()
                    .await
                    .map_err(s3)?;
                Ok(())
            }
            Self::Directory(directory) => {
                let path = directory.join(path);
                let draft = draft(&path, &content).map_err(|error| file_error(&path, error))?;
                let put = draft.persist(&path);
                put.map_err(|error| file_error(&path, error.error))?;
                Ok(())
            }
        }
    }

    /// Puts a file that will not change, if there is none.
    pub async fn put_new(
        &self,
        path: &str,
        content: Vec<u8>,
        content_type: &str,
    ) -> Result<PutNew, ShelfError> {
        match self {
            Self::S3 { client, bucket } => {
                let put = client
                    .put_object()
                    .bucket(bucket)
                    .key(path)
                    .if_none_match("*")
                    .content_type(content_type)
                    .cache_control(Caching::Immutable.header())
                    .body(ByteStream::from(content))
                    .send()
                    .await;
                match put {
                    Ok(_) => Ok(PutNew::New),
                    Err(error) if error.code() == Some("PreconditionFailed") => Ok(PutNew::Exists),
                    Err(error) => Err(s3(error)),
                }
            }
            Self::Directory(directory) => {
                let path = directory.join(path);
                let draft = draft(&path, &content).map_err(|error| file_error(&path, error))?;
                match draft.persist_noclobber(&path) {
                    Ok(_) => Ok(PutNew::New),
                    Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                        Ok(PutNew::Exists)
                    }
                    Err(error) => Err(file_error(&path, error.error)),
                }
            }
        }
    }

    /// Reads a file; `None` if it is not there.
    pub async fn get(&self, path: &str) -> Result<Option<Vec<u8>>, ShelfError> {
        match self {
            Self::S3 { client, bucket } => {
                let got = client.get_object().bucket(bucket).key(path).send().await;
                let object = match got {
                    Ok(object) => object,
                    Err(error) if error.code() == Some("NoSuchKey") => return Ok(None),
                    Err(error) => return Err(s3(error)),
                };
                let body = object.body.collect().await;
                let body = body.map_err(|error| ShelfError::S3(aws::causes(&error)))?;
                Ok(Some(body.to_vec()))
            }
            Self::Directory(directory) => {
                let path = directory.join(path);
                match std::fs::read(&path) {
                    Ok(content) => Ok(Some(content)),
                    Err(error) if is_absent(&error) => Ok(None),
                    Err(error) => Err(file_error(&path, error)),
                }
            }
        }
    }
}

/// A directory is no file either, and a file has nothing under it.
fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory
    )
}

/// Renamed into place later: a reader never sees half a file.
fn draft(path: &Path, content: &[u8]) -> io::Result<tempfile::NamedTempFile> {
    let directory = path.parent().unwrap_or(path);
    std::fs::create_dir_all(directory)?;
    let mut draft = tempfile::NamedTempFile::new_in(directory)?;
    draft.write_all(content)?;
    Ok(draft)
}

fn s3<E, R>(error: SdkError<E, R>) -> ShelfError
where
    E: std::error::Error + 'static,
    R: fmt::Debug + 'static,
{
    ShelfError::S3(aws::causes(&error))
}

fn file_error(path: &Path, error: io::Error) -> ShelfError {
    ShelfError::Directory {
        path: path.display().to_string(),
        error,
    }
}
