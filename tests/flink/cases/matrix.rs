//! Each verb that saves or starts a job, with each thing that can go wrong on its way: what is said, what is so, and what
//! the ledger holds.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use skep::ledger::Ledger;

use super::{unwritable, uri};
use crate::cluster::Cluster;
use crate::proxy::{Break, Proxy};
use crate::shell::{Shell, objects};
use crate::suite::cases;
use crate::witness::{Job, RUNTIME, wait_for};
use crate::world::{Output, Program, http};

cases! {
    jobs 8: savepoints,
    jobs 8: stops,
    jobs 11: restores,
    jobs 20: upgrades,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Savepoint,
    Stop,
    Restore,
    /// Of which the stop is broken.
    UpgradeStopping,
    /// Of which the submission is broken.
    UpgradeSubmitting,
}

/// What goes wrong with the request that does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is answered with 500 and not carried out.
    ErrorBefore,
    /// It is answered with 500 and carried out.
    ErrorAfter,
    /// It never arrives.
    CutBefore,
    /// Its answer never arrives.
    CutAfter,
    /// Nobody answers, and it is not carried out.
    HangBefore,
    /// Nobody answers, and it is carried out.
    HangAfter,
    /// It is carried out, and the server knows nothing of it when it is asked.
    Forgotten,
    /// The place that is to be written to can't be.
    Unwritable,
    /// The place that is to be written to is full.
    Full,
    /// The servers are killed while it is carried out, and start again.
    Restarted,
}

/// What is so afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// The first job, and it alone.
    Runs,
    /// The first job has ended with a savepoint, and none runs.
    Stopped,
    /// It has, and one job goes on from there.
    GoesOn,
    /// None runs, and the cluster knows nothing of any of them.
    Lost,
}

/// A verb, what goes wrong, and what has to come of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub verb: Verb,
    pub fault: Fault,
    pub code: i32,
    /// What standard error has to name.
    pub says: &'static [&'static str],
    pub left: Left,
    /// Savepoints that are complete afterwards.
    pub saved: usize,
    /// Statements that were sent, by the ids of their jobs.
    pub sent: usize,
}

pub(super) const fn row(
    verb: Verb,
    fault: Fault,
    code: i32,
    says: &'static [&'static str],
    left: Left,
    saved: usize,
    sent: usize,
) -> Row {
    Row {
        verb,
        fault,
        code,
        says,
        left,
        saved,
        sent,
    }
}

use Fault::{CutAfter, CutBefore, ErrorAfter, ErrorBefore, Forgotten, HangAfter, HangBefore, Unwritable};
use Left::{GoesOn, Runs, Stopped};
use Verb::{Restore, Savepoint, Stop, UpgradeStopping, UpgradeSubmitting};

const NOT_BEGUN: &[&str] = &["the cluster has not begun a", "the job runs on"];
const NOT_KNOWN: &[&str] = &["did not answer POST", "is not known, and the job runs on"];
const NO_RESULT: &[&str] = &["there is no result of a", "the job runs on"];
const NOT_STOPPED: &[&str] = &["was not stopped, and runs its old statement as before: job "];
const TAKEN_BACK: &[&str] = &["runs its old statement again: job ", " · savepoint "];

const SAVEPOINTS: &[Row] = &[
    row(Savepoint, HangBefore, 1, NOT_KNOWN, Runs, 0, 0),
    row(Savepoint, HangAfter, 0, &[], Runs, 1, 0),
    row(Savepoint, ErrorBefore, 1, NOT_BEGUN, Runs, 0, 0),
    row(Savepoint, ErrorAfter, 0, &[], Runs, 1, 0),
    row(Savepoint, CutBefore, 1, NOT_BEGUN, Runs, 0, 0),
    row(Savepoint, CutAfter, 0, &[], Runs, 1, 0),
    row(Savepoint, Forgotten, 0, &[], Runs, 1, 0),
    row(Savepoint, Unwritable, 1, NO_RESULT, Runs, 0, 0),
];

