//! One job after the other continues the same work, each in a process that may be killed.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use skep_engine::{EndedBy, JobControl, JobId, Recipe, Stores, Verdict};
use skep_local::runtime::Host;
#[cfg(feature = "failpoints")]
use skep_local::runtime::SinkSpec;

use super::life::{Life, rows_of};
#[cfg(feature = "failpoints")]
use crate::flow::{Numbers, Query};
#[cfg(feature = "failpoints")]
use crate::world::{csv_table, spec, until};

pub const SIGKILL: i32 = 9;

/// The file into which a life that comes to the end of the work writes what it counted.
pub const RESULT: &str = "result";

/// The name of jobs that are not of the saga.
const BYSTANDER: &str = "bystander";

/// What is put to the test.
pub struct Case {
    pub name: &'static str,
    /// Lays the input into the directory.
    pub prepare: fn(&Path),
    /// Runs a job in a child, and reports its progress.
    pub live: fn(Life) -> BoxFuture<'static, ()>,
    /// The most reports that a life makes before it is killed.
    pub reports: u32,
    /// Which of a state's counts (rows read, rows written) a report gives: a case that writes nothing before its end
    /// leaves rows behind that it has read.
    pub counts: usize,
    /// What the sink is to hold, if it is known without a run.
    pub expected: Option<fn() -> Vec<String>>,
}

impl Case {
    /// What a run gives that nobody kills.
    pub async fn undisturbed(&'static self) -> Outcome {
        if let Some(expected) = self.expected {
            return Outcome {
                rows: expected(),
                result: None,
            };
        }
        let mut saga = Saga::new(self);
        let life = saga.live(None, &[("SKEP_CRASH_INTERVAL", "200 ms")]).await;
        assert!(life.status.success() && saga.is_over().await);
        let outcome = saga.outcome();
        assert!(outcome.result.is_some(), "{}", self.name);
        outcome
    }
}

/// What a run has left.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The visible lines of the sinks' directories, each sorted.
    pub rows: Vec<String>,
    /// What the last life counted, or found in a memory table. A job that was killed between its end and this leaves none.
    pub result: Option<String>,
}

/// A directory in which one job after the other continues the same work.
pub struct Saga {
    dir: tempfile::TempDir,
    case: &'static Case,
    lives: u8,
}

/// How a life ended.
pub struct Death {
    pub status: ExitStatus,
    /// The job had been restored from a state, so that its restore was put to the test.
    pub restored: bool,
    /// A checkpoint had committed rows, and others had come since: the only sort of death that can show a row lost or
    /// doubled.
    pub telling: bool,
}

impl Death {
    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }
}

impl Saga {
    pub fn new(case: &'static Case) -> Self {
        let dir = tempfile::tempdir().unwrap();
        (case.prepare)(dir.path());
        Self { dir, case, lives: 0 }
    }

    /// The jobs of the saga, the newest first.
    async fn recipes(&self) -> Vec<Recipe> {
        let mut recipes = self.host().recipes().await.unwrap();
        recipes.retain(|recipe| recipe.name != BYSTANDER);
        recipes
    }

    /// Other jobs of the same directory, which write nothing into the same sinks and take away what the dead have
    /// left there: nothing that a state needs may go.
    #[cfg(feature = "failpoints")]
    pub async fn bystander(&self) {
        for out in self.outs() {
            let mut spec = spec(SinkSpec::Tables(vec![csv_table(&out)]));
            spec.name = BYSTANDER.to_owned();
            let (host, job) = (self.host(), spec.job_id);
            host.start(spec, Box::new(Numbers::new(Query::Each).to(0)))
                .await
                .unwrap();
            until(&host, &job, |status| status.state.is_terminal()).await;
        }
    }

    fn host(&self) -> Arc<Host> {
        Host::open(self.dir.path().join("local")).unwrap()
    }

    async fn is_over(&self) -> bool {
        let ended = |recipe: &Recipe| recipe.ended_by == Some(EndedBy::Completed);
        self.dir.path().join(RESULT).exists() || self.recipes().await.first().is_some_and(ended)
    }

    /// The newest usable state: of the last job, or of those before it.
    async fn latest(&self) -> Option<PathBuf> {
        let host = self.host();
        for recipe in self.recipes().await {
            let found = host.find(Some(&recipe.job_id), &[]).await.unwrap();
            if let Some(saved) = found.into_iter().find(|saved| saved.verdict == Verdict::Usable) {
                return Some(saved.path.into());
            }
        }
        None
    }

