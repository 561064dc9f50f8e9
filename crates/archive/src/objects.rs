//! Objects by their keys: in a bucket, or in a directory on one machine.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use aws_types::SdkConfig;

/// The store of objects.
#[derive(Clone, Debug)]
pub enum Objects {
    /// An S3 bucket.
    S3 { client: Client, bucket: String },
    /// A directory, with one file per object.
    Directory(PathBuf),
}

/// Why an object could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ObjectsError {
    /// An error of S3, with its causes.
    #[error("S3: {0}")]
    S3(String),
    #[error("{path}: {error}")]
    Directory { path: String, error: io::Error },
}

/// The result of writing an object that must not be overwritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    New,
    /// An object with the key exists, and is unchanged.
    AlreadyThere,
}

/// The HTTP headers of an object. A directory does not store them.
#[derive(Clone, Copy, Debug)]
pub struct Headers<'a> {
    pub content_type: &'a str,
    pub cache_control: Option<&'a str>,
}

/// The waits before a conditional put is retried after a conflict with another request.
const CONFLICT_PAUSES: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(800),
    Duration::from_millis(2000),
];

impl Objects {
    /// A bucket, with the configuration of a function.
    pub fn bucket(config: &SdkConfig, bucket: impl Into<String>) -> Self {
        let config = aws_sdk_s3::config::Builder::from(config)
            // A local AWS has no host names per bucket.
            .force_path_style(config.endpoint_url().is_some())
            .build();
        Self::S3 {
            client: Client::from_conf(config),
            bucket: bucket.into(),
        }
    }

    /// Writes an object, and overwrites an existing one.
    pub async fn put(
        &self,
        key: &str,
        content: Vec<u8>,
        headers: Headers<'_>,
    ) -> Result<(), ObjectsError> {
        match self {
            Self::S3 { client, bucket } => {
                let put = put_object(client, bucket, key, content, headers);
                put.send().await.map_err(s3)?;
                Ok(())
            }
            Self::Directory(directory) => {
                let path = directory.join(key);
                let put = || Ok(draft(&path, &content)?.persist(&path)?);
                put().map_err(|error: io::Error| file_error(&path, error))?;
                Ok(())
            }
        }
    }

    /// Writes an object unless one with the key exists. Idempotent.
    ///
    /// S3 answers 409 if there is a concurrent request for the key. Then the outcome is unknown, and
    /// the put is retried.
    pub async fn put_new(
        &self,
        key: &str,
        content: Vec<u8>,
        headers: Headers<'_>,
    ) -> Result<Put, ObjectsError> {
        match self {
            Self::S3 { client, bucket } => {
                let mut pauses = CONFLICT_PAUSES.iter();
                loop {
                    let content = content.clone();
                    let put = put_object(client, bucket, key, content, headers).if_none_match("*");
                    let error = match put.send().await {
                        Ok(_) => return Ok(Put::New),
                        Err(error) => error,
                    };
                    match (error.code(), pauses.next()) {
                        (Some("PreconditionFailed"), _) => return Ok(Put::AlreadyThere),
                        (Some("ConditionalRequestConflict"), Some(pause)) => {
                            tokio::time::sleep(*pause).await;
                        }
                        _ => return Err(s3(error)),
                    }
                }
            }
            Self::Directory(directory) => {
                let path = directory.join(key);
                let draft = draft(&path, &content).map_err(|error| file_error(&path, error))?;
                match draft.persist_noclobber(&path) {
                    Ok(_) => Ok(Put::New),
                    Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                        Ok(Put::AlreadyThere)
                    }
                    Err(error) => Err(file_error(&path, error.error)),
                }
            }
        }
    }

    /// Reads an object; `None` if it is not there.
    pub async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, ObjectsError> {
        match self {
            Self::S3 { client, bucket } => {
                let Some(body) = body(client, bucket, key).await? else {
                    return Ok(None);
                };
                let body = body.collect().await;
                let body = body.map_err(|error| ObjectsError::S3(tegata_aws::causes(&error)))?;
                Ok(Some(body.to_vec()))
            }
            Self::Directory(directory) => {
                let path = directory.join(key);
                match std::fs::read(&path) {
                    Ok(content) => Ok(Some(content)),
                    Err(error) if is_absent(&error) => Ok(None),
                    Err(error) => Err(file_error(&path, error)),
                }
            }
        }
    }

    /// The keys that begin with a prefix, which ends with a slash, and their sizes in bytes.
    pub async fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>, ObjectsError> {
        match self {
            Self::S3 { client, bucket } => {
                let mut pages = client
                    .list_objects_v2()
                    .bucket(bucket)
                    .prefix(prefix)
                    .into_paginator()
                    .send();
                let mut listed = Vec::new();
                while let Some(page) = pages.next().await {
                    for object in page.map_err(s3)?.contents.unwrap_or_default() {
                        let bytes = object.size.and_then(|size| u64::try_from(size).ok());
                        listed.push((object.key.unwrap_or_default(), bytes.unwrap_or_default()));
                    }
                }
                Ok(listed)
            }
            Self::Directory(directory) => {
                let folder = directory.join(prefix);
                list_files(&folder, prefix).map_err(|error| file_error(&folder, error))
            }
        }
    }
}

