//! A session, which is opened again with all it was told when its connection or the server has gone.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::sync::{Arc, OnceLock, PoisonError, RwLock, Weak};
use std::time::Duration;

use skep_engine::{Attempt, Dialect, EngineError, ErrorKind, Result};
use skep_hive::{Client, Endpoint, Error, Limits, SessionHandle, Transport};
use tokio::sync::{Mutex, oneshot};

use super::discovery::Discovery;
use super::failure::{explain, explain_connecting, explain_opening, one_line, over_rest};
use super::launch;
use super::operation::Running;
use crate::syntax::classifier::{Kind, ObjectType, Scope, classify};
use crate::syntax::literal;

/// `CLI_SERVER_NAME`, `CLI_DBMS_NAME` and `CLI_DBMS_VER` of `TGetInfoType`.
const SERVER: i32 = 13;
const PRODUCT: i32 = 17;
const VERSION: i32 = 18;

/// How often a server is told that the session is in use. Servers count from minutes up (`hive.server2.idle.session.timeout`),
/// and so do the firewalls on the way.
const HEARTBEAT: Duration = Duration::from_secs(45);

/// What it takes to open a session.
#[derive(Debug, Clone)]
pub(crate) struct Opening {
    pub(crate) endpoint: Endpoint,
    /// Where the endpoint's host and port are to be looked for each time.
    pub(crate) discovery: Option<Discovery>,
    pub(crate) limits: Limits,
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) configuration: BTreeMap<String, String>,
}

impl Opening {
    /// The same with settings, which what it has does not take back.
    pub(crate) fn with(&self, settings: &BTreeMap<String, String>) -> Self {
        let mut opening = self.clone();
        for (key, value) in settings {
            opening.configuration.remove(&format!("set:hiveconf:{key}"));
            opening.configuration.insert(key.clone(), value.clone());
        }
        opening
    }
}

/// A session that is open, on a connection of its own: the server closes the one with the other.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) client: Arc<Client>,
    pub(crate) handle: SessionHandle,
}

impl Live {
    /// Opens one and waits for its engine. In a task of its own: a session that nobody waits for any more is closed.
    async fn open(opening: &Opening, attempt: &Attempt) -> Result<Self> {
        let (waiting, forgotten) = oneshot::channel::<Infallible>();
        let is_rest = matches!(opening.endpoint.transport, Transport::Rest { .. });
        let (opening, attempt) = (opening.clone(), attempt.clone());
        let opened = tokio::spawn(async move {
            let client = connect(&opening).await?;
            let session = client
                .open_session(&opening.user, &opening.password, &opening.configuration)
                .await
                .map_err(explain_opening)?;
            let live = Self {
                client: Arc::new(client),
                handle: session.handle.clone(),
            };
            let launched = tokio::select! {
                launched = launch::follow(&live.client, &session, &attempt) => launched,
                () = attempt.withdrawal.asked() => Err(EngineError::new(ErrorKind::Cancelled, "given up")),
                _ = forgotten => Err(EngineError::new(ErrorKind::Cancelled, "given up")),
            };
            if launched.is_err() {
                live.give_up().await;
            }
            launched.map(|()| live)
        });
        let opened = opened
            .await
            .unwrap_or_else(|error| Err(EngineError::failed(format!("internal error: {error}"))));
        drop(waiting);
        opened.map_err(|error| if is_rest { over_rest(error) } else { error })
    }

    /// Tells the server that it is not needed any more. One that can't be told closes it for want of use.
    pub(crate) async fn close(&self) {
        let _ = self.client.close_session(&self.handle).await;
    }

    /// The same while a call may still wait on its connection.
    async fn give_up(&self) {
        let beside = self.client.another().await.ok().flatten();
        let client = beside.as_ref().unwrap_or(&self.client);
        let _ = client.close_session(&self.handle).await;
    }

    /// Carries out a statement that changes the session. One that made something which outlives sessions fails when it
    /// is made again, and all is well.
    async fn tell(&self, text: &str, dialect: &Dialect) -> Result<()> {
        match self.carry_out(text).await {
            Err(error)
                if classify(text, dialect).scope() == Scope::Catalog
                    && (error.message.contains("already exists") || error.message.contains("does not exist")) =>
            {
                Ok(())
            }
            told => told,
        }
    }

    async fn carry_out(&self, text: &str) -> Result<()> {
        let operation = self
            .client
            .execute(&self.handle, text, &BTreeMap::new(), None)
            .await
            .map_err(explain)?;
        let running = Running::new(Arc::clone(&self.client), operation);
        running.finish().await?;
        running.close().await;
        Ok(())
    }
}

/// The sort of failure of a statement that was not sent, for want of a session: whether it was carried out is no question.
fn unsent(kind: ErrorKind) -> ErrorKind {
    match kind {
        ErrorKind::Lost | ErrorKind::Timeout | ErrorKind::Protocol => ErrorKind::Connect,
        kind => kind,
    }
}