const STOPS: &[Row] = &[
    row(Stop, HangBefore, 1, NOT_KNOWN, Runs, 0, 0),
    row(Stop, HangAfter, 0, &[], Stopped, 1, 0),
    row(Stop, ErrorBefore, 1, NOT_BEGUN, Runs, 0, 0),
    row(Stop, ErrorAfter, 0, &[], Stopped, 1, 0),
    row(Stop, CutBefore, 1, NOT_BEGUN, Runs, 0, 0),
    row(Stop, CutAfter, 0, &[], Stopped, 1, 0),
    row(Stop, Forgotten, 0, &[], Stopped, 1, 0),
    row(Stop, Unwritable, 1, NO_RESULT, Runs, 0, 0),
];

const RESTORES: &[Row] = &[
    row(
        Restore,
        HangBefore,
        1,
        &["whether job ", " was started is not known"],
        Stopped,
        1,
        1,
    ),
    row(Restore, HangAfter, 0, &["found on the cluster by its id"], GoesOn, 1, 1),
    row(Restore, ErrorBefore, 1, &["broken on purpose"], Stopped, 1, 1),
    row(
        Restore,
        ErrorAfter,
        0,
        &["found on the cluster by its id"],
        GoesOn,
        1,
        1,
    ),
    row(
        Restore,
        CutBefore,
        1,
        &["did not arrive, and nothing was started"],
        Stopped,
        1,
        1,
    ),
    row(Restore, CutAfter, 0, &["found on the cluster by its id"], GoesOn, 1, 1),
    row(Restore, Forgotten, 0, &["found on the cluster by its id"], GoesOn, 1, 1),
];

const UPGRADES: &[Row] = &[
    row(UpgradeStopping, HangBefore, 1, NOT_STOPPED, Runs, 0, 0),
    row(
        UpgradeSubmitting,
        HangBefore,
        1,
        &["--resume", "whether the job was started is not known"],
        Stopped,
        1,
        1,
    ),
    row(UpgradeStopping, ErrorBefore, 1, NOT_STOPPED, Runs, 0, 0),
    row(UpgradeStopping, ErrorAfter, 0, &[], GoesOn, 1, 1),
    row(UpgradeStopping, CutBefore, 1, NOT_STOPPED, Runs, 0, 0),
    row(UpgradeStopping, CutAfter, 0, &[], GoesOn, 1, 1),
    row(UpgradeStopping, Forgotten, 0, &[], GoesOn, 1, 1),
    row(UpgradeStopping, Unwritable, 1, NOT_STOPPED, Runs, 0, 0),
    row(UpgradeSubmitting, ErrorBefore, 1, TAKEN_BACK, GoesOn, 1, 2),
    row(UpgradeSubmitting, ErrorAfter, 0, &[], GoesOn, 1, 1),
    row(UpgradeSubmitting, CutBefore, 1, TAKEN_BACK, GoesOn, 1, 2),
    row(UpgradeSubmitting, CutAfter, 0, &[], GoesOn, 1, 1),
    row(UpgradeSubmitting, Forgotten, 0, &[], GoesOn, 1, 1),
];

fn savepoints(cluster: &Cluster) {
    run_all(cluster, SAVEPOINTS);
}

fn stops(cluster: &Cluster) {
    run_all(cluster, STOPS);
}

fn restores(cluster: &Cluster) {
    run_all(cluster, RESTORES);
}

fn upgrades(cluster: &Cluster) {
    run_all(cluster, UPGRADES);
}

/// So many jobs of a case run at a time: the cluster's slots are for all.
const AT_ONCE: usize = 3;

/// Carries out each row with a job of its own, some beside each other.
#[track_caller]
pub(super) fn run_all(cluster: &Cluster, rows: &[Row]) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let work = || {
            while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                let trial = Trial::start(cluster, row);
                let output = trial.carry_out(row);
                trial.check(row, &output);
                if output.stderr.contains("--resume") {
                    trial.resume(row);
                }
            }
        };
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            if let Err(panic) = worker.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
}