/// The bytes per part of an upload. S3 takes 5 MiB to 5 GiB, and 10,000 parts.
const PART: u64 = 8 * 1024 * 1024;

impl Objects {
    /// Reads an object into a temporary file, which is deleted when it is closed; `None` if it is
    /// not there.
    pub async fn get_file(&self, key: &str) -> Result<Option<File>, ObjectsError> {
        let mut file = tempfile::tempfile().map_err(temporary_file)?;
        match self {
            Self::S3 { client, bucket } => {
                let Some(mut body) = body(client, bucket, key).await? else {
                    return Ok(None);
                };
                while let Some(bytes) = body.next().await {
                    let bytes =
                        bytes.map_err(|error| ObjectsError::S3(tegata_aws::causes(&error)))?;
                    file.write_all(&bytes).map_err(temporary_file)?;
                }
            }
            Self::Directory(directory) => {
                let path = directory.join(key);
                match File::open(&path) {
                    Ok(mut object) => io::copy(&mut object, &mut file).map_err(temporary_file)?,
                    Err(error) if is_absent(&error) => return Ok(None),
                    Err(error) => return Err(file_error(&path, error)),
                };
            }
        }
        file.rewind().map_err(temporary_file)?;
        Ok(Some(file))
    }

    /// Writes a file as an object, and overwrites an existing one as a whole. Needs memory for
    /// `PART`. An upload that is broken off leaves the existing object; the bucket's lifecycle
    /// removes its parts.
    pub async fn put_file(
        &self,
        key: &str,
        file: &mut File,
        headers: Headers<'_>,
    ) -> Result<(), ObjectsError> {
        file.rewind().map_err(temporary_file)?;
        match self {
            Self::S3 { client, bucket } => {
                let mut part = read_part(file).map_err(temporary_file)?;
                if (part.len() as u64) < PART {
                    return self.put(key, part, headers).await;
                }
                let upload = client
                    .create_multipart_upload()
                    .bucket(bucket)
                    .key(key)
                    .content_type(headers.content_type)
                    .set_cache_control(headers.cache_control.map(str::to_owned))
                    .checksum_algorithm(ChecksumAlgorithm::Crc32);
                let upload = upload.send().await.map_err(s3)?.upload_id;
                let mut parts = Vec::new();
                for number in 1.. {
                    let sent = client
                        .upload_part()
                        .bucket(bucket)
                        .key(key)
                        .set_upload_id(upload.clone())
                        .part_number(number)
                        .checksum_algorithm(ChecksumAlgorithm::Crc32)
                        .body(ByteStream::from(part));
                    let sent = sent.send().await.map_err(s3)?;
                    let sent = CompletedPart::builder()
                        .part_number(number)
                        .set_e_tag(sent.e_tag)
                        .set_checksum_crc32(sent.checksum_crc32);
                    parts.push(sent.build());
                    part = read_part(file).map_err(temporary_file)?;
                    if part.is_empty() {
                        break;
                    }
                }
                let parts = CompletedMultipartUpload::builder().set_parts(Some(parts));
                let complete = client
                    .complete_multipart_upload()
                    .bucket(bucket)
                    .key(key)
                    .set_upload_id(upload)
                    .multipart_upload(parts.build());
                complete.send().await.map_err(s3)?;
                Ok(())
            }
            Self::Directory(directory) => {
                let path = directory.join(key);
                let mut put = || {
                    let mut draft = draft(&path, &[])?;
                    io::copy(file, &mut draft)?;
                    Ok(draft.persist(&path)?)
                };
                put().map_err(|error: io::Error| file_error(&path, error))?;
                Ok(())
            }
        }
    }
}