/// Connects; where servers are to be looked for, to the first that can be reached.
async fn connect(opening: &Opening) -> Result<Client> {
    let Some(discovery) = &opening.discovery else {
        let connected = Client::connect(&opening.endpoint, opening.limits).await;
        return connected.map_err(explain_connecting);
    };
    let mut failure = None;
    for (host, port) in discovery.servers(&opening.limits).await? {
        let endpoint = Endpoint {
            host,
            port,
            ..opening.endpoint.clone()
        };
        match Client::connect(&endpoint, opening.limits).await {
            Ok(client) => return Ok(client),
            // It may have gone without a word to ZooKeeper: another one does as well.
            Err(error @ Error::Connect { .. }) => failure = Some(error),
            Err(error) => return Err(explain(error)),
        }
    }
    Err(failure.map_or_else(
        || EngineError::new(ErrorKind::Connect, "no server is registered in ZooKeeper"),
        explain_connecting,
    ))
}

/// What the session was told, secrets in plain text: in memory only.
#[derive(Debug, Default)]
struct Memory {
    /// The statements that changed the session, in order.
    prelude: Vec<String>,
    /// There were temporary tables, whose rows nobody can tell again.
    had_rows: bool,
    /// What the person is still to be told.
    unsaid: Vec<String>,
}

/// The session of a connection.
#[derive(Debug)]
pub(crate) struct Session {
    opening: Arc<Opening>,
    live: RwLock<Arc<Live>>,
    memory: Mutex<Memory>,
    /// What is spoken in it, once that is known to be another dialect than Hive's.
    dialect: OnceLock<Dialect>,
}

impl Session {
    /// Opens one, and keeps it from being closed for want of use.
    pub(crate) async fn open(opening: Arc<Opening>, attempt: &Attempt) -> Result<Arc<Self>> {
        let live = Live::open(&opening, attempt).await?;
        let session = Arc::new(Self {
            opening,
            live: RwLock::new(Arc::new(live)),
            memory: Mutex::default(),
            dialect: OnceLock::new(),
        });
        tokio::spawn(keep_alive(Arc::downgrade(&session)));
        Ok(session)
    }

    /// A session of the same sort with nothing in it.
    pub(crate) async fn another(&self) -> Result<Arc<Self>> {
        Self::open(Arc::clone(&self.opening), &Attempt::default()).await
    }

    /// The same with settings, which what this one was opened with does not take back.
    pub(crate) async fn another_with(&self, settings: &BTreeMap<String, String>) -> Result<Arc<Self>> {
        Self::open(Arc::new(self.opening.with(settings)), &Attempt::default()).await
    }

    /// Says that another dialect than Hive's is spoken in it.
    pub(crate) fn speaks(&self, dialect: Dialect) {
        let _ = self.dialect.set(dialect);
    }

    /// What it was opened with.
    pub(crate) fn configuration(&self) -> &BTreeMap<String, String> {
        &self.opening.configuration
    }

    fn dialect(&self) -> &Dialect {
        self.dialect.get().unwrap_or(&Dialect::HIVE)
    }

    /// The statements that have changed it.
    pub(crate) async fn prelude(&self) -> Vec<String> {
        self.memory.lock().await.prelude.clone()
    }

    /// A session for one submission alone: opened with these settings, which nothing that this one was told takes back, and
    /// told what this one was told. What the server says while its engine starts is told in `attempt`, and ends when that is
    /// not wanted any more.
    ///
    /// # Errors
    /// It could not be opened, or not be told, or is not wanted any more. It is closed then.
    pub(crate) async fn branch(&self, settings: &BTreeMap<String, String>, attempt: &Attempt) -> Result<Live> {
        let prelude = self.prelude().await;
        let dialect = self.dialect();
        let live = Live::open(&self.opening.with(settings), attempt).await?;
        let again = settings
            .iter()
            .filter(|(key, _)| prelude.iter().any(|text| sets(text, key, dialect)))
            .map(|(key, value)| {
                let [key, value] = [key, value].map(|text| literal::quote_string(text, dialect));
                format!("SET {key} = {value}")
            });
        for text in prelude.iter().cloned().chain(again) {
            if let Err(error) = live.tell(&text, dialect).await {
                live.close().await;
                return Err(EngineError {
                    message: format!(
                        "a session for this statement alone could not be told what this session is: {}",
                        error.message
                    ),
                    kind: unsent(error.kind),
                    ..error
                });
            }
        }
        if attempt.withdrawal.is_asked() {
            live.close().await;
            return Err(EngineError::new(ErrorKind::Cancelled, "given up"));
        }
        Ok(live)
    }

    /// The session as it is open now.
    pub(crate) fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Name and version of what stands there. Who does not say is HiveServer2.
    pub(crate) async fn product(&self) -> (String, String) {
        let live = self.live();
        let info = async |what| live.client.info(&live.handle, what).await.ok().flatten();
        let name = info(PRODUCT).await.unwrap_or_else(|| "HiveServer2".to_owned());
        (name, info(VERSION).await.unwrap_or_default())
    }