const OLD: &str = "INSERT INTO nowhere SELECT MOD(id, 10), COUNT(*) FROM gen GROUP BY MOD(id, 10)";
const NEW: &str = "INSERT INTO nowhere SELECT MOD(id, 10), 1 * COUNT(*) FROM gen GROUP BY MOD(id, 10)";

const BROKEN: &str = r#"{"errors": ["Internal server error.", "<Exception on server side:\njava.lang.IllegalStateException: broken on purpose\n\tat a.b.C.d(C.java:1)\n\nEnd of exception on server side>"]}"#;
/// As a JobManager says it of a savepoint that it has forgotten, and a gateway of an operation.
const FORGOTTEN: &str = r#"{"errors": ["org.apache.flink.runtime.rest.handler.RestHandlerException: There is no savepoint operation with triggerId=0 for job 0."]}"#;
const DROPPED: &str = r#"{"errors": ["Internal server error.", "<Exception on server side:\norg.apache.flink.table.gateway.api.utils.SqlGatewayException: Can not find the submitted operation in the OperationManager with the operationHandle: 0.\n\tat a.b.C.d(C.java:1)\n\nEnd of exception on server side>"]}"#;

/// A job of skep's own, under a name that no other job has, with a proxy before each server.
pub(super) struct Trial<'a> {
    pub cluster: &'a Cluster,
    pub name: String,
    pub gateway: Proxy,
    pub rest: Proxy,
    pub shell: Shell,
    /// The first job.
    pub job: String,
    /// Where its savepoints are made.
    pub dir: PathBuf,
}

impl<'a> Trial<'a> {
    /// Starts the job, and stops it where it is to be restored.
    #[track_caller]
    pub fn start(cluster: &'a Cluster, row: &Row) -> Self {
        let name = format!("matrix-{:?}-{:?}", row.verb, row.fault);
        let dir = cluster.path(&format!("matrix/{name}"));
        let trial = Self::new(cluster, name, dir);
        if row.verb == Restore {
            let _ = trial
                .shell
                .skep()
                .with("stop --dir")
                .arg(uri(&trial.dir))
                .arg(&trial.name)
                .run()
                .expect_code(0);
        }
        trial
    }

    /// Starts a job of that name.
    #[track_caller]
    pub fn new(cluster: &'a Cluster, name: String, dir: PathBuf) -> Self {
        let (gateway, rest) = (Proxy::before(&cluster.gateway()), Proxy::before(&cluster.rest()));
        let shell = Shell::at(&format!("flink://{};rest={}", gateway.address(), rest.address()));
        let script = format!(
            "CREATE TABLE gen (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '20', \
             'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '50000');\n\
             CREATE TABLE nowhere (k BIGINT, n BIGINT) WITH ('connector' = 'blackhole');\n\
             SET 'pipeline.name' = '{name}';\n{OLD};\n"
        );
        let _ = shell.script(&script).expect_code(0);
        let job = cluster.witness().wait_named(&name);
        cluster.witness().wait_running(&job);
        Self {
            cluster,
            name,
            gateway,
            rest,
            shell,
            job,
            dir,
        }
    }