/// The content of an object in a bucket; `None` if it is not there.
async fn body(
    client: &Client,
    bucket: &str,
    key: &str,
) -> Result<Option<ByteStream>, ObjectsError> {
    match client.get_object().bucket(bucket).key(key).send().await {
        Ok(object) => Ok(Some(object.body)),
        Err(error) if error.code() == Some("NoSuchKey") => Ok(None),
        Err(error) => Err(s3(error)),
    }
}

/// The next bytes of a file, for one part.
fn read_part(file: &mut File) -> io::Result<Vec<u8>> {
    let mut part = Vec::new();
    file.take(PART).read_to_end(&mut part)?;
    Ok(part)
}

impl Objects {
    /// The first folder below a prefix, which ends with a slash, in the order of names.
    pub async fn first_folder(&self, prefix: &str) -> Result<Option<String>, ObjectsError> {
        match self {
            Self::S3 { client, bucket } => {
                let list = client.list_objects_v2().bucket(bucket).prefix(prefix);
                let listed = list.max_keys(1).send().await.map_err(s3)?;
                let first = listed.contents.unwrap_or_default().into_iter().next();
                let key = first.and_then(|object| object.key);
                Ok(key.and_then(|key| {
                    let (folder, _) = key.strip_prefix(prefix)?.split_once('/')?;
                    Some(folder.to_owned())
                }))
            }
            Self::Directory(directory) => {
                let folder = directory.join(prefix);
                let entries = match std::fs::read_dir(&folder) {
                    Ok(entries) => entries,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                    Err(error) => return Err(file_error(&folder, error)),
                };
                let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into()));
                let names: io::Result<Vec<String>> = names.collect();
                let names = names.map_err(|error| file_error(&folder, error))?;
                Ok(names.into_iter().min())
            }
        }
    }
}

fn put_object(
    client: &Client,
    bucket: &str,
    key: &str,
    content: Vec<u8>,
    headers: Headers<'_>,
) -> aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder {
    client
        .put_object()
        .bucket(bucket)
        .key(key)
        .content_type(headers.content_type)
        .set_cache_control(headers.cache_control.map(str::to_owned))
        .body(ByteStream::from(content))
}

/// A directory is no file either, and a file has nothing under it.
fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory
    )
}

/// Renamed into place later: a reader never sees half a file, and a process that is killed leaves
/// none.
fn draft(path: &Path, content: &[u8]) -> io::Result<tempfile::NamedTempFile> {
    let directory = path.parent().unwrap_or(path);
    std::fs::create_dir_all(directory)?;
    let mut draft = tempfile::NamedTempFile::new_in(directory)?;
    draft.write_all(content)?;
    Ok(draft)
}

