//! A JobManager that plays replies recorded from a real one (`tests/data/flink`), with a life of its job and faults on
//! command.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use skep_engine::JobId;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

use crate::world::http::{self, Message};

pub use crate::world::http::Fault;

/// A request that is being carried out.
struct Operation {
    /// How often its progress is still IN_PROGRESS.
    in_progress: usize,
    /// The recorded outcome.
    outcome: String,
    /// It stops the job.
    stops: bool,
}

struct State {
    dir: PathBuf,
    /// The moment of the job's life that is played, as the recordings name it.
    moment: String,
    job: String,
    /// `METHOD path` beginnings with what is to go wrong, each once.
    faults: Vec<(String, Fault)>,
    /// The outcome that the next operations shall have, by the verb's path.
    outcomes: HashMap<&'static str, &'static str>,
    in_progress: usize,
    operations: HashMap<String, Operation>,
    requests: Vec<(String, Value)>,
    /// The last request.
    last: Option<Message>,
}

/// The server. It ends with the test.
pub struct Server {
    pub url: String,
    state: Arc<Mutex<State>>,
    asked: Arc<Notify>,
}

impl Server {
    /// Plays that version's recordings, the job at that moment of its life.
    pub async fn start(version: &str, moment: &str) -> Self {
        Self::start_with(version, moment, None).await
    }

    /// The same over TLS.
    pub async fn start_tls(version: &str, moment: &str, tls: TlsAcceptor) -> Self {
        Self::start_with(version, moment, Some(tls)).await
    }

    async fn start_with(version: &str, moment: &str, tls: Option<TlsAcceptor>) -> Self {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/data/flink")
            .join(version);
        let state = State {
            job: String::new(),
            moment: String::new(),
            dir,
            faults: Vec::new(),
            outcomes: HashMap::new(),
            in_progress: 2,
            operations: HashMap::new(),
            requests: Vec::new(),
            last: None,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            url: format!(
                "flink-rest{}://{}",
                if tls.is_some() { "+https" } else { "" },
                listener.local_addr().unwrap()
            ),
            state: Arc::new(Mutex::new(state)),
            asked: Arc::new(Notify::new()),
        };
        server.go_to(moment);
        let (state, asked) = (server.state.clone(), server.asked.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (state, asked, tls) = (state.clone(), asked.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, &state, &asked).await,
                        Some(tls) => {
                            // A client that refuses the certificate, or is refused, gets no further.
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, &state, &asked).await;
                            }
                        }
                    }
                });
            }
        });
        server
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Another moment of a job's life; each was recorded from a job of its own.
    pub fn go_to(&self, moment: &str) {
        let mut state = self.state();
        // A job that is just starting is the one that is then running.
        let known = if moment == "early" { "running" } else { moment };
        let path = state.read(&format!("status-{known}"))["path"]
            .as_str()
            .unwrap()
            .to_owned();
        state.job = path.split('/').nth(3).unwrap().to_owned();
        state.moment = moment.to_owned();
    }

    /// The job whose life is played.
    pub fn job(&self) -> JobId {
        self.state().job.parse().unwrap()
    }

    /// Lets the next request that begins so (`POST /v1/jobs`) go wrong.
    pub fn fault(&self, request: &str, fault: Fault) {
        self.state().faults.push((request.to_owned(), fault));
    }

    /// The recorded outcome that the operations of a verb shall have.
    pub fn outcome(&self, verb: &'static str, recorded: &'static str) {
        self.state().outcomes.insert(verb, recorded);
    }

    /// How often an operation is IN_PROGRESS before it is COMPLETED.
    pub fn in_progress(&self, times: usize) {
        self.state().in_progress = times;
    }

    /// The requests so far that begin so, with their bodies.
    pub fn requests(&self, beginning: &str) -> Vec<(String, Value)> {
        let requests = &self.state().requests;
        requests
            .iter()
            .filter(|(line, _)| line.starts_with(beginning))
            .cloned()
            .collect()
    }

    /// What the last request said in a header.
    pub fn header(&self, name: &str) -> Option<String> {
        let state = self.state();
        state.last.as_ref()?.header(name).map(str::to_owned)
    }

    /// Where it listens, as `host:port`.
    pub fn place(&self) -> &str {
        self.url.split_once("://").unwrap().1
    }

    /// Returns when a request that begins so has been made.
    pub async fn asked(&self, beginning: &str) {
        loop {
            let next = self.asked.notified();
            if !self.requests(beginning).is_empty() {
                return;
            }
            next.await;
        }
    }
}

impl State {
    fn read(&self, name: &str) -> Value {
        let path = self.dir.join(format!("{name}.json"));
        let text = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_slice(&text).unwrap()
    }

    fn recorded(&self, name: &str) -> (u16, Value) {
        let recorded = self.read(name);
        let status = recorded["status"].as_u64().unwrap();
        (u16::try_from(status).unwrap(), recorded["answer"].clone())
    }

