//! A cluster that is killed with everything that runs on it: what is said of its jobs, and what brings them back on the
//! one that is started in its place.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::{COUNT, Counts, Run, undisturbed};
use crate::cases::matrix::{self, Fault, Left, Row, Trial, Verb, row};
use crate::cases::{has_metadata, uri};
use crate::cluster::{Cluster, Options, Service};
use crate::proxy::Break;
use crate::shell::{Shell, object, objects};
use crate::suite::cases;
use crate::witness::wait_for;
use crate::world::Live;
use crate::world::http;

cases! {
    own 20: a_cluster_is_killed_and_another_brings_the_jobs_back with FORGETFUL,
}

/// The JobManager forgets a savepoint as soon as it is complete, so that each here is found in the statistics.
const FORGETFUL: Options = Options {
    settings: &[("rest.async.store-duration", "1 ms")],
    tls: false,
};

/// Nothing can be written where they are to be made. Flink restarts a job for that, from its last checkpoint.
const FULL: &[Row] = &[
    row(
        Verb::Savepoint,
        Fault::Full,
        1,
        &["there is no result of a savepoint", "the job "],
        Left::Runs,
        0,
        0,
    ),
    row(
        Verb::Stop,
        Fault::Full,
        1,
        &["there is no result of a stop", "the job "],
        Left::Runs,
        0,
        0,
    ),
    row(
        Verb::UpgradeStopping,
        Fault::Full,
        1,
        &["was not stopped, and runs its old statement"],
        Left::Runs,
        0,
        0,
    ),
];

/// The servers are killed while these are carried out. Of a job that had ended by then the History Server tells.
const RESTARTED: &[Row] = &[
    row(
        Verb::Savepoint,
        Fault::Restarted,
        1,
        &["was its JobManager restarted?", "is not known"],
        Left::Lost,
        1,
        0,
    ),
    row(Verb::Stop, Fault::Restarted, 0, &[], Left::Lost, 1, 0),
    row(
        Verb::UpgradeStopping,
        Fault::Restarted,
        0,
        &["is upgraded: job "],
        Left::GoesOn,
        1,
        1,
    ),
    row(
        Verb::Restore,
        Fault::Restarted,
        1,
        &["whether job ", " was started is not known"],
        Left::Lost,
        1,
        1,
    ),
];

/// What a JobManager says of a savepoint that is being made.
const IN_PROGRESS: &str = r#"{"status": {"id": "IN_PROGRESS"}, "operation": null}"#;

/// One cluster for all of it, since each takes its time to start.
fn a_cluster_is_killed_and_another_brings_the_jobs_back(cluster: &Cluster) {
    {
        let _full = FullDisk::make(cluster);
        matrix::run_all(cluster, FULL);
    }
    undisturbed(cluster);
    let saved = start_all(cluster);
    let (submitting, saving) = RESTARTED.split_last().unwrap();
    let mut interrupted = beside(saving, |row| Interrupted::begin(cluster, row));
    // Nobody waits long for an answer that does not come.
    interrupted.push(Interrupted::begin(cluster, submitting));

    cluster.kill_all();
    cluster.start_all_again();

    interrupted.iter().for_each(Interrupted::let_go);
    for interrupted in interrupted {
        interrupted.check(cluster);
    }
    beside(&saved, Saved::comes_back);
}

/// Does it with each, side by side.
fn beside<'t, T: Sync, U: Send>(all: &'t [T], work: impl Fn(&'t T) -> U + Sync) -> Vec<U> {
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = all.iter().map(|one| scope.spawn(move || work(one))).collect();
        let ends = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        ends.map(|end| end.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

/// A directory without room: a small file system of its own where one can be mounted, which root can. Elsewhere it is
/// the JobManager that may write no file.
struct FullDisk<'a> {
    cluster: &'a Cluster,
    /// Where it is mounted.
    mounted: Option<PathBuf>,
}

impl<'a> FullDisk<'a> {
    #[allow(clippy::print_stderr, reason = "whoever runs the tests is to know what was tested")]
    fn make(cluster: &'a Cluster) -> Self {
        let dir = cluster.path("matrix");
        fs::create_dir_all(&dir).unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=4k", "none"])
            .arg(&dir)
            .output();
        let is_mounted = mount.as_ref().is_ok_and(|output| output.status.success());
        if is_mounted {
            fs::write(dir.join("filler"), [0; 4096]).unwrap();
        } else {
            eprintln!("no file system can be mounted ({mount:?}): the JobManager's files are limited instead");
            cluster.limit_files(Service::JobManager, Some(0));
        }
        Self {
            cluster,
            mounted: is_mounted.then_some(dir),
        }
    }
}

impl Drop for FullDisk<'_> {
    fn drop(&mut self) {
        match &self.mounted {
            Some(dir) => {
                let _ = Command::new("umount").arg("--lazy").arg(dir).status();
            }
            None => self.cluster.limit_files(Service::JobManager, None),
        }
    }
}

