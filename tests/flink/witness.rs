//! Somebody else than skep who asks the cluster: what a case claims is checked by what this one is told.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use reqwest::{Client, ClientBuilder};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::LIMIT;

/// What runs everything here that waits for a socket.
pub static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
});

/// A client of servers without TLS.
pub fn plain() -> reqwest::ClientBuilder {
    reqwest::Client::builder().tls_certs_only([])
}

/// The witness.
#[derive(Debug)]
pub struct Witness {
    http: Client,
    scheme: &'static str,
    rest: String,
    gateway: String,
}

/// A job as the cluster's list has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub id: String,
    pub name: String,
    pub state: String,
}

impl Witness {
    /// One who asks the JobManager and the SQL Gateway at these ports, over `http` or `https`.
    pub fn new(http: ClientBuilder, scheme: &'static str, rest: u16, gateway: u16) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = http.no_proxy().timeout(Duration::from_secs(60));
        Self {
            http: http.build().unwrap(),
            scheme,
            rest: format!("{scheme}://127.0.0.1:{rest}/v1"),
            gateway: format!("{scheme}://127.0.0.1:{gateway}/v3"),
        }
    }

    /// The answer to `GET path` of the server at `host:port`.
    ///
    /// # Errors
    /// As for [`Self::get`].
    pub fn ask(&self, server: &str, path: &str) -> Result<Value, String> {
        self.get(&format!("{}://{server}{path}", self.scheme))
    }

    /// The answer to `GET url`.
    ///
    /// # Errors
    /// What was answered instead of a 2xx with JSON, or why nothing was.
    fn get(&self, url: &str) -> Result<Value, String> {
        answer(self.http.get(url))
    }

    /// The JobManager's answer to `GET path` (below `/v1`).
    ///
    /// # Errors
    /// As for [`Self::get`].
    pub fn rest(&self, path: &str) -> Result<Value, String> {
        self.get(&format!("{}{path}", self.rest))
    }

    /// Every job that the JobManager knows.
    ///
    /// # Errors
    /// As for [`Self::get`].
    pub fn jobs(&self) -> Result<Vec<Job>, String> {
        let list = self.rest("/jobs/overview")?;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let jobs = list["jobs"].as_array().unwrap().iter();
        let jobs = jobs.map(|job| Job {
            id: text(&job["jid"]),
            name: text(&job["name"]),
            state: text(&job["state"]),
        });
        Ok(jobs.collect())
    }

    /// The job's state, in Flink's word. (`/jobs/ID` may be three seconds old, this is not.)
    #[track_caller]
    pub fn state(&self, job: &str) -> String {
        let status = self.rest(&format!("/jobs/{job}/status")).unwrap();
        status["status"].as_str().unwrap().to_owned()
    }

    /// Whether each of the job's tasks runs, which the job's own RUNNING does not say.
    #[track_caller]
    pub fn runs(&self, job: &str) -> bool {
        let list = self.rest("/jobs/overview").unwrap();
        let mut jobs = list["jobs"].as_array().unwrap().iter();
        let job = jobs.find(|listed| listed["jid"] == job).unwrap();
        let tasks = &job["tasks"];
        job["state"] == "RUNNING" && tasks["total"].as_u64() > Some(0) && tasks["running"] == tasks["total"]
    }

    /// Waits until the job is in that state.
    #[track_caller]
    pub fn wait_state(&self, job: &str, state: &str) {
        wait_for(&format!("{job} to be {state}"), || {
            let now = self.state(job);
            if now == state { Ok(()) } else { Err(now) }
        });
    }

    /// Waits until each of the job's tasks runs.
    #[track_caller]
    pub fn wait_running(&self, job: &str) {
        wait_for(&format!("{job} to run"), || {
            if self.runs(job) { Ok(()) } else { Err(self.state(job)) }
        });
    }

    /// Waits until the job has completed a checkpoint, and returns the statistics that say so.
    #[track_caller]
    pub fn wait_checkpoint(&self, job: &str) -> Value {
        wait_for(&format!("a checkpoint of {job}"), || {
            let now = self.checkpoints(job);
            if now["counts"]["completed"].as_u64() > Some(0) {
                Ok(now)
            } else {
                Err(now)
            }
        })
    }

    /// The job's checkpoint statistics, which lag by three seconds. A job that is still being set up has none: the
    /// dispatcher answers 500 then.
    #[track_caller]
    pub fn checkpoints(&self, job: &str) -> Value {
        wait_for(&format!("the checkpoints of {job}"), || {
            match self.rest(&format!("/jobs/{job}/checkpoints")) {
                Err(error) if error.contains("while the JobManager is initializing") => Err(error),
                answer => Ok(answer.unwrap()),
            }
        })
    }

    /// Waits until the statistics know of a completed savepoint at that path, and returns what they say of it.
    #[track_caller]
    pub fn wait_savepoint(&self, job: &str, path: &str) -> Value {
        wait_for(&format!("the savepoint {path}"), || {
            let now = self.checkpoints(job);
            // Ten checkpoints after it the history has it no more.
            let history = now["history"].as_array().unwrap().iter();
            let mut known = history.chain([&now["latest"]["savepoint"]]);
            let found = known.find(|taken| taken["external_path"] == path);
            let found = found.filter(|taken| taken["status"] == "COMPLETED" && taken["is_savepoint"] == true);
            found.cloned().ok_or_else(|| now["history"].clone())
        })
    }