    fn of_moment(&self, what: &str) -> (u16, Value) {
        let moment = match (what, self.moment.as_str()) {
            ("jobs-overview" | "status", moment) => moment,
            (_, "early") => "running",
            (_, "cancelling") => "canceled",
            (_, moment) => moment,
        };
        if (what, moment) == ("status", "early") {
            return self.recorded("status-running");
        }
        self.recorded(&format!("{what}-{moment}"))
    }

    fn answer(&mut self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let plain = path.split('?').next().unwrap();
        let parts: Vec<&str> = plain.trim_start_matches('/').split('/').collect();
        match (method, parts.as_slice()) {
            ("GET", ["v1", "config" | "overview"]) => self.recorded(parts[1]),
            ("GET", ["v1", "jobs", "overview"]) => {
                let answer = self.of_moment("jobs-overview");
                // The job's tasks start, and its cancel is carried out, once somebody has looked.
                match self.moment.as_str() {
                    "early" => self.moment = "running".to_owned(),
                    "cancelling" => self.moment = "canceled".to_owned(),
                    _ => {}
                }
                answer
            }
            ("GET", ["v1", "jobs", _, "savepoints" | "checkpoints", id]) if *id != "config" => self.progress(id),
            ("GET", ["v1", "savepoint-disposal", id]) => self.progress(id),
            ("GET", ["v1", "jobs", job, rest @ ..]) => {
                let what = match rest {
                    [] => "job",
                    ["checkpoints", "config"] => "checkpoints-config",
                    [what] => what,
                    _ => return self.recorded("nowhere"),
                };
                if *job == self.job {
                    self.of_moment(what)
                } else {
                    self.recorded(&format!("{what}-unknown"))
                }
            }
            ("POST", ["v1", "jobs", job, verb @ ("savepoints" | "stop" | "checkpoints")]) => {
                let (job, verb) = ((*job).to_owned(), (*verb).to_owned());
                self.trigger(&job, &verb, body)
            }
            ("POST", ["v1", "savepoint-disposal"]) => self.trigger("", "disposal", body),
            ("PATCH", ["v1", "jobs", job]) => {
                if *job != self.job {
                    return self.recorded("cancel-unknown");
                }
                match self.moment.as_str() {
                    "finished" | "just-finished" => self.recorded("cancel-finished"),
                    _ => {
                        self.moment = "cancelling".to_owned();
                        self.recorded("cancel")
                    }
                }
            }
            _ => self.recorded("nowhere"),
        }
    }

    fn trigger(&mut self, job: &str, verb: &str, body: &Value) -> (u16, Value) {
        let default = match verb {
            "savepoints" => "savepoint-completed",
            "stop" => "stop-completed",
            "checkpoints" => "checkpoint-completed",
            _ => "disposal-completed",
        };
        let mut outcome = self.outcomes.get(verb).copied().unwrap_or(default);
        if verb == "checkpoints" && body["checkpointType"] == "INCREMENTAL" {
            return self.recorded("checkpoint-incremental-trigger");
        }
        if verb != "disposal" && job != self.job {
            outcome = "savepoint-of-unknown-job-completed";
        }
        let chosen = body["triggerId"].as_str().map(str::to_owned);
        let id = chosen.unwrap_or_else(|| format!("{:032x}", self.operations.len() + 1));
        let operation = Operation {
            in_progress: self.in_progress,
            outcome: outcome.to_owned(),
            stops: outcome == "stop-completed",
        };
        // The same id again is the same request.
        self.operations.entry(id.clone()).or_insert(operation);
        (202, json!({ "request-id": id }))
    }

    fn progress(&mut self, id: &str) -> (u16, Value) {
        let Some(operation) = self.operations.get_mut(id) else {
            return self.recorded("savepoint-unknown");
        };
        if operation.in_progress > 0 {
            operation.in_progress -= 1;
            return self.recorded("savepoint-progress");
        }
        if operation.stops {
            self.moment = "just-finished".to_owned();
        }
        let outcome = operation.outcome.clone();
        self.recorded(&outcome)
    }
}

/// Reads requests from one connection and answers them.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, state: &Mutex<State>, asked: &Notify) {
    while let Some(request) = Message::read_request(&mut stream).await {
        // Through a proxy the whole URL is asked for.
        let line = match request.line().split_once(" http://") {
            Some((method, url)) => format!("{method} {}", &url[url.find('/').unwrap()..]),
            None => request.line().to_owned(),
        };
        let body: Value = serde_json::from_slice(request.body()).unwrap_or(Value::Null);
        let (method, path) = line.split_once(' ').unwrap();
        let (fault, (status, answer)) = {
            let mut state = state.lock().unwrap();
            state.requests.push((line.clone(), body.clone()));
            state.last = Some(request);
            let at = state
                .faults
                .iter()
                .position(|(beginning, _)| line.starts_with(beginning.as_str()));
            let fault = at.map(|at| state.faults.remove(at).1);
            (fault, state.answer(method, path, &body))
        };
        asked.notify_waiters();
        let sent = match fault {
            None => http::send(&mut stream, status, answer.to_string().as_bytes()).await,
            Some(fault) => fault.play(&mut stream).await,
        };
        if sent.is_err() {
            return;
        }
    }
}
