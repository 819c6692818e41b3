//! Exactly once: a job's process is killed at random moments and at every named point, restored from its latest state
//! again and again, and what the sink holds in the end is what an undisturbed run writes.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use skep_engine::{EndedBy, JobControl, JobId, Recipe, Stores, Verdict};
use skep_local::dataflow::Dataflow;
use skep_local::runtime::{Host, SinkSpec};

use crate::flow::{Numbers, Query, expected};
use crate::world::{csv_table, restore, savepoint, settings, spec, until, visible_rows};

const SIGKILL: i32 = 9;

/// What a child runs. To put another dataflow to this test, add a line to [`CASES`].
struct Case {
    name: &'static str,
    /// Makes the dataflow; it reports after each step the rows it has written over its whole lineage.
    make: fn(report: Box<dyn FnMut(u64) + Send>) -> Box<dyn Dataflow>,
    /// The rows of an undisturbed run.
    expected: fn() -> Vec<(i64, i64)>,
}

const END: i64 = 20_000;

fn numbers(query: Query, report: Box<dyn FnMut(u64) + Send>) -> Box<dyn Dataflow> {
    let mut flow = Numbers::new(query).to(END);
    flow.per_step = 20;
    flow.after_step = Some(report);
    Box::new(flow)
}

const CASES: [Case; 3] = [
    Case {
        name: "stateless",
        make: |report| numbers(Query::Each, report),
        expected: || expected(Query::Each, END),
    },
    Case {
        name: "grouped",
        make: |report| numbers(Query::Running, report),
        expected: || expected(Query::Running, END),
    },
    Case {
        name: "windowed",
        make: |report| numbers(Query::Windowed, report),
        expected: || expected(Query::Windowed, END),
    },
];

/// The child: runs one life of a job if the environment says so. On its own it does nothing.
#[tokio::test(flavor = "multi_thread")]
async fn child() {
    let Ok(name) = env::var("SKEP_CRASH_CASE") else { return };
    let case = CASES.iter().find(|case| case.name == name).unwrap();
    let dir = PathBuf::from(env::var("SKEP_CRASH_DIR").unwrap());
    let host = Host::open(dir.join("local")).unwrap();
    let mut spec = spec(SinkSpec::Table(csv_table(&dir.join("out"))));
    spec.job_id = env::var("SKEP_CRASH_JOB").unwrap().parse().unwrap();
    spec.restore = env::var("SKEP_CRASH_RESTORE").ok().and_then(|path| restore(&path));
    spec.settings = settings(&[
        ("execution.checkpointing.interval", "4 ms"),
        ("execution.checkpointing.num-retained", "1"),
    ]);
    let job = spec.job_id;
    let mut stdout = std::io::stdout();
    let report = move |written: u64| {
        writeln!(stdout, "\nwritten {written}")
            .and_then(|()| stdout.flush())
            .unwrap()
    };
    host.start(spec, (case.make)(Box::new(report))).await.unwrap();
    if env::var("SKEP_CRASH_SAVEPOINT").is_ok() {
        until(&host, &job, |status| {
            status.last_checkpoint.is_some() || status.state.is_terminal()
        })
        .await;
        // The job may be faster than that.
        let _ = host.savepoint(&job, savepoint()).await;
    }
    let status = until(&host, &job, |status| status.state.is_terminal()).await;
    assert_eq!(status.ended_by, Some(EndedBy::Completed), "{:?}", status.error);
}

/// A directory in which one job after the other continues the same work.
struct Saga {
    dir: tempfile::TempDir,
    case: &'static Case,
    lives: u8,
}

/// How a life ended, and whether it left rows that no checkpoint had committed.
struct Death {
    status: ExitStatus,
    uncommitted: bool,
}

