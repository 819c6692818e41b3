//! Object stores: S3 and what speaks like it, Google Cloud Storage, Azure. Where they are and who asks is said by the
//! environment, with the names that the stores' own tools use.

use std::error::Error;
use std::io;
use std::path::Path as FilePath;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use jiff::Timestamp;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::path::Path;
use object_store::{ClientOptions, ObjectMeta, ObjectStore, ObjectStoreExt, RetryConfig};

use super::{Attributes, Entry, MOST_ENTRIES, Remote};

/// The longest that one attempt may take, and a connection.
const REQUEST: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(5);

/// All here is read, or deletes what may be gone already: it may be sent again.
const RETRIES: usize = 2;
const RETRYING: Duration = Duration::from_secs(20);

/// The longest text of an error that is shown, in characters.
const LONGEST_TEXT: usize = 300;

/// Opens the store of a bucket or container.
///
/// # Errors
/// Nothing in the environment says who asks, or what it says can't be used.
pub(super) fn open(scheme: &str, authority: &str) -> Result<Arc<dyn Remote>, String> {
    let failed = |error: object_store::Error| format!("{scheme}://{authority} can't be opened: {}", words(&error));
    let store: Arc<dyn ObjectStore> = match scheme {
        "gs" => {
            let settings = environment::<GoogleConfigKey>("GOOGLE_");
            if settings.is_empty() && !has_default_credentials() {
                return Err("no GOOGLE_* variable says who asks: set GOOGLE_APPLICATION_CREDENTIALS".to_owned());
            }
            let builder = GoogleCloudStorageBuilder::new()
                .with_client_options(options())
                .with_retry(retry());
            let set = |builder: GoogleCloudStorageBuilder, (key, value)| builder.with_config(key, value);
            let builder = settings.into_iter().fold(builder, set).with_bucket_name(authority);
            Arc::new(builder.build().map_err(failed)?)
        }
        "abfs" | "abfss" | "wasb" | "wasbs" => {
            let settings = environment::<AzureConfigKey>("AZURE_");
            if settings.is_empty() {
                return Err(
                    "no AZURE_* variable says who asks: set AZURE_STORAGE_ACCOUNT_KEY, or AZURE_CLIENT_ID and its like"
                        .to_owned(),
                );
            }
            let names_account = |(key, _): &(AzureConfigKey, String)| {
                matches!(key, AzureConfigKey::AccountName | AzureConfigKey::UseEmulator)
            };
            if !authority.contains('@') && !settings.iter().any(names_account) {
                return Err(format!(
                    "nothing says in which account the container {authority} is: write \
                     abfss://{authority}@ACCOUNT.dfs.core.windows.net/, or set AZURE_STORAGE_ACCOUNT_NAME"
                ));
            }
            let builder = MicrosoftAzureBuilder::new()
                .with_client_options(options())
                .with_retry(retry());
            let set = |builder: MicrosoftAzureBuilder, (key, value)| builder.with_config(key, value);
            let url = format!("abfss://{authority}/");
            Arc::new(
                settings
                    .into_iter()
                    .fold(builder, set)
                    .with_url(url)
                    .build()
                    .map_err(failed)?,
            )
        }
        _ => {
            let settings = environment::<AmazonS3ConfigKey>("AWS_");
            if settings.is_empty() {
                return Err(
                    "no AWS_* variable says who asks: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and \
                     AWS_ENDPOINT_URL where it is not Amazon's), or AWS_REGION where the machine has a role"
                        .to_owned(),
                );
            }
            let builder = AmazonS3Builder::new()
                .with_client_options(options())
                .with_retry(retry());
            let set = |builder: AmazonS3Builder, (key, value)| builder.with_config(key, value);
            let builder = settings.into_iter().fold(builder, set).with_bucket_name(authority);
            Arc::new(builder.build().map_err(failed)?)
        }
    };
    Ok(Arc::new(Bucket { store }))
}

/// What the variables that begin so say that is a setting of the store's.
fn environment<K: FromStr>(prefix: &str) -> Vec<(K, String)> {
    let named = std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok().filter(|name| name.starts_with(prefix))?;
        let value = value.into_string().ok().filter(|value| !value.is_empty())?;
        Some((name.to_ascii_lowercase().parse().ok()?, value))
    });
    named.collect()
}

/// Whether Google's tools have left credentials where theirs are looked for.
fn has_default_credentials() -> bool {
    std::env::var_os("HOME").is_some_and(|home| {
        FilePath::new(&home)
            .join(".config/gcloud/application_default_credentials.json")
            .is_file()
    })
}

fn options() -> ClientOptions {
    ClientOptions::new().with_timeout(REQUEST).with_connect_timeout(CONNECT)
}

fn retry() -> RetryConfig {
    RetryConfig {
        max_retries: RETRIES,
        retry_timeout: RETRYING,
        ..RetryConfig::default()
    }
}

/// A bucket or container.
struct Bucket {
    store: Arc<dyn ObjectStore>,
}

