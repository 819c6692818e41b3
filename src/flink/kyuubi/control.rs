//! The control session: job verbs as SQL where the cluster's REST interface can't be reached. A session of its own, since one
//! whose rows are being fetched answers nothing else meanwhile.

use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard, PoisonError};

use async_trait::async_trait;
use skep_engine::{Dialect, EngineError, ErrorKind, Result};
use tokio::sync::Mutex;

use super::fetch::TIMEOUT;
use super::submission::{rows_of, tell};
use crate::flink::gateway::control::{Ask, Row, texts};
use crate::hive::session::Session;
use crate::syntax::literal::quote_string;

/// A session apart from the person's.
pub(super) struct Apart {
    beside: Arc<Session>,
    state: std::sync::Mutex<State>,
    /// One question is asked after the other: the settings of one are not another's.
    turn: Mutex<()>,
}

enum State {
    /// It is opened when it is first needed.
    Unneeded,
    Open(Arc<Session>),
    /// The shell leaves.
    Closed,
}

impl Apart {
    pub(super) fn new(beside: Arc<Session>) -> Self {
        Self {
            beside,
            state: std::sync::Mutex::new(State::Unneeded),
            turn: Mutex::new(()),
        }
    }

    /// Ends the session. Over REST it would be kept for hours: only a connection of Thrift's takes its sessions along. A question that is
    /// being asked is not waited for: the server does this after it.
    pub(super) async fn close(&self) {
        let state = std::mem::replace(&mut *self.state(), State::Closed);
        if let State::Open(session) = state {
            session.live().close().await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // It is whole whenever it is not locked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn session(&self) -> Result<Arc<Session>> {
        let closed = || EngineError::new(ErrorKind::Cancelled, "the connection is closed");
        match &*self.state() {
            State::Open(session) => return Ok(Arc::clone(session)),
            State::Closed => return Err(closed()),
            State::Unneeded => {}
        }
        let (key, value) = TIMEOUT;
        let settings = BTreeMap::from([(key.to_owned(), value.to_owned())]);
        let session = self.beside.another_with(&settings).await?;
        let is_late = match &mut *self.state() {
            State::Closed => true,
            state => {
                *state = State::Open(Arc::clone(&session));
                false
            }
        };
        if is_late {
            session.live().close().await;
            return Err(closed());
        }
        Ok(session)
    }
}

#[async_trait]
impl Ask for Apart {
    /// A setting for one statement is SET before it and RESET after it: the engine takes none that goes with a statement.
    async fn ask(&self, text: &str, settings: &BTreeMap<String, String>) -> Result<Vec<Row>> {
        let _turn = self.turn.lock().await;
        let session = self.session().await?;
        let quote = |text: &str| quote_string(text, &Dialect::FLINK);
        for (key, value) in settings {
            tell(&session, &format!("SET {} = {}", quote(key), quote(value))).await?;
        }
        let answered = rows_of(&session, text).await;
        for key in settings.keys() {
            tell(&session, &format!("RESET {}", quote(key))).await?;
        }
        let mut rows = Vec::new();
        for batch in answered? {
            texts(&batch, &mut rows)?;
        }
        Ok(rows)
    }
}