/// How the state is named from which a job is brought back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Latest,
    Id,
    Path,
    Label,
    Time,
    /// It was not stopped: its checkpoints are all there is, also if the shell that started it was killed.
    Checkpoint,
    /// The same from a home that knows nothing but what lies in the directories.
    AnotherHome,
}

const ALL: [By; 7] = [
    By::Latest,
    By::Id,
    By::Path,
    By::Label,
    By::Time,
    By::Checkpoint,
    By::AnotherHome,
];

impl By {
    const fn name(self) -> &'static str {
        match self {
            Self::Latest => "back-by-latest",
            Self::Id => "back-by-id",
            Self::Path => "back-by-path",
            Self::Label => "back-by-label",
            Self::Time => "back-by-time",
            Self::Checkpoint => "back-by-checkpoint",
            Self::AnotherHome => "back-from-another-home",
        }
    }

    const fn was_stopped(self) -> bool {
        !matches!(self, Self::Checkpoint | Self::AnotherHome)
    }
}

/// A job that counts, and was stopped with a savepoint or runs on with checkpoints that are kept.
struct Saved<'a> {
    by: By,
    run: Run<'a>,
    job: String,
    /// Its savepoint, if it was stopped.
    path: Option<String>,
    /// The rows that it had written by then.
    before: Counts,
}

fn start_all(cluster: &Cluster) -> Vec<Saved<'_>> {
    beside(&ALL, |by| Saved::start(cluster, *by))
}

impl<'a> Saved<'a> {
    fn start(cluster: &'a Cluster, by: By) -> Self {
        let run = Run::new(cluster, by.name(), COUNT);
        let mut shell = run.shell.skep().start();
        shell.send(format!("!set keep checkpoints\n{}", run.script()));
        let job = run.wait_saved();
        if by.was_stopped() {
            let _ = shell.wait().expect_code(0);
            let label = if by == By::Label { "--label before-the-end" } else { "" };
            let output = run
                .shell
                .one_shot(&format!("stop {} {label}", by.name()))
                .expect_code(0);
            let path = output.stdout.trim_end().to_owned();
            assert!(has_metadata(&path), "{output}");
            let before = run.tables.rows("counted");
            return Self {
                by,
                run,
                job,
                path: Some(path),
                before,
            };
        }
        shell.kill();
        // Another shell knows it at once, and what is so now.
        let listed = objects(&run.shell.one_shot("jobs --all --json").expect_code(0).stdout);
        let told = told_of(&listed, &job);
        assert_eq!(
            (&told["state"], &told["known"], &told["origin"]),
            (&json!("RUNNING"), &json!("live"), &json!("ledger")),
            "{told}"
        );
        assert!(told["as_of"].is_string(), "{told}");
        Self {
            by,
            run,
            job,
            path: None,
            before: Counts::new(),
        }
    }

    /// Its counts go on where they were.
    fn comes_back(&self) {
        let name = self.by.name();
        let skep = &self.run.shell;
        let latest = format!("!restore {name}\n");
        if self.by == By::AnotherHome {
            return self.comes_back_elsewhere();
        }
        let known = self.states(skep);
        let script = match (self.by, &self.path) {
            (By::Id, Some(path)) => {
                let state = known.iter().find(|state| state["path"] == **path).unwrap();
                format!("!restore {name} {}\n", state["checkpoint_id"])
            }
            (By::Path, Some(path)) => format!("!restore {name} {path}\n"),
            (By::Label, _) => format!("!restore {name} before-the-end\n"),
            (By::Time, _) => format!("!restore {name} '@1s ago'\n"),
            _ => latest,
        };
        if self.by == By::Checkpoint {
            self.is_lost();
        }
        let from = self.run.restore_by(skep, &script, &self.before);
        match &self.path {
            Some(path) => assert_eq!(from, *path, "{script}"),
            None => assert!(from.contains(&format!("/{}/chk-", self.job)), "{from}"),
        }
    }

    /// What skep knows of its states.
    fn states(&self, skep: &Shell) -> Vec<Value> {
        objects(
            &skep
                .one_shot(&format!("savepoints {} --json", self.job))
                .expect_code(0)
                .stdout,
        )
    }

    /// Nobody ended it, and the cluster does not know it: it is lost, and what could bring it back is named.
    fn is_lost(&self) {
        let skep = &self.run.shell;
        let listed = objects(&skep.one_shot("jobs --all --json").expect_code(0).stdout);
        let told = told_of(&listed, &self.job);
        assert_eq!(
            (&told["known"], &told["ended"]),
            (&json!("lost"), &Value::Null),
            "{told}"
        );
        let shown = object(&skep.one_shot(&format!("job {} --json", self.job)).expect_code(0).stdout);
        let left = shown["checkpoints"].as_array().unwrap();
        assert!(left.iter().any(|state| state["verdict"] == "usable"), "{shown}");
        let text = skep.one_shot(&format!("job {}", self.by.name())).expect_code(0);
        let way = text
            .stdout
            .lines()
            .find(|line| line.trim_start().starts_with("way back"));
        let way = way.unwrap_or_else(|| panic!("{text}"));
        assert!(
            way.contains("!restore ") && way.contains(&format!("/{}/chk-", self.job)),
            "{text}"
        );
    }