#[async_trait]
impl Remote for Bucket {
    /// A directory that is not there is empty: there are no directories.
    async fn list(&self, path: &str) -> io::Result<Vec<Entry>> {
        let prefix = key(path)?;
        let prefix = Some(&prefix).filter(|prefix| !prefix.as_ref().is_empty());
        let listed = self.store.list_with_delimiter(prefix).await.map_err(explain)?;
        let dirs = listed.common_prefixes.iter().filter_map(|path| {
            Some(Entry {
                name: path.filename()?.to_owned(),
                is_dir: true,
                attributes: None,
            })
        });
        // Some clients mark a directory by an object of its name.
        let marker = |object: &&ObjectMeta| object.location.as_ref() != path;
        let files = listed.objects.iter().filter(marker).filter_map(|object| {
            Some(Entry {
                name: object.location.filename()?.to_owned(),
                is_dir: false,
                attributes: Some(attributes(object)),
            })
        });
        let entries: Vec<Entry> = dirs.chain(files).take(MOST_ENTRIES).collect();
        if entries.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "nothing is there"));
        }
        Ok(entries)
    }

    async fn look(&self, path: &str) -> io::Result<Attributes> {
        let found = self.store.head(&key(path)?).await.map_err(explain)?;
        Ok(attributes(&found))
    }

    async fn read(&self, path: &str, most: u64) -> io::Result<(Vec<u8>, Attributes)> {
        let found = self.store.get(&key(path)?).await.map_err(explain)?;
        let attributes = attributes(&found.meta);
        let most = usize::try_from(most.min(attributes.length)).unwrap_or(usize::MAX);
        let mut bytes = Vec::with_capacity(most.min(1 << 20));
        let mut chunks = found.into_stream();
        while bytes.len() < most {
            let Some(chunk) = chunks.next().await else { break };
            let chunk = chunk.map_err(explain)?;
            bytes.extend_from_slice(&chunk[..chunk.len().min(most - bytes.len())]);
        }
        Ok((bytes, attributes))
    }

    async fn remove(&self, path: &str) -> io::Result<()> {
        self.store.delete(&key(path)?).await.map_err(explain)
    }

    async fn remove_dir(&self, _path: &str) -> io::Result<()> {
        Ok(())
    }
}

/// An object's name. It is used as it is: nothing in it is decoded or encoded.
fn key(path: &str) -> io::Result<Path> {
    Path::parse(path).map_err(|error| io::Error::other(format!("no object can be called so: {error}")))
}

fn attributes(object: &ObjectMeta) -> Attributes {
    Attributes {
        length: object.size,
        modified: Timestamp::from_millisecond(object.last_modified.timestamp_millis()).ok(),
    }
}

/// What an error means for who asked.
fn explain(error: object_store::Error) -> io::Error {
    use object_store::Error::{InvalidPath, NotFound, PermissionDenied, Unauthenticated};
    let kind = match &error {
        NotFound { .. } => io::ErrorKind::NotFound,
        PermissionDenied { .. } | Unauthenticated { .. } => io::ErrorKind::PermissionDenied,
        InvalidPath { .. } => io::ErrorKind::Other,
        // All attempts have failed.
        _ => io::ErrorKind::NotConnected,
    };
    io::Error::new(kind, words(&error))
}

/// The innermost cause, without what a server's answer tells of the request: it may hold a signature.
fn words(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let text = innermost.to_string();
    if let Some((_, answer)) = text.split_once("status code: ") {
        let (status, body) = answer.split_once(':').unwrap_or((answer, ""));
        let code = body
            .split_once("<Code>")
            .and_then(|(_, rest)| rest.split_once("</Code>"))
            .map(|(code, _)| code)
            .filter(|code| code.len() < 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        let code = code.map(|code| format!(" ({code})")).unwrap_or_default();
        return format!("the store answers {}{code}", status.trim());
    }
    if text.contains("URL scheme is not allowed") {
        return "the store is to be asked without TLS, which AWS_ALLOW_HTTP=true (or AZURE_, GOOGLE_) allows"
            .to_owned();
    }
    // A URL's query may hold a signature, too.
    let words = text.split_whitespace().map(|word| match word.split_once('?') {
        Some((before, _)) if word.contains("://") => before,
        _ => word,
    });
    let text = words.collect::<Vec<_>>().join(" ");
    text.chars().take(LONGEST_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Said(&'static str);

    fn said(text: &'static str) -> String {
        words(&object_store::Error::Generic {
            store: "S3",
            source: Box::new(Said(text)),
        })
    }

    #[test]
    fn an_error_says_what_the_store_answered_and_no_more() {
        let refused = "Server returned non-2xx status code: 403 Forbidden: <?xml version=\"1.0\"?><Error><Code>\
                       SignatureDoesNotMatch</Code><StringToSign>AWS4 secret</StringToSign></Error>";
        assert_eq!(said(refused), "the store answers 403 Forbidden (SignatureDoesNotMatch)");
        assert_eq!(
            said("error sending request for url (https://a/b?sig=secret&x=1)"),
            "error sending request for url (https://a/b"
        );
        assert_eq!(
            said("Connection refused (os error 111)"),
            "Connection refused (os error 111)"
        );
    }

    #[test]
    fn object_names_are_taken_as_they_are() {
        assert_eq!(key("a/chk-7/_metadata").unwrap().as_ref(), "a/chk-7/_metadata");
        assert_eq!(key("a b/c%20d").unwrap().as_ref(), "a b/c%20d");
        assert!(key("a/../b").is_err() && key("a//b").is_err());
    }
}