    /// Makes a call in the session. Where nothing came of it because the session is gone, which the server says, or its
    /// connection, which was known before anything was sent, the session is opened again and the call is made there. A
    /// call that may have been heard is never made again. What the server says while it starts an engine for the session that
    /// is opened again is told in `attempt`.
    ///
    /// # Errors
    /// Those of the call; or the session is gone and could not be opened again, or is not wanted any more.
    pub(crate) async fn call<T, F>(
        &self,
        attempt: &Attempt,
        call: impl Fn(Arc<Live>) -> F + Send,
    ) -> Result<(Arc<Live>, T)>
    where
        F: Future<Output = skep_hive::Result<T>> + Send,
        T: Send,
    {
        let live = self.live();
        let (live, made) = match call(Arc::clone(&live)).await {
            Err(error) if was_not_heard(&error) => {
                let live = self.revive(&live, error, attempt).await?;
                (Arc::clone(&live), call(live).await)
            }
            made => (live, made),
        };
        made.map(|made| (live, made)).map_err(explain)
    }

    /// Opens the session again and tells it all that the old one was told; the one that somebody else has opened meanwhile
    /// does as well.
    async fn revive(&self, gone: &Arc<Live>, why: Error, attempt: &Attempt) -> Result<Arc<Live>> {
        let mut memory = self.memory.lock().await;
        let now = self.live();
        if !Arc::ptr_eq(&now, gone) {
            return Ok(now);
        }
        let why = match why {
            Error::Closed(why) => format!("the session's connection was gone ({})", one_line(&why)),
            _ => "the server had dropped the session".to_owned(),
        };
        let failed = |error: EngineError, what: &str| EngineError {
            message: format!("{why}, and {what}: {}", error.message),
            kind: ErrorKind::Connect,
            ..error
        };
        let live = Live::open(&self.opening, attempt)
            .await
            .map_err(|error| match error.kind {
                ErrorKind::Cancelled => error,
                _ => failed(error, "no new one could be opened"),
            })?;
        for text in &memory.prelude {
            live.tell(text, self.dialect()).await.map_err(|error| {
                failed(error, "a new one could not be told what the old one was").hint("!connect opens an empty one")
            })?;
        }
        let live = Arc::new(live);
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&live);
        let told = match memory.prelude.len() {
            0 => String::new(),
            1 => " and told the 1 statement that had changed it".to_owned(),
            n => format!(" and told the {n} statements that had changed it"),
        };
        let lost = if memory.had_rows {
            "; the rows of its temporary tables are gone"
        } else {
            ""
        };
        memory.unsaid.push(format!("{why}: it was opened again{told}{lost}"));
        Ok(live)
    }

    /// Takes note of a statement that was carried out there.
    pub(crate) async fn remember(&self, live: &Arc<Live>, text: &str) {
        let kind = classify(text, self.dialect());
        // Flink's catalogs are in memory unless one is made, and gone with the session.
        let is_kept = match kind.scope() {
            Scope::Session => true,
            Scope::Catalog => self.dialect() == &Dialect::FLINK,
            Scope::Lasting => false,
        };
        let mut memory = self.memory.lock().await;
        if !Arc::ptr_eq(&self.live(), live) {
            let lost = "the session was opened again meanwhile: what this statement changed is lost, say it again";
            memory.unsaid.push(lost.to_owned());
            return;
        }
        if is_kept {
            memory.prelude.push(text.to_owned());
        }
        // Those of Flink have their rows elsewhere.
        memory.had_rows |= match kind {
            _ if self.dialect() == &Dialect::FLINK => false,
            Kind::Create { temporary, object } => temporary && object == ObjectType::Table,
            Kind::Ctas => text
                .split_whitespace()
                .nth(1)
                .is_some_and(|word| word.eq_ignore_ascii_case("TEMPORARY")),
            _ => false,
        };
    }

    /// What the person is still to be told.
    pub(crate) async fn unsaid(&self) -> Vec<String> {
        std::mem::take(&mut self.memory.lock().await.unsaid)
    }
}

/// Whether a statement says something of that setting.
fn sets(text: &str, key: &str, dialect: &Dialect) -> bool {
    match classify(text, dialect) {
        Kind::Set { key: set, .. } => set == key,
        Kind::Reset { .. } => true,
        _ => false,
    }
}

/// The call was not sent, or not carried out because there is no such session.
fn was_not_heard(error: &Error) -> bool {
    match error {
        Error::Closed(_) => true,
        Error::Server(failure) => failure.is_unknown_handle,
        _ => false,
    }
}

/// Tells the server again and again that the session is in use, for as long as it is.
async fn keep_alive(session: Weak<Session>) {
    loop {
        tokio::time::sleep(HEARTBEAT).await;
        let Some(session) = session.upgrade() else { return };
        let live = session.live();
        // If the server can't be told, or has dropped the session, the next statement finds out.
        let _ = live.client.info(&live.handle, SERVER).await;
    }
}
