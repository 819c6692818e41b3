//! The lists that a Kyuubi server has of what it does, over REST.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use skep_engine::{EngineError, Result, Server, ServerEngine, ServerOperation, ServerSession};
use skep_hive::Error;

use super::address::PROXY_USER;
use super::failure::explain;
use super::session::Session;

/// The settings that say which engine a session has, each with the name that the server's list knows it by.
const FILTERS: [(&str, &str); 3] = [
    ("kyuubi.engine.type", "type"),
    ("kyuubi.engine.share.level", "sharelevel"),
    ("kyuubi.engine.share.level.subdomain", "subdomain"),
];

/// A server, asked by whoever has that session.
pub(super) struct Lists(pub(super) Arc<Session>);

#[async_trait]
impl Server for Lists {
    async fn sessions(&self) -> Result<Vec<ServerSession>> {
        let live = self.0.live();
        let own = live.handle.id().to_string();
        let listed = live.client.list_sessions().await.map_err(withheld)?;
        let sessions = listed.into_iter().map(|entry| ServerSession {
            is_own: entry.identifier == own,
            id: entry.identifier,
            name: entry.conf.name,
            user: entry.user,
            address: entry.ip_addr,
            engine: entry.conf.engine,
            opened: moment(entry.create_time),
            idle_ms: entry.idle_time.max(0),
        });
        Ok(sessions.collect())
    }

    async fn operations(&self) -> Result<(Vec<ServerOperation>, bool)> {
        let live = self.0.live();
        let own = live.handle.id().to_string();
        let (listed, is_all) = live.client.list_operations(&live.handle).await.map_err(withheld)?;
        let operations = listed.into_iter().map(|entry| ServerOperation {
            error: entry.complaint(),
            is_own: entry.session_id == own,
            id: entry.identifier,
            session: entry.session_id,
            user: entry.session_user,
            state: entry.state.trim_end_matches("_STATE").to_owned(),
            begun: moment(entry.create_time),
            ended: moment(entry.complete_time),
            statement: entry.statement,
        });
        Ok((operations.collect(), is_all))
    }

    async fn engines(&self) -> Result<Vec<ServerEngine>> {
        let live = self.0.live();
        let configuration = self.0.configuration();
        let mut filters: Vec<(&str, &str)> = FILTERS
            .iter()
            .filter_map(|(key, name)| Some((*name, configuration.get(*key)?.as_str())))
            .collect();
        let proxy = PROXY_USER.iter().find_map(|key| configuration.get(*key));
        filters.extend(proxy.map(|user| ("proxyUser", user.as_str())));
        let listed = live.client.list_engines(&filters).await.map_err(withheld)?;
        let engines = listed.into_iter().map(|entry| ServerEngine {
            user: entry.user,
            kind: entry.engine_type,
            share_level: entry.sharelevel,
            subdomain: entry.subdomain,
            address: entry.instance,
            version: entry.version,
            session: entry.attributes.ref_id,
        });
        Ok(engines.collect())
    }
}

/// Milliseconds since 1970; nothing where there are none yet.
fn moment(milliseconds: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(milliseconds)
        .ok()
        .filter(|_| milliseconds > 0)
}

/// What it means that a list can't be had.
fn withheld(error: Error) -> EngineError {
    let is_refused = matches!(error, Error::Login { .. } | Error::Http { .. } | Error::Server(_));
    let shown = explain(error);
    if is_refused {
        EngineError {
            message: format!("the server does not give that list: {}", shown.message),
            hints: vec!["it may be for administrators only (kyuubi.server.administrators)".to_owned()],
            ..shown
        }
    } else {
        shown
    }
}
