//! The SQL Gateway's REST interface, one request each.

use reqwest::Method;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use skep_engine::{EngineError, ErrorKind, Result};
use std::collections::BTreeMap;

use super::page::RowFormat;
use crate::flink::failure::fit_to_show;
use crate::flink::http::{Client, Repeat};

/// The versions of the interface that are spoken, the newest first. V1 (Flink 1.16) has no row format, V3 (1.19) is all
/// that is used; V4 (2.1) adds nothing to that.
const VERSIONS: [(&str, &str); 4] = [("V4", "v4"), ("V3", "v3"), ("V2", "v2"), ("V1", "v1")];

/// A session's or operation's handle: a UUID, which becomes part of paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Handle(String);

impl Handle {
    fn read(text: String) -> Result<Self> {
        let fits =
            (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if fits {
            return Ok(Self(text));
        }
        let shown = fit_to_show(&text);
        Err(EngineError::new(
            ErrorKind::Protocol,
            format!("the gateway gave {shown:?} as a handle"),
        ))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// `GET /info`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Info {
    pub(super) product_name: String,
    pub(super) version: String,
}

#[derive(Deserialize)]
struct Versions {
    versions: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Opened {
    session_handle: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Submitted {
    operation_handle: String,
}

#[derive(Deserialize)]
struct Configuration {
    properties: BTreeMap<String, String>,
}

/// A gateway that is spoken to.
#[derive(Debug)]
pub(super) struct Api {
    client: Client,
    version: &'static str,
}

impl Api {
    /// Asks the gateway which versions it speaks, and who it is.
    ///
    /// # Errors
    /// It could not be asked, or speaks none that is spoken here.
    pub(super) async fn negotiate(client: Client) -> Result<(Self, Info)> {
        let Versions { versions } = client.get_at_hand("/api_versions").await?;
        let common = VERSIONS
            .iter()
            .find(|(name, _)| versions.iter().any(|version| version == name));
        let Some((_, version)) = common else {
            let offered = fit_to_show(&versions.join(", "));
            let message = format!(
                "{} speaks versions {offered} of the gateway's interface",
                client.server()
            );
            return Err(EngineError::new(ErrorKind::Connect, message).hint("skep speaks V1 to V4"));
        };
        let api = Self { client, version };
        let info = api.client.get_at_hand(&api.path("/info")).await?;
        Ok((api, info))
    }

    /// The gateway as `host:port`.
    pub(super) fn server(&self) -> &str {
        self.client.server()
    }

    /// The client that the requests go through.
    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    /// Opens a session. A reply that is lost leaves one behind, which the gateway closes when nobody has used it for a
    /// while.
    pub(super) async fn open_session(&self, properties: &BTreeMap<String, String>) -> Result<Handle> {
        let body = json!({ "sessionName": "skep", "properties": properties });
        let opened: Opened = self
            .client
            .send(Method::POST, &self.path("/sessions"), Some(&body), Repeat::Idempotent)
            .await?;
        Handle::read(opened.session_handle)
    }

    /// Closes a session: jobs of its `INSERT`s go on, those of its queries are cancelled by the gateway.
    pub(super) async fn close_session(&self, session: &Handle) -> Result<()> {
        self.command(Method::DELETE, &self.session(session, ""), Repeat::Idempotent)
            .await
    }

    /// The session's whole effective configuration.
    pub(super) async fn properties(&self, session: &Handle) -> Result<BTreeMap<String, String>> {
        let configuration: Configuration = self.client.get(&self.session(session, "")).await?;
        Ok(configuration.properties)
    }

    /// Keeps the session from being closed for want of use.
    pub(super) async fn heartbeat(&self, session: &Handle) -> Result<()> {
        self.command(Method::POST, &self.session(session, "/heartbeat"), Repeat::Idempotent)
            .await
    }

    /// Hands a statement over, with settings for it alone. The answer comes once the earlier statements of the session
    /// have been executed, and says nothing of whether this one is valid.
    pub(super) async fn submit(
        &self,
        session: &Handle,
        text: &str,
        settings: &BTreeMap<String, String>,
    ) -> Result<Handle> {
        let mut body = json!({ "statement": text });
        if !settings.is_empty() {
            body["executionConfig"] = json!(settings);
        }
        let path = self.session(session, "/statements");
        let submitted: Submitted = self
            .client
            .send(Method::POST, &path, Some(&body), Repeat::Never)
            .await?;
        Handle::read(submitted.operation_handle)
    }

    /// A page of an operation's result, as it came. Only the last one that was asked for, and the one after it, can be had.
    pub(super) async fn fetch(
        &self,
        session: &Handle,
        operation: &Handle,
        token: u64,
        format: RowFormat,
    ) -> Result<Vec<u8>> {
        let mut tail = format!("/result/{token}");
        if self.version != "v1" {
            tail.push_str("?rowFormat=");
            tail.push_str(format.as_str());
        }
        self.client.fetch(&self.operation(session, operation, &tail)).await
    }

    /// Cancels an operation that has not been executed yet. One that has (a query counts as executed once its job is
    /// submitted) is refused with a 500.
    pub(super) async fn cancel(&self, session: &Handle, operation: &Handle) -> Result<()> {
        self.command(
            Method::POST,
            &self.operation(session, operation, "/cancel"),
            Repeat::Idempotent,
        )
        .await
    }

    /// Forgets an operation. A query's job is cancelled by the gateway; an `INSERT`'s goes on.
    pub(super) async fn close(&self, session: &Handle, operation: &Handle) -> Result<()> {
        self.command(
            Method::DELETE,
            &self.operation(session, operation, "/close"),
            Repeat::Idempotent,
        )
        .await
    }

    async fn command(&self, method: Method, path: &str, repeat: Repeat) -> Result<()> {
        let body = Value::Object(serde_json::Map::new());
        let body = (method == Method::POST).then_some(&body);
        self.client.send::<IgnoredAny>(method, path, body, repeat).await?;
        Ok(())
    }

    fn path(&self, tail: &str) -> String {
        format!("/{}{tail}", self.version)
    }

    fn session(&self, session: &Handle, tail: &str) -> String {
        self.path(&format!("/sessions/{}{tail}", session.0))
    }

    fn operation(&self, session: &Handle, operation: &Handle, tail: &str) -> String {
        self.session(session, &format!("/operations/{}{tail}", operation.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_can_be_part_of_a_path() {
        assert!(Handle::read("bdae6762-0000-4000-8000-0123456789ab".to_owned()).is_ok());
        for text in ["", "a/b", "../x", "a b", "é", &"a".repeat(65)] {
            assert!(Handle::read(text.to_owned()).is_err(), "{text}");
        }
    }
}
