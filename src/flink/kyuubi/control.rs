//! The control session: job verbs as SQL where the cluster's REST interface can't be reached. A session of its own, since one
//! whose rows are being fetched answers nothing else meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use skep_engine::{Dialect, Result};
use tokio::sync::Mutex;

use super::submission::rows_of;
use crate::flink::gateway::control::{Ask, Row, texts};
use crate::hive::session::Session;
use crate::syntax::literal::quote_string;

/// A session apart from the person's.
pub(super) struct Apart {
    beside: Arc<Session>,
    /// Opened when it is first needed.
    session: Mutex<Option<Arc<Session>>>,
}

impl Apart {
    pub(super) fn new(beside: Arc<Session>) -> Self {
        Self {
            beside,
            session: Mutex::new(None),
        }
    }

    /// Ends the session. It would be kept for hours: the server does not close it with the connection.
    pub(super) async fn close(&self) {
        if let Some(session) = self.session.lock().await.take() {
            session.live().close().await;
        }
    }
}

#[async_trait]
impl Ask for Apart {
    /// A setting for one statement is SET before it and RESET after it: the engine takes none that goes with a statement.
    async fn ask(&self, text: &str, settings: &BTreeMap<String, String>) -> Result<Vec<Row>> {
        let mut open = self.session.lock().await;
        let session = match &*open {
            Some(session) => Arc::clone(session),
            None => Arc::clone(open.insert(self.beside.another().await?)),
        };
        let quote = |text: &str| quote_string(text, &Dialect::FLINK);
        for (key, value) in settings {
            rows_of(&session, &format!("SET {} = {}", quote(key), quote(value))).await?;
        }
        let answered = rows_of(&session, text).await;
        for key in settings.keys() {
            rows_of(&session, &format!("RESET {}", quote(key))).await?;
        }
        let mut rows = Vec::new();
        for batch in answered? {
            texts(&batch, &mut rows)?;
        }
        Ok(rows)
    }
}