    /// Does what the row says, while that goes wrong.
    fn carry_out(&self, row: &Row) -> Output {
        let verb = match row.verb {
            Savepoint => "savepoints",
            _ => "stop",
        };
        let request = format!("POST /v1/jobs/{}/{verb}", self.job);
        let submits = matches!(row.verb, Restore | UpgradeSubmitting);
        // A savepoint and a stop bear an id of their own and are asked for once more when the connection breaks.
        let break_it = |what: Break, times: usize| {
            if submits {
                self.gateway.break_statement("POST /*/statements", "INSERT", what);
            } else {
                (0..times).for_each(|_| self.rest.break_next(&request, what.clone()));
            }
        };
        let error = || http::Fault::Status(500, BROKEN);
        let dir = match row.fault {
            Unwritable => unwritable(self.cluster, &format!("{}-occupied", self.name)),
            _ => uri(&self.dir),
        };
        match row.fault {
            ErrorBefore => break_it(Break::Before(error()), 1),
            ErrorAfter => break_it(Break::After(error()), 1),
            CutBefore => break_it(Break::Before(http::Fault::Cut), 2),
            CutAfter => break_it(Break::After(http::Fault::Cut), 2),
            HangBefore => break_it(Break::Before(http::Fault::Silence), 1),
            HangAfter => break_it(Break::After(http::Fault::Silence), 1),
            Forgotten if submits => {
                // The job is looked for as long as one is that has been submitted; this one has.
                let dropped = Break::Executed(http::Fault::Status(500, DROPPED));
                self.gateway.break_after("INSERT", "GET /*/result/0*", dropped);
            }
            Forgotten => {
                let progress = format!("GET /v1/jobs/{}/savepoints/*", self.job);
                let forgotten = Break::After(http::Fault::Status(404, FORGOTTEN));
                self.rest.break_all(&progress, forgotten);
            }
            Unwritable | Fault::Full | Fault::Restarted => {}
        }
        let output = self.program(row.verb, &dir).run();
        self.gateway.mend();
        self.rest.mend();
        output
    }

    /// skep, told to do that, with the directory for savepoints.
    pub fn program(&self, verb: Verb, dir: &str) -> Program {
        let skep = self.shell.skep();
        match verb {
            Savepoint => skep.with("savepoint --dir").arg(dir).arg(&self.name),
            Stop => skep.with("stop --dir").arg(dir).arg(&self.name),
            Restore => skep.with("restore").arg(&self.name),
            UpgradeStopping | UpgradeSubmitting => {
                let skep = skep.with("upgrade --until running --dir").arg(dir).arg(&self.name);
                skep.arg(NEW)
            }
        }
    }

    /// What is said, what is so, and what the ledger holds.
    #[track_caller]
    pub fn check(&self, row: &Row, output: &Output) {
        let context = format!("{row:?}\n{output}");
        assert_eq!(output.code, row.code, "{context}");
        for word in row.says {
            assert!(output.stderr.contains(word), "{word:?} is missing: {context}");
        }
        assert!(
            !output.stderr.contains("panicked") && !output.stderr.contains("internal error"),
            "{context}"
        );
        self.check_jobs(row, &context);
        self.check_saved(row, output, &context);
        self.check_requests(row, &context);
    }

    /// The jobs of that name, as the cluster has them, as skep tells of them, and as the ledger holds them.
    #[track_caller]
    fn check_jobs(&self, row: &Row, context: &str) {
        let (jobs, listed) = self.settled();
        let running: Vec<&str> = jobs
            .iter()
            .filter(|job| job.state == "RUNNING")
            .map(|job| &*job.id)
            .collect();
        let first = jobs.iter().find(|job| job.id == self.job).unwrap();
        match row.left {
            Runs => assert_eq!(running, [&*self.job], "{jobs:?} {context}"),
            Left::Lost => panic!("such a row is not for this table"),
            Stopped | GoesOn => {
                assert_eq!(first.state, "FINISHED", "{jobs:?} {context}");
                assert_eq!(running.len(), usize::from(row.left == GoesOn), "{jobs:?} {context}");
            }
        }
        let ledger = self.shell.ledger();
        for job in &jobs {
            let told = listed.iter().find(|told| told["job_id"] == *job.id);
            let told = told.unwrap_or_else(|| panic!("{} is not listed: {context}", job.id));
            let known = if job.state == "RUNNING" { "live" } else { "ended" };
            assert_eq!(
                (&told["known"], told["as_of"].is_string()),
                (&known.into(), true),
                "{told} {context}"
            );
            let record = ledger.iter().find(|record| record.job_id().to_string() == job.id);
            let record = record.unwrap_or_else(|| panic!("{} is not in the ledger: {context}", job.id));
            assert_eq!(record.has_ended(), job.state != "RUNNING", "{record:?} {context}");
        }
    }