    /// From a home that has never heard of it, once the directories have been searched.
    fn comes_back_elsewhere(&self) {
        let skep = Shell::sql(self.run.tables.cluster);
        let unknown = skep.one_shot(&format!("restore {}", self.by.name())).expect(1, "");
        assert!(unknown.stderr.contains(self.by.name()), "{unknown}");
        let _ = skep
            .one_shot("ledger rebuild")
            .expect_code(0)
            .expect_stderr("written down");
        assert!(self.states(&skep).iter().any(|state| state["verdict"] == "usable"));
        // Nobody has kept its statement: it is given, with the tables.
        let id = &self.job[..12];
        let without = skep.script(&format!("!restore {id}\n")).expect(1, "");
        let _ = without.expect_stderr(&format!("!restore {} AS INSERT", &self.job[..8]));
        let script = format!("{};\n!restore {id} AS {COUNT};\n", self.run.prelude());
        let from = self.run.restore_by(&skep, &script, &Counts::new());
        assert!(from.contains(&format!("/{}/chk-", self.job)), "{from}");
    }
}

fn told_of<'a>(listed: &'a [Value], job: &str) -> &'a Value {
    listed.iter().find(|told| told["job_id"] == job).expect("it is listed")
}

/// A verb that was on its way when the servers were killed.
struct Interrupted<'a> {
    row: &'a Row,
    trial: Trial<'a>,
    skep: Live,
}

impl<'a> Interrupted<'a> {
    /// It has been asked for, and its answer does not come.
    fn begin(cluster: &'a Cluster, row: &'a Row) -> Self {
        let trial = Trial::start(cluster, row);
        let progress = format!("GET /v1/jobs/{}/savepoints/*", trial.job);
        if row.verb == Verb::Restore {
            let held = Break::After(http::Fault::Silence);
            trial.gateway.break_statement("POST /*/statements", "INSERT", held);
        } else {
            cluster.witness().wait_checkpoint(&trial.job);
            // The first question finds that nobody has asked before.
            let going_on = Break::Before(http::Fault::Status(200, IN_PROGRESS));
            trial.rest.break_from(&progress, 2, going_on);
        }
        let skep = trial.program(row.verb, &uri(&trial.dir)).start();
        let known_to_history = || {
            let told = cluster
                .witness()
                .ask(&cluster.history(), &format!("/jobs/{}", trial.job));
            told.map(drop)
        };
        match row.verb {
            Verb::Restore => {
                wait_for("the statement to be taken", || {
                    let sent = trial.submitted().len();
                    let jobs = cluster.witness().named(&trial.name).len();
                    if (sent, jobs) == (2, 2) {
                        Ok(())
                    } else {
                        Err((sent, jobs))
                    }
                });
            }
            Verb::Savepoint => wait_for(
                "the savepoint",
                || if whole(&trial.dir) == 1 { Ok(()) } else { Err(()) },
            ),
            _ => wait_for("the end to be archived", known_to_history),
        }
        Self { row, trial, skep }
    }

    /// The servers are there again.
    fn let_go(&self) {
        for proxy in [&self.trial.gateway, &self.trial.rest] {
            proxy.mend();
            proxy.cut();
        }
    }

    /// It is said what is known and what is not; the list says what is lost; and what the first job has left is named.
    fn check(self, cluster: &Cluster) {
        let Self { row, trial, skep } = self;
        let output = skep.wait();
        let context = format!("{row:?}\n{output}");
        assert_eq!(output.code, row.code, "{context}");
        for word in row.says {
            assert!(output.stderr.contains(word), "{word:?} is missing: {context}");
        }
        let named = cluster.witness().named(&trial.name);
        assert_eq!(
            named.len(),
            usize::from(row.left == Left::GoesOn),
            "{named:?} {context}"
        );
        assert_eq!(whole(&trial.dir), row.saved, "{context}");
        assert_eq!(trial.submitted().len(), 1 + row.sent, "{context}");
        let asked = trial.rest.seen(&format!("POST /v1/jobs/{}/*", trial.job));
        assert_eq!(asked.len(), 1, "{context}");
        let listed = objects(&trial.shell.one_shot("jobs --all --json").expect_code(0).stdout);
        let told = told_of(&listed, &trial.job);
        let known = if row.verb == Verb::Savepoint { "lost" } else { "ended" };
        assert_eq!(told["known"], known, "{told} {context}");
        let states = trial
            .shell
            .one_shot(&format!("savepoints {} --json", trial.job))
            .expect_code(0);
        let usable = objects(&states.stdout).iter().any(|state| state["verdict"] == "usable");
        assert!(usable, "{states} {context}");
    }
}

/// How many savepoints in a directory are complete.
fn whole(dir: &Path) -> usize {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter(|entry| entry.path().join("_metadata").is_file()).count()
}
