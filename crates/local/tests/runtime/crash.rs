//! Exactly once: a job's process is killed at random moments and at every named point, restored from its latest state
//! again and again, and what the sink holds in the end is what an undisturbed run writes.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use skep_engine::{EndedBy, JobControl, JobId, Recipe, Stores, Verdict};
use skep_local::dataflow::Dataflow;
use skep_local::runtime::{Host, SinkSpec};

use crate::flow::{Numbers, Query, expected};
use crate::world::{csv_table, restore, savepoint, settings, spec, until, visible_rows};

const SIGKILL: i32 = 9;

/// Is told the rows written so far.
type Report = Box<dyn FnMut(u64) + Send>;

/// What a child runs. To put another dataflow to this test, add a line to [`CASES`].
struct Case {
    name: &'static str,
    /// Makes the dataflow; it reports after each step the rows it has written over its whole lineage.
    make: fn(report: Report) -> Box<dyn Dataflow>,
    /// The rows of an undisturbed run.
    expected: fn() -> Vec<(i64, i64)>,
}

/// Enough for many checkpoints in a life and many lives in a run.
const END: i64 = 200_000;

/// The most steps that a life has before it is killed: a few tens of checkpoints' worth.
const STEPS: u32 = 1500;

fn numbers(query: Query, report: Report) -> Box<dyn Dataflow> {
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
        (
            "execution.checkpointing.interval",
            &env::var("SKEP_CRASH_INTERVAL").unwrap_or("1 ms".to_owned()),
        ),
        ("execution.checkpointing.num-retained", "1"),
    ]);
    let job = spec.job_id;
    let mut stdout = std::io::stdout();
    let report = move |written: u64| {
        writeln!(stdout, "\nwritten {written}").unwrap();
        stdout.flush().unwrap();
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

/// How a life ended.
struct Death {
    status: ExitStatus,
    /// The job had been restored from a state, so that its restore was put to the test.
    restored: bool,
    /// A checkpoint had committed rows, and others had been written since: the only sort of death that can show a row
    /// lost or doubled.
    telling: bool,
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

    /// Lets a job live for that many steps and a moment more, or to its end.
    async fn live(&mut self, steps: Option<(u32, Duration)>, extra: &[(&str, &str)]) -> Death {
        let restored = self.latest().await.is_some();
        let mut child = self.spawn(extra).await;
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut written = 0;
        let mut seen = 0;
        for line in lines.map_while(Result::ok) {
            if let Some(number) = line.strip_prefix("written ") {
                written = number.parse().unwrap_or(written);
                seen += 1;
                if let Some((last, moment)) = steps
                    && seen == last
                {
                    // Nothing is waited for: the job goes on, so that the kill falls anywhere, also into a commit.
                    std::thread::sleep(moment);
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
        if status.signal().is_some()
            && let Some(last) = self.recipes().await.first()
        {
            // Its lock is free, which is the proof: it is not taken for running.
            let seen = self.host().status(&last.job_id).await.unwrap();
            assert_eq!(seen.lost, !seen.state.is_terminal(), "{seen:?}");
        }
        Death {
            status,
            restored,
            telling: (1..written).contains(&self.committed().await),
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
            // Nobody kills this one: it need not save its state so often.
            self.live(None, &[("SKEP_CRASH_INTERVAL", "200 ms")]).await;
        }
        let rows = visible_rows(&self.out());
        assert!(
            rows == (self.case.expected)(),
            "{}: {} rows after {} lives",
            self.case.name,
            rows.len(),
            self.lives
        );
        // A job that died before its first checkpoint and was started afresh is another lineage: its parts are its own.
        let mine = format!(".part-{}-", self.root().await.short());
        let names = fs::read_dir(self.out()).unwrap().flatten();
        let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let left: Vec<_> = names.filter(|name| name.starts_with(&mine)).collect();
        assert_eq!(left, [""; 0], "nothing of this lineage is left behind");
    }

    /// The first job of the lineage that the last one belongs to.
    async fn root(&self) -> JobId {
        let recipes = self.recipes().await;
        let mut job = &recipes[0];
        while let Some(before) = job.restored_from.as_ref().and_then(|from| from.job_id) {
            job = recipes.iter().find(|recipe| recipe.job_id == before).unwrap();
        }
        job.job_id
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
    let (mut kills, mut telling, mut restored) = (0, 0, 0);
    for round in 0.. {
        let mut saga = Saga::new(&CASES[round % CASES.len()]);
        for _ in 0..8 {
            let moment = Duration::from_micros(random.random_range(0..3000));
            let death = saga.live(Some((random.random_range(1..STEPS), moment)), &[]).await;
            if death.status.signal() != Some(SIGKILL) {
                break;
            }
            kills += 1;
            telling += u64::from(death.telling);
            restored += u64::from(death.restored);
        }
        saga.finish_and_compare().await;
        // Every sort of query, and kills that could have shown a fault.
        if kills >= wanted && round + 1 >= CASES.len() && telling * 3 >= kills && restored * 3 >= kills {
            break;
        }
        assert!(
            kills < wanted * 4,
            "seed {seed}: of {kills} kills {telling} were telling, {restored} after a restore"
        );
    }
    println!("seed {seed}: {kills} kills, {telling} with rows since a commit, {restored} of restored jobs");
}

/// Each named point ends the process of a job that has been restored from a state with an unpublished part; the points
/// of a checkpoint also at a later one.
#[cfg(feature = "failpoints")]
#[tokio::test(flavor = "multi_thread")]
async fn aborted_at_every_failpoint_the_sink_holds_each_row_once() {
    const SIGABRT: i32 = 6;
    for (number, &name) in skep_local::failpoint::names().iter().enumerate() {
        let mut saga = Saga::new(&CASES[number % CASES.len()]);
        let is_repeated = ["checkpoint.", "part.", "snapshot.", "commit."]
            .iter()
            .any(|p| name.starts_with(p));
        let mut points = vec!["commit.before-publish:2".to_owned(), name.to_owned()];
        points.extend(is_repeated.then(|| format!("{name}:3")));
        for (life, point) in points.iter().enumerate() {
            let death = saga
                .live(None, &[("SKEP_FAILPOINT", point), ("SKEP_CRASH_SAVEPOINT", "1")])
                .await;
            assert_eq!(death.status.signal(), Some(SIGABRT), "{point} was not reached");
            assert_eq!(death.restored, life > 0, "{point}");
        }
        saga.finish_and_compare().await;
    }
}