    /// The jobs of that name, once each runs or has ended, and what skep lists of jobs then. A stop that fails may have Flink
    /// restart a job that was seen to run a moment before.
    #[track_caller]
    fn settled(&self) -> (Vec<Job>, Vec<Value>) {
        let is_settled = |job: &Job| matches!(&*job.state, "RUNNING" | "FINISHED" | "CANCELED" | "FAILED");
        wait_for(&format!("the jobs named {}", self.name), || {
            let jobs = self.cluster.witness().named(&self.name);
            if !jobs.iter().all(is_settled) {
                return Err((jobs, Vec::new()));
            }
            let listed = objects(&self.shell.one_shot("jobs --all --json").expect_code(0).stdout);
            let is_told = |job: &Job| {
                let mut told = listed.iter();
                told.any(|told| told["job_id"] == *job.id && told["state"] == *job.state)
            };
            if jobs.iter().all(is_told) {
                Ok((jobs, listed))
            } else {
                Err((jobs, listed))
            }
        })
    }

    /// The savepoints that are whole, and that the ledger holds those of which the shell has heard.
    #[track_caller]
    fn check_saved(&self, row: &Row, output: &Output, context: &str) {
        let made = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let made: BTreeSet<String> = made
            .filter(|entry| entry.path().join("_metadata").is_file())
            .map(|entry| uri(&entry.path()))
            .collect();
        assert_eq!(made.len(), row.saved, "{made:?} {context}");
        let ledger = Ledger::open(&self.shell.world().path("data")).unwrap();
        let held = RUNTIME
            .block_on(ledger.savepoints(vec![self.job.parse().unwrap()]))
            .unwrap();
        let held: BTreeSet<String> = held.into_iter().map(|state| state.path).collect();
        assert_eq!(held, made, "{context}");
        if matches!(row.verb, Savepoint | Stop) {
            let printed: BTreeSet<String> = output.stdout.lines().map(str::to_owned).collect();
            assert_eq!(printed, made, "{context}");
        }
    }

    /// Nothing was asked for, and nothing submitted, twice.
    #[track_caller]
    fn check_requests(&self, row: &Row, context: &str) {
        let asked = self.rest.seen(&format!("POST /v1/jobs/{}/*", self.job));
        let triggers: BTreeSet<String> = asked.iter().map(|post| post.body["triggerId"].to_string()).collect();
        assert!(triggers.len() <= 1, "{triggers:?} {context}");
        // The first is the job's own.
        let sent = self.submitted();
        let ids: BTreeSet<&str> = sent.iter().map(String::as_str).collect();
        assert_eq!(sent.len(), ids.len(), "{sent:?} {context}");
        assert_eq!(sent.len(), 1 + row.sent, "{sent:?} {context}");
    }

    /// The ids of the jobs whose statements were sent.
    pub fn submitted(&self) -> Vec<String> {
        let posts = self.gateway.seen("POST /*/statements").into_iter();
        let inserts = posts.filter(|post| {
            post.body["statement"]
                .as_str()
                .is_some_and(|text| text.starts_with("INSERT"))
        });
        let id = |body: &Value| {
            body["executionConfig"]["$internal.pipeline.job-id"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        inserts.map(|post| id(&post.body)).collect()
    }

    /// What was not finished is finished by another shell: the same statement under the same id.
    #[track_caller]
    fn resume(&self, row: &Row) {
        let output = self
            .shell
            .skep()
            .with("upgrade --resume")
            .arg(&self.name)
            .run()
            .expect_code(0);
        let context = format!("{row:?} resumed\n{output}");
        let left = Row { left: GoesOn, ..*row };
        self.check_jobs(&left, &context);
        let sent = self.submitted();
        assert_eq!((sent.len(), &sent[1]), (3, &sent[2]), "{context}");
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        let Ok(jobs) = self.cluster.witness().jobs() else {
            return;
        };
        for job in jobs.iter().filter(|job| job.name == self.name) {
            self.cluster.witness().cancel(&job.id);
        }
    }
}