    fn spawn(&mut self, latest: Option<&Path>, extra: &[(&str, &str)]) -> Child {
        self.lives += 1;
        let mut bytes = [0xAB; 16];
        bytes[0] = self.lives;
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args(["crash::child", "--exact", "--nocapture", "--test-threads=1"])
            .env("SKEP_CRASH_CASE", self.case.name)
            .env("SKEP_CRASH_DIR", self.dir.path())
            .env("SKEP_CRASH_JOB", JobId::from_bytes(bytes).to_string())
            .envs(extra.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(path) = latest {
            command.env("SKEP_CRASH_RESTORE", path);
        }
        command.spawn().unwrap()
    }

    /// Lets a job live for that many reports and a moment more, or to its end.
    pub async fn live(&mut self, reports: Option<(u32, Duration)>, extra: &[(&str, &str)]) -> Death {
        let latest = self.latest().await;
        let restored = latest.is_some();
        let mut child = self.spawn(latest.as_deref(), extra);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut rows = 0;
        let mut seen = 0;
        for line in lines.map_while(Result::ok) {
            if let Some(number) = line.strip_prefix("rows ") {
                rows = number.parse().unwrap_or(rows);
                seen += 1;
                if let Some((last, moment)) = reports
                    && seen == last
                {
                    // Nothing is waited for: the job goes on, so that the kill falls anywhere, also into a commit.
                    std::thread::sleep(moment);
                    child.kill().unwrap();
                }
            }
        }
        let mut error = String::new();
        child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
        let status = child.wait().unwrap();
        assert!(
            status.success() || status.signal().is_some(),
            "{}: {status}: {error}",
            self.case.name
        );
        if status.signal().is_some()
            && let Some(last) = self.recipes().await.first()
        {
            // Its lock is free, which is the proof: it is not taken for running.
            let seen = self.host().status(&last.job_id).await.unwrap();
            assert_eq!(seen.lost, !seen.state.is_terminal(), "{seen:?}");
        }
        let committed = self.latest().await.map_or(0, |path| rows_of(&path)[self.case.counts]);
        Death {
            status,
            restored,
            telling: (1..rows).contains(&committed),
        }
    }

    fn outcome(&self) -> Outcome {
        Outcome {
            rows: self.outs().iter().flat_map(|out| visible_lines(out)).collect(),
            result: fs::read_to_string(self.dir.path().join(RESULT)).ok(),
        }
    }

    /// Lets the work come to its end and compares what it leaves.
    pub async fn finish_and_compare(mut self, expected: &Outcome) {
        let mut has_finished = false;
        while !self.is_over().await {
            // Nobody kills this one: it need not save its state so often.
            self.live(None, &[("SKEP_CRASH_INTERVAL", "200 ms")]).await;
            has_finished = true;
        }
        let outcome = self.outcome();
        let (name, lives) = (self.case.name, self.lives);
        assert!(
            outcome.rows == expected.rows,
            "{name}: {} rows instead of {} after {lives} lives",
            outcome.rows.len(),
            expected.rows.len(),
        );
        if has_finished || outcome.result.is_some() {
            assert_eq!(outcome.result, expected.result, "{name}: after {lives} lives");
        }
        for out in self.outs() {
            assert_eq!(hidden(&out), [""; 0], "{name}: parts are left behind");
        }
        if has_finished {
            // The last life was nobody's prey, and has taken away what those before it had left.
            for recipe in self.recipes().await {
                let dir = self.dir.path().join("local/jobs").join(recipe.job_id.to_string());
                assert_eq!(hidden(&dir), [""; 0], "{name}: half a state is left behind");
            }
            let savepoints = self.dir.path().join("local/savepoints");
            assert_eq!(hidden(&savepoints), [""; 0], "{name}: half a savepoint is left behind");
        }
    }

    /// What the sinks write; a case with one sink has nothing in the second.
    fn outs(&self) -> [PathBuf; 2] {
        ["out", "out-too"].map(|name| self.dir.path().join(name))
    }
}

/// The lines of the files that are not hidden, sorted.
fn visible_lines(dir: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        if !path.file_name().unwrap().to_string_lossy().starts_with('.') {
            lines.extend(fs::read_to_string(&path).unwrap().lines().map(str::to_owned));
        }
    }
    lines.sort_unstable();
    lines
}

/// The hidden names in a directory.
fn hidden(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).into_iter().flatten().flatten();
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with('.')).collect()
}