fn list_files(folder: &Path, prefix: &str) -> io::Result<Vec<(String, u64)>> {
    let mut listed = Vec::new();
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(listed),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let file = entry.file_name().to_string_lossy().into_owned();
        // A draft of a process that was killed.
        if file.starts_with(".tmp") {
            continue;
        }
        listed.push((format!("{prefix}{file}"), entry.metadata()?.len()));
    }
    Ok(listed)
}

/// An error of S3's, with its causes.
pub(crate) fn s3<E, R>(error: SdkError<E, R>) -> ObjectsError
where
    E: std::error::Error + 'static,
    R: fmt::Debug + 'static,
{
    ObjectsError::S3(tegata_aws::causes(&error))
}

/// An error of a temporary file.
pub(crate) fn temporary_file(error: io::Error) -> ObjectsError {
    file_error(&std::env::temp_dir(), error)
}

fn file_error(path: &Path, error: io::Error) -> ObjectsError {
    ObjectsError::Directory {
        path: path.display().to_string(),
        error,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Read as _};
    use std::net::TcpListener;

    use aws_sdk_s3::config::timeout::TimeoutConfig;
    use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, StalledStreamProtectionConfig};

    use super::*;

    const HEADERS: Headers<'_> = Headers {
        content_type: "text/plain",
        cache_control: None,
    };

    /// A bucket that answers the next puts so, and tells how often it was asked.
    fn bucket(answers: &[(u16, &'static str)]) -> (Objects, std::thread::JoinHandle<usize>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let answers = answers.to_vec();
        let asked = std::thread::spawn(move || {
            let mut asked = 0;
            for (status, code) in answers {
                let (stream, _) = listener.accept().unwrap();
                let mut reader = BufReader::new(stream);
                let (mut length, mut line) = (0, String::new());
                let mut is_conditional = false;
                while reader.read_line(&mut line).unwrap() > 2 {
                    let lower = line.to_lowercase();
                    is_conditional |= lower.trim_end() == "if-none-match: *";
                    if let Some(value) = lower.strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    line.clear();
                }
                assert!(is_conditional);
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                assert!(String::from_utf8_lossy(&body).contains("content"));
                let body = match status {
                    200 => String::new(),
                    _ => format!("<Error><Code>{code}</Code><Message>m</Message></Error>"),
                };
                let answer = format!(
                    "HTTP/1.1 {status} x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                reader.get_mut().write_all(answer.as_bytes()).unwrap();
                asked += 1;
            }
            asked
        });
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(tegata_aws::http_client())
            // The runtime's paused clock runs ahead while a request is on its way.
            .timeout_config(TimeoutConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .endpoint_url(endpoint)
            .force_path_style(true)
            .region(Region::new("local"))
            .credentials_provider(Credentials::new("local", "local", None, None, "test"))
            .build();
        let objects = Objects::S3 {
            client: Client::from_conf(config),
            bucket: "bucket".to_owned(),
        };
        (objects, asked)
    }

    /// The pauses between attempts pass by the runtime's clock.
    #[tokio::test(start_paused = true)]
    async fn a_conditional_put_that_met_another_is_repeated() {
        const CONFLICT: (u16, &str) = (409, "ConditionalRequestConflict");
        const THERE: (u16, &str) = (412, "PreconditionFailed");
        for (last, expected) in [((200, ""), Put::New), (THERE, Put::AlreadyThere)] {
            let (objects, asked) = bucket(&[CONFLICT, CONFLICT, last]);
            let put = objects.put_new("a", b"content".to_vec(), HEADERS).await;
            assert_eq!(put.unwrap(), expected);
            assert_eq!(asked.join().unwrap(), 3);
        }
        let (objects, asked) = bucket(&[CONFLICT; 5]);
        let put = objects.put_new("a", b"content".to_vec(), HEADERS).await;
        assert!(
            put.unwrap_err()
                .to_string()
                .contains("ConditionalRequestConflict")
        );
        assert_eq!(asked.join().unwrap(), 5);
    }
}