impl Saga {
    fn new(case: &'static Case) -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            case,
            lives: 0,
        }
    }

    async fn recipes(&self) -> Vec<Recipe> {
        self.host().recipes().await.unwrap()
    }

    fn host(&self) -> Arc<Host> {
        Host::open(self.dir.path().join("local")).unwrap()
    }

    async fn is_over(&self) -> bool {
        self.recipes()
            .await
            .first()
            .is_some_and(|recipe| recipe.ended_by == Some(EndedBy::Completed))
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

    async fn spawn(&mut self, extra: &[(&str, &str)]) -> Child {
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
        if let Some(path) = self.latest().await {
            command.env("SKEP_CRASH_RESTORE", path);
        }
        command.spawn().unwrap()
    }

    /// Lets a job live for that many steps, or to its end.
    async fn live(&mut self, steps: Option<u32>, extra: &[(&str, &str)]) -> Death {
        let mut child = self.spawn(extra).await;
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut written = 0;
        let mut seen = 0;
        for line in lines.map_while(Result::ok) {
            if let Some(number) = line.strip_prefix("written ") {
                written = number.parse().unwrap_or(written);
                seen += 1;
                if steps == Some(seen) {
                    child.kill().unwrap();
                }
            }
        }
        let mut error = String::new();
        std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut error).unwrap();
        let status = child.wait().unwrap();
        assert!(
            status.success() || status.signal().is_some(),
            "{}: {status}: {error}",
            self.case.name
        );
        Death {
            status,
            uncommitted: written > self.committed().await,
        }
    }

    async fn committed(&self) -> u64 {
        let Some(path) = self.latest().await else { return 0 };
        let text = fs::read_to_string(path.join("_metadata")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        json["manifest"]["rows"][1].as_u64().unwrap()
    }

    async fn finish_and_compare(mut self) {
        while !self.is_over().await {
            self.live(None, &[]).await;
        }
        let rows = visible_rows(&self.out());
        assert!(
            rows == (self.case.expected)(),
            "{}: {} rows after {} lives",
            self.case.name,
            rows.len(),
            self.lives
        );
        let hidden = fs::read_dir(self.out()).unwrap().flatten();
        let hidden: Vec<_> = hidden
            .map(|e| e.file_name())
            .filter(|n| n.to_string_lossy().starts_with('.'))
            .collect();
        assert_eq!(hidden, Vec::<std::ffi::OsString>::new(), "nothing is left behind");
    }

    fn out(&self) -> PathBuf {
        Path::new(self.dir.path()).join("out")
    }
}

/// Kills at random moments; `SKEP_KILLS` says how many, `SKEP_SEED` from which seed.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_moments_the_sink_holds_each_row_once() {
    let number = |name: &str, default: u64| env::var(name).map_or(default, |text| text.parse().unwrap());
    let wanted = number("SKEP_KILLS", 24);
    let seed = number("SKEP_SEED", u64::from(std::process::id()));
    let mut random = StdRng::seed_from_u64(seed);
    let (mut kills, mut uncommitted, mut round) = (0, 0, 0);
    while kills < wanted || uncommitted * 3 < kills {
        assert!(
            kills < wanted * 4,
            "seed {seed}: {uncommitted} of {kills} kills left uncommitted rows"
        );
        let mut saga = Saga::new(&CASES[round % CASES.len()]);
        round += 1;
        for _ in 0..8 {
            let death = saga.live(Some(random.random_range(1..120)), &[]).await;
            if death.status.signal() != Some(SIGKILL) {
                break;
            }
            kills += 1;
            uncommitted += u64::from(death.uncommitted);
        }
        saga.finish_and_compare().await;
    }
    println!("seed {seed}: {kills} kills, {uncommitted} of them left uncommitted rows");
}

/// Each named point ends the process once.
#[cfg(feature = "failpoints")]
#[tokio::test(flavor = "multi_thread")]
async fn aborted_at_every_failpoint_the_sink_holds_each_row_once() {
    const SIGABRT: i32 = 6;
    for (number, &name) in skep_local::failpoint::names().iter().enumerate() {
        let mut saga = Saga::new(&CASES[number % CASES.len()]);
        if name.starts_with("restore.") {
            // A life that leaves a committed part unpublished, for the restore to have something to do.
            let death = saga.live(None, &[("SKEP_FAILPOINT", "commit.before-publish:2")]).await;
            assert_eq!(death.status.signal(), Some(SIGABRT));
        }
        let death = saga
            .live(None, &[("SKEP_FAILPOINT", name), ("SKEP_CRASH_SAVEPOINT", "1")])
            .await;
        assert_eq!(death.status.signal(), Some(SIGABRT), "{name} was not reached");
        saga.finish_and_compare().await;
    }
}
