//! HDFS through WebHDFS, the HTTP interface that every NameNode has (`/webhdfs/v1`, Hadoop's "WebHDFS REST API").

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::LOCATION;
use reqwest::{Method, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::{Attributes, Entry, MOST_ENTRIES, Remote, not_a_file};
use crate::flink::http;

/// Where the NameNodes' HTTP addresses are, if not where they are by default: `AUTHORITY=URL`, or a URL for all, several
/// separated by commas. Of several for one authority (a nameservice) the one that is active answers.
const ADDRESSES: &str = "SKEP_WEBHDFS";
/// A delegation token, where the cluster wants one.
const TOKEN: &str = "SKEP_WEBHDFS_TOKEN";
/// Who asks, where the cluster believes whoever asks.
const USERS: [&str; 3] = ["HADOOP_USER_NAME", "USER", "LOGNAME"];

/// The port of a NameNode's HTTP server.
const PORT: u16 = 9870;

/// The longest that a request may take, and a connection.
const REQUEST: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(5);

/// The longest answer that tells of files, in bytes.
const LONGEST_ANSWER: usize = 64 << 20;

/// From a NameNode to a DataNode is one; a router before them is another.
const REDIRECTS: usize = 2;

/// What stands in a path as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// Opens a file system. Nothing is sent yet.
///
/// # Errors
/// Its address can't be read.
pub(super) fn open(scheme: &str, authority: &str) -> Result<Arc<dyn Remote>, String> {
    let given = std::env::var(ADDRESSES).unwrap_or_default();
    let addresses = addresses(scheme, authority, &given)?;
    let (_, builder) = http::plain(&addresses[0]);
    let http = builder
        .connect_timeout(CONNECT)
        .timeout(REQUEST)
        .build()
        .map_err(|error| format!("HTTP could not be set up: {}", http::innermost(&error)))?;
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let who = match variable(TOKEN) {
        Some(token) => Some(("delegation", token)),
        None => USERS.into_iter().find_map(variable).map(|user| ("user.name", user)),
    };
    Ok(Arc::new(NameNodes { http, addresses, who }))
}

/// The HTTP addresses of a file system's NameNodes: at least one.
fn addresses(scheme: &str, authority: &str, given: &str) -> Result<Vec<Url>, String> {
    let read = |text: &str| -> Result<Url, String> {
        let url = Url::parse(text).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https") && url.host_str().is_some_and(|host| !host.is_empty())
        });
        url.ok_or_else(|| format!("{ADDRESSES}: {text:?} is not the http(s)://host:port of a NameNode"))
    };
    let of_scheme = match scheme {
        "webhdfs" => Some("http"),
        "swebhdfs" => Some("https"),
        _ => None,
    };
    if let Some(http) = of_scheme {
        let url = Url::parse(&format!("{http}://{authority}")).map_err(|error| format!("{authority}: {error}"))?;
        return Ok(vec![url]);
    }
    let (mut of_this, mut of_all) = (Vec::new(), Vec::new());
    for entry in given.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        match entry.split_once('=') {
            Some((whose, url)) if whose == authority => of_this.push(read(url)?),
            Some((_, url)) => drop(read(url)?),
            None => of_all.push(read(entry)?),
        }
    }
    for addresses in [of_this, of_all] {
        if !addresses.is_empty() {
            return Ok(addresses);
        }
    }
    // The port in the path is that of another protocol.
    let url = Url::parse(&format!("http://{authority}"));
    let mut url =
        url.map_err(|error| format!("hdfs://{authority}: {error} · {ADDRESSES} says where its NameNode is"))?;
    if url.set_port(Some(PORT)).is_err() {
        return Err(format!(
            "hdfs://{authority} names no host · {ADDRESSES} says where its NameNode is"
        ));
    }
    Ok(vec![url])
}

/// The NameNodes of a file system, of which one is active.
struct NameNodes {
    http: reqwest::Client,
    addresses: Vec<Url>,
    /// The parameter that says who asks. Never shown.
    who: Option<(&'static str, String)>,
}

/// A file's attributes, as `GETFILESTATUS` and `LISTSTATUS` tell them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    #[serde(default)]
    path_suffix: String,
    #[serde(rename = "type")]
    kind: String,
    length: u64,
    modification_time: i64,
}