    /// Asks for a checkpoint of a job that runs.
    #[track_caller]
    pub fn trigger_checkpoint(&self, job: &str) {
        let checkpoints = format!("{}/jobs/{job}/checkpoints", self.rest);
        answer(self.http.post(checkpoints).json(&json!({}))).unwrap();
    }

    /// Takes a savepoint where the cluster's go, and returns its path.
    #[track_caller]
    pub fn take_savepoint(&self, job: &str) -> String {
        let savepoints = format!("{}/jobs/{job}/savepoints", self.rest);
        let begun = answer(self.http.post(savepoints).json(&json!({}))).unwrap();
        let trigger = begun["request-id"].as_str().unwrap();
        wait_for("a savepoint", || {
            let now = self.rest(&format!("/jobs/{job}/savepoints/{trigger}"))?;
            let path = now["operation"]["location"].as_str().map(str::to_owned);
            path.ok_or_else(|| now.to_string())
        })
    }

    /// Asks for the end of a job; one that has ended already is none the worse for it.
    pub fn cancel(&self, job: &str) {
        let _ = answer(self.http.patch(format!("{}/jobs/{job}", self.rest)));
    }

    /// The jobs of that name.
    #[track_caller]
    pub fn named(&self, name: &str) -> Vec<Job> {
        let mut jobs = self.jobs().unwrap();
        jobs.retain(|job| job.name == name);
        jobs
    }

    /// Waits until there is a job of that name, and returns its id.
    #[track_caller]
    pub fn wait_named(&self, name: &str) -> String {
        wait_for(&format!("a job named {name}"), || {
            self.named(name).pop().map(|job| job.id).ok_or("there is none")
        })
    }

    /// Closes somebody else's session of the SQL Gateway.
    #[track_caller]
    pub fn close_session(&self, handle: &str) {
        answer(self.http.delete(format!("{}/sessions/{handle}", self.gateway))).unwrap();
    }

    /// Works in a session of the SQL Gateway that is somebody else's to close.
    pub fn join(&self, handle: &str) -> Session {
        Session {
            http: self.http.clone(),
            url: format!("{}/sessions/{handle}", self.gateway),
            is_own: false,
        }
    }

    /// Opens a session of the SQL Gateway.
    #[track_caller]
    pub fn session(&self) -> Session {
        let sessions = format!("{}/sessions", self.gateway);
        let opened = answer(self.http.post(&sessions).json(&json!({}))).unwrap();
        Session {
            http: self.http.clone(),
            url: format!("{sessions}/{}", opened["sessionHandle"].as_str().unwrap()),
            is_own: true,
        }
    }
}

/// A session of the SQL Gateway.
#[derive(Debug)]
pub struct Session {
    http: Client,
    url: String,
    is_own: bool,
}

impl Session {
    /// Runs a statement to its first result, with settings for it alone.
    ///
    /// # Errors
    /// What the gateway answered.
    pub fn try_run(&self, statement: &str, settings: &Value) -> Result<Value, String> {
        let body = json!({ "statement": statement, "executionConfig": settings });
        let sent = answer(self.http.post(format!("{}/statements", self.url)).json(&body))?;
        let operation = sent["operationHandle"].as_str().unwrap();
        let result = format!("{}/operations/{operation}/result/0?rowFormat=JSON", self.url);
        let deadline = Instant::now() + LIMIT;
        loop {
            let page = answer(self.http.get(&result))?;
            if page["resultType"] != "NOT_READY" {
                return Ok(page);
            }
            assert!(Instant::now() < deadline, "{statement}: never ready");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Runs a statement.
    #[track_caller]
    pub fn run(&self, statement: &str) {
        self.try_run(statement, &json!({})).unwrap();
    }

    /// A table's definition.
    #[track_caller]
    pub fn show_create(&self, table: &str) -> String {
        let page = self.try_run(&format!("SHOW CREATE TABLE {table}"), &json!({})).unwrap();
        page["results"]["data"][0]["fields"][0].as_str().unwrap().to_owned()
    }

    /// Runs a statement that starts a job, and returns its id.
    #[track_caller]
    pub fn submit(&self, statement: &str, name: &str) -> String {
        self.submit_with(statement, json!({ "pipeline.name": name }))
    }

    /// The same, with settings for the statement alone.
    #[track_caller]
    pub fn submit_with(&self, statement: &str, settings: Value) -> String {
        let page = self.try_run(statement, &settings).unwrap();
        let job = page["jobID"].as_str();
        job.unwrap_or_else(|| panic!("{statement} started no job: {page}"))
            .to_owned()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.is_own {
            return;
        }
        // One that is left would hold its operations until the gateway ends.
        let _ = answer(self.http.delete(&self.url));
    }
}

fn answer(request: reqwest::RequestBuilder) -> Result<Value, String> {
    RUNTIME.block_on(async {
        let failed = |error: reqwest::Error| format!("{error}: {:?}", std::error::Error::source(&error));
        let answer = request.send().await.map_err(failed)?;
        let status = answer.status();
        let body = answer.text().await.map_err(failed)?;
        if !status.is_success() {
            return Err(format!("{status}: {body}"));
        }
        serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))
    })
}

/// Asks until the answer is as wanted.
#[track_caller]
pub fn wait_for<T, E: std::fmt::Debug>(what: &str, mut ask: impl FnMut() -> Result<T, E>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        match ask() {
            Ok(found) => return found,
            Err(now) => assert!(Instant::now() < deadline, "waited in vain for {what}; now {now:?}"),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}