impl Status {
    fn attributes(&self) -> Attributes {
        let modified = Some(self.modification_time).filter(|time| *time > 0);
        Attributes {
            length: self.length,
            modified: modified.and_then(|time| Timestamp::from_millisecond(time).ok()),
        }
    }

    fn is_dir(&self) -> bool {
        self.kind == "DIRECTORY"
    }
}

#[derive(Deserialize)]
struct FileStatus {
    #[serde(rename = "FileStatus")]
    status: Status,
}

#[derive(Deserialize)]
struct FileStatuses {
    #[serde(rename = "FileStatuses")]
    statuses: Statuses,
}

#[derive(Deserialize)]
struct Statuses {
    #[serde(rename = "FileStatus")]
    list: Vec<Status>,
}

#[derive(Deserialize)]
struct DirectoryListing {
    #[serde(rename = "DirectoryListing")]
    listing: Listing,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listing {
    partial_listing: FileStatuses,
    remaining_entries: u64,
}

#[derive(Deserialize)]
struct Deleted {
    boolean: bool,
}

#[derive(Deserialize)]
struct Failure {
    #[serde(rename = "RemoteException")]
    exception: Exception,
}

#[derive(Deserialize)]
struct Exception {
    exception: String,
    #[serde(default)]
    message: String,
}

/// Why there is no answer: an error, and whether another NameNode may do better.
struct Refused {
    error: io::Error,
    is_passive: bool,
    exception: String,
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self {
            error,
            is_passive: false,
            exception: String::new(),
        }
    }
}

impl NameNodes {
    /// Asks the NameNodes in turn until one is active, and gives its answer's body, at most so many bytes of it.
    async fn ask(&self, method: &Method, path: &str, query: &[(&str, &str)], most: Most) -> Result<Vec<u8>, Refused> {
        let mut last = None;
        for address in &self.addresses {
            match self.ask_one(address, method, path, query, most).await {
                Err(refused) if refused.is_passive => last = Some(refused),
                answer => return answer,
            }
        }
        Err(last.unwrap_or_else(|| io::Error::from(io::ErrorKind::NotConnected).into()))
    }

    async fn ask_one(
        &self,
        address: &Url,
        method: &Method,
        path: &str,
        query: &[(&str, &str)],
        most: Most,
    ) -> Result<Vec<u8>, Refused> {
        let root = address.path().trim_end_matches('/');
        let mut url = address.clone();
        url.set_path(&format!("{root}/webhdfs/v1/{}", utf8_percent_encode(path, PLAIN)));
        let who = self.who.iter().map(|(name, value)| (*name, value.as_str()));
        url.query_pairs_mut().extend_pairs(query.iter().copied().chain(who));
        for _ in 0..=REDIRECTS {
            let response = self.http.request(method.clone(), url.clone()).send().await;
            let response = response.map_err(|error| silence(&url, &error))?;
            let status = response.status();
            if status.is_redirection() {
                url = redirected(&url, &response)?;
            } else if status.is_success() {
                return Ok(body(response, &url, most).await?);
            } else {
                let answer = body(response, &url, Most::Whole(LONGEST_ANSWER))
                    .await
                    .unwrap_or_default();
                return Err(refusal(status, &answer));
            }
        }
        Err(io::Error::new(
            io::ErrorKind::NotConnected,
            format!("{} redirects without end", place(&url)),
        )
        .into())
    }

    async fn tell<T: DeserializeOwned>(
        &self,
        method: &Method,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, Refused> {
        let answer = self.ask(method, path, query, Most::Whole(LONGEST_ANSWER)).await?;
        let read = serde_json::from_slice(&answer);
        Ok(read.map_err(|error| {
            let message = format!("the NameNode's answer can't be understood: {error}");
            io::Error::new(io::ErrorKind::NotConnected, message)
        })?)
    }

    async fn status(&self, path: &str) -> io::Result<Status> {
        let told: Result<FileStatus, Refused> = self.tell(&Method::GET, path, &[("op", "GETFILESTATUS")]).await;
        told.map(|told| told.status).map_err(|refused| refused.error)
    }

    /// A directory page by page. `None`: the NameNode has no pages.
    async fn pages(&self, path: &str) -> io::Result<Option<Vec<Status>>> {
        let mut all: Vec<Status> = Vec::new();
        loop {
            let after = all.last().map(|last| last.path_suffix.clone());
            let mut query = vec![("op", "LISTSTATUS_BATCH")];
            query.extend(after.as_deref().map(|after| ("startAfter", after)));
            let page: DirectoryListing = match self.tell(&Method::GET, path, &query).await {
                Ok(page) => page,
                // An operation that it does not know is no value of `op`.
                Err(refused) if all.is_empty() && refused.exception == "IllegalArgumentException" => return Ok(None),
                Err(refused) => return Err(refused.error),
            };
            let entries = page.listing.partial_listing.statuses.list;
            let goes_on = entries.last().map(|last| &last.path_suffix) != after.as_ref() && !entries.is_empty();
            all.extend(entries);
            if page.listing.remaining_entries == 0 || !goes_on || all.len() >= MOST_ENTRIES {
                return Ok(Some(all));
            }
        }
    }

    async fn delete(&self, path: &str) -> io::Result<()> {
        let query = [("op", "DELETE"), ("recursive", "false")];
        let deleted: Result<Deleted, Refused> = self.tell(&Method::DELETE, path, &query).await;
        match deleted {
            Ok(Deleted { boolean: true }) => Ok(()),
            Ok(_) => Err(io::ErrorKind::NotFound.into()),
            Err(refused) => Err(refused.error),
        }
    }
}

#[async_trait]
impl Remote for NameNodes {
    async fn list(&self, path: &str) -> io::Result<Vec<Entry>> {
        let listed = match self.pages(path).await? {
            Some(listed) => listed,
            None => {
                let told: Result<FileStatuses, Refused> = self.tell(&Method::GET, path, &[("op", "LISTSTATUS")]).await;
                told.map_err(|refused| refused.error)?.statuses.list
            }
        };
        // Of a file that is asked for itself there is no name.
        let is_name =
            |name: &str| !matches!(name, "" | "." | "..") && !name.contains('/') && !name.contains(char::is_control);
        let entries = listed.into_iter().filter(|status| is_name(&status.path_suffix));
        let entries = entries.take(MOST_ENTRIES).map(|status| Entry {
            is_dir: status.is_dir(),
            attributes: (!status.is_dir()).then(|| status.attributes()),
            name: status.path_suffix,
        });
        Ok(entries.collect())
    }

    async fn look(&self, path: &str) -> io::Result<Attributes> {
        let status = self.status(path).await?;
        if status.is_dir() {
            return Err(not_a_file());
        }
        Ok(status.attributes())
    }

    async fn read(&self, path: &str, most: u64) -> io::Result<(Vec<u8>, Attributes)> {
        let attributes = self.look(path).await?;
        let length = attributes.length.min(most);
        if length == 0 {
            return Ok((Vec::new(), attributes));
        }
        let query = [("op", "OPEN"), ("length", &*length.to_string())];
        let most = Most::Beginning(usize::try_from(length).unwrap_or(usize::MAX));
        let bytes = self.ask(&Method::GET, path, &query, most).await;
        Ok((bytes.map_err(|refused| refused.error)?, attributes))
    }

    async fn remove(&self, path: &str) -> io::Result<()> {
        self.delete(path).await
    }

    async fn remove_dir(&self, path: &str) -> io::Result<()> {
        self.delete(path).await
    }
}

/// How much of a body is read.
#[derive(Debug, Clone, Copy)]
enum Most {
    /// All of it, which must be no more than that.
    Whole(usize),
    /// So many bytes, whatever follows.
    Beginning(usize),
}

async fn body(mut response: Response, url: &Url, most: Most) -> io::Result<Vec<u8>> {
    let (Most::Whole(limit) | Most::Beginning(limit)) = most;
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| silence(url, &error).error)? {
        let room = limit - bytes.len();
        bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room && matches!(most, Most::Whole(_)) {
            let message = format!("the answer of {} is longer than {limit} bytes", place(url));
            return Err(io::Error::new(io::ErrorKind::NotConnected, message));
        }
        if bytes.len() == limit && matches!(most, Most::Beginning(_)) {
            break;
        }
    }
    Ok(bytes)
}

/// Where an answer sends us: over the same protocol as before, so that nothing goes in the clear that did not.
fn redirected(from: &Url, response: &Response) -> io::Result<Url> {
    let failed = |why: &str| {
        let message = format!("{} redirects {why}", place(from));
        io::Error::new(io::ErrorKind::NotConnected, message)
    };
    let to = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
    let to = to
        .and_then(|to| from.join(to).ok())
        .ok_or_else(|| failed("to nowhere"))?;
    if to.scheme() != from.scheme() {
        return Err(failed(&format!("to {}, over another protocol", place(&to))));
    }
    Ok(to)
}

/// What an answer that is none says.
fn refusal(status: reqwest::StatusCode, answer: &[u8]) -> Refused {
    let told = serde_json::from_slice::<Failure>(answer)
        .ok()
        .map(|failure| failure.exception);
    let exception = told.as_ref().map(|told| told.exception.clone()).unwrap_or_default();
    let is_passive = matches!(exception.as_str(), "StandbyException" | "RetriableException");
    let kind = match (status.as_u16(), exception.as_str()) {
        _ if is_passive => io::ErrorKind::NotConnected,
        (404, _) | (_, "FileNotFoundException") => io::ErrorKind::NotFound,
        (401 | 403, _) => io::ErrorKind::PermissionDenied,
        (400..500, _) => io::ErrorKind::Other,
        _ => io::ErrorKind::NotConnected,
    };
    let mut message = match &told {
        Some(told) => format!(
            "{}: {}",
            told.exception,
            told.message.lines().next().unwrap_or_default()
        ),
        None => format!("the NameNode answers {status}"),
    };
    if status.as_u16() == 401 {
        message.push_str(&format!(
            " · it wants to know who asks: {TOKEN} takes a delegation token, which `hdfs fetchdt` gets"
        ));
    }
    Refused {
        error: io::Error::new(kind, message),
        is_passive,
        exception,
    }
}

/// Why nothing came.
fn silence(url: &Url, error: &reqwest::Error) -> Refused {
    let why = if error.is_timeout() {
        "does not answer in time".to_owned()
    } else {
        format!("can't be reached: {}", http::innermost(error))
    };
    let hint = if error.is_connect() && url.port() == Some(PORT) {
        format!(" · {ADDRESSES} says where the NameNode's HTTP address is")
    } else {
        String::new()
    };
    Refused {
        error: io::Error::new(io::ErrorKind::NotConnected, format!("{} {why}{hint}", place(url))),
        is_passive: true,
        exception: String::new(),
    }
}

/// A server, without anything that is secret.
fn place(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port_or_known_default() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(scheme: &str, authority: &str, given: &str) -> Vec<String> {
        let found = addresses(scheme, authority, given).unwrap();
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_name_node_is_found_by_its_name_or_by_what_is_said_of_it() {
        assert_eq!(at("hdfs", "nn:8020", ""), ["http://nn:9870/"]);
        assert_eq!(at("webhdfs", "nn:50070", "http://x:1"), ["http://nn:50070/"]);
        assert_eq!(at("swebhdfs", "nn:9871", ""), ["https://nn:9871/"]);
        assert_eq!(at("hdfs", "nn:8020", "http://x:1"), ["http://x:1/"]);
        let two = "other=http://o:1, ha=https://a:9871 ,ha=https://b:9871,http://x:1";
        assert_eq!(at("hdfs", "ha", two), ["https://a:9871/", "https://b:9871/"]);
        assert_eq!(at("hdfs", "", "http://x:1"), ["http://x:1/"]);
        for (authority, given) in [("", ""), ("nn", "nn:9870"), ("nn", "ftp://nn"), ("a b", "")] {
            assert!(addresses("hdfs", authority, given).is_err(), "{authority:?} {given:?}");
        }
    }

    #[test]
    fn what_a_name_node_says_is_understood() {
        let standby = br#"{"RemoteException":{"exception":"StandbyException","javaClassName":"x","message":"not me"}}"#;
        assert!(refusal(reqwest::StatusCode::FORBIDDEN, standby).is_passive);
        let gone = refusal(reqwest::StatusCode::NOT_FOUND, b"");
        assert_eq!(gone.error.kind(), io::ErrorKind::NotFound);
        let who = refusal(reqwest::StatusCode::UNAUTHORIZED, b"<html>");
        assert_eq!(who.error.kind(), io::ErrorKind::PermissionDenied);
        assert!(who.error.to_string().contains(TOKEN));
    }

    proptest! {
        #[test]
        fn any_answer_is_read_or_refused(answer in prop::collection::vec(any::<u8>(), 0..200), code in 100_u16..600) {
            let _ = serde_json::from_slice::<DirectoryListing>(&answer);
            let _ = serde_json::from_slice::<FileStatus>(&answer);
            refusal(reqwest::StatusCode::from_u16(code).unwrap(), &answer);
        }
    }
}
