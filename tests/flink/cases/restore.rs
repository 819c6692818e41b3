//! The way back: a count that grows for ever, read back from files, is the same whether the job was interrupted or not.

pub mod changed;
pub mod claims;
pub mod disaster;
pub mod fits;
pub mod objects;
pub mod plans;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;

use super::uri;
use crate::cluster::Cluster;
use crate::shell::Shell;
use crate::suite::cases;
use crate::witness::wait_for;

cases! {
    jobs 2: after_a_stop,
    jobs 2: a_statement_set_after_a_stop,
    jobs 2: after_a_cancel_with_a_savepoint,
    jobs 2: from_a_retained_checkpoint,
}

/// Of each id, how many ids of its last digit there were up to it.
type Counts = BTreeMap<u64, u64>;

/// Where a run's rows come from and go to.
struct Tables<'a> {
    cluster: &'a Cluster,
    name: &'a str,
}

impl Tables<'_> {
    fn path(&self, sink: &str) -> std::path::PathBuf {
        self.cluster.path(&format!("rows/{}/{sink}", self.name))
    }

    /// `rate` changes when rows come, not which.
    fn statements(&self, rate: u32, end: u32) -> [String; 3] {
        let source = format!(
            "CREATE TABLE gen (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '{rate}', \
             'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '{end}')"
        );
        let sink = |sink: &str| {
            let path = uri(&self.path(sink));
            format!(
                "CREATE TABLE {sink} (id BIGINT, n BIGINT) WITH ('connector' = 'filesystem', 'path' = '{path}', \
                 'format' = 'csv', 'sink.rolling-policy.rollover-interval' = '2 s', \
                 'sink.rolling-policy.check-interval' = '1 s')"
            )
        };
        [source, sink("counted"), sink("squared")]
    }

    /// The rows in a sink's finished files, and that each id is there once.
    fn rows(&self, sink: &str) -> Counts {
        let mut rows = Counts::new();
        for line in lines(&self.path(sink)) {
            let (id, n) = line.split_once(',').unwrap_or_else(|| panic!("{line:?}"));
            let (id, n) = (id.parse().unwrap(), n.parse().unwrap());
            assert_eq!(rows.insert(id, n), None, "{id} is there twice");
        }
        rows
    }
}

pub const COUNT: &str = "INSERT INTO counted SELECT id, COUNT(*) OVER (PARTITION BY MOD(id, 10) ORDER BY pt ROWS BETWEEN \
                         UNBOUNDED PRECEDING AND CURRENT ROW) FROM (SELECT id, PROCTIME() AS pt FROM gen)";
const SQUARE: &str = "INSERT INTO squared SELECT id, id * id FROM gen";

/// What is not finished has a name that begins with a dot.
fn lines(dir: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with('.') {
            lines.extend(fs::read_to_string(entry.path()).unwrap().lines().map(str::to_owned));
        }
    }
    lines
}

/// What a run that nobody interrupts writes, up to an id that no other run here reaches.
fn undisturbed(cluster: &Cluster) -> Counts {
    static KNOWN: Mutex<BTreeMap<std::path::PathBuf, Counts>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let of_cluster = known.entry(cluster.path(""));
    let counts = of_cluster.or_insert_with(|| {
        let (tables, session) = (
            Tables {
                cluster,
                name: "undisturbed",
            },
            cluster.witness().session(),
        );
        for statement in tables.statements(100_000, 20_000) {
            session.run(&statement);
        }
        let job = session.submit(COUNT, "undisturbed");
        cluster.witness().wait_state(&job, "FINISHED");
        let rows = tables.rows("counted");
        assert_eq!(rows.len(), 20_000);
        rows
    });
    counts.clone()
}

/// A run with skep, which is ended and restored.
pub struct Run<'a> {
    tables: Tables<'a>,
    pub shell: Shell,
    insert: String,
}

impl<'a> Run<'a> {
    /// Starts the job and waits until it has saved something.
    fn start(cluster: &'a Cluster, name: &'a str, insert: &str) -> Self {
        let run = Self::new(cluster, name, insert);
        let _ = run.shell.script(&run.script()).expect_code(0);
        run.wait_saved();
        run
    }

    /// Not started yet.
    pub fn new(cluster: &'a Cluster, name: &'a str, insert: &str) -> Self {
        Self {
            tables: Tables { cluster, name },
            shell: Shell::sql(cluster),
            insert: insert.to_owned(),
        }
    }

    /// What starts it: tables, settings and the statement.
    pub fn script(&self) -> String {
        format!("{};\n{};\n", self.prelude(), self.insert)
    }

    /// Its tables and settings.
    pub fn prelude(&self) -> String {
        let tables = self.tables.statements(20, 50_000).join(";\n");
        format!("{tables};\nSET 'pipeline.name' = '{}'", self.tables.name)
    }

    /// Waits until it runs and has saved something, and returns its id.
    pub fn wait_saved(&self) -> String {
        let witness = self.tables.cluster.witness();
        let job = witness.wait_named(self.tables.name);
        witness.wait_running(&job);
        witness.wait_checkpoint(&job);
        job
    }

    /// The one job of that name that has not ended, once its tasks run.
    #[track_caller]
    pub fn running(&self) -> String {
        let witness = self.tables.cluster.witness();
        let mut jobs = witness.named(self.tables.name);
        jobs.retain(|job| !matches!(&*job.state, "FINISHED" | "CANCELED" | "FAILED"));
        let [job] = &jobs[..] else {
            panic!("of {} there runs {jobs:?}", self.tables.name)
        };
        witness.wait_running(&job.id);
        job.id.clone()
    }

    /// Restores it in a process of its own, lets it go on, and stops it: what is in the files then is as if nothing had
    /// happened. Returns the path it was restored from.
    fn restore(&self, before: &Counts) -> String {
        let name = self.tables.name;
        self.restore_by(&self.shell, &format!("!restore {name}\n"), before)
    }

    /// The same by another script, in any shell.
    pub fn restore_by(&self, shell: &Shell, script: &str, before: &Counts) -> String {
        let cluster = self.tables.cluster;
        let output = shell.script(script).expect_code(0);
        let job = self.running();
        let path = restored_from(cluster, &job);
        let _ = shell.one_shot(&format!("stop {job}")).expect_code(0);
        let counted = wait_for("the last files", || {
            let rows = self.tables.rows("counted");
            if rows.len() > before.len() {
                Ok(rows)
            } else {
                Err(rows.len())
            }
        });
        let undisturbed = undisturbed(cluster);
        let last = counted.last_key_value().map_or(0, |(id, _)| *id);
        let expected: Counts = undisturbed.into_iter().take_while(|(id, _)| *id <= last).collect();
        assert!(counted == expected, "{} rows up to {last}\n{output}", counted.len());
        if self.insert.contains("squared") {
            let squared = self.tables.rows("squared");
            assert!(
                squared.keys().copied().eq(1..=squared.len() as u64),
                "{}",
                squared.len()
            );
            assert!(squared.iter().all(|(id, square)| id * id == *square));
            assert!(squared.len() > before.len());
        }
        path
    }
}

/// Waits until the statistics say from what a job was restored.
fn restored_from(cluster: &Cluster, job: &str) -> String {
    let restored = wait_for("the statistics to say from what it was restored", || {
        let now = cluster.witness().wait_checkpoint(job);
        let restored = &now["latest"]["restored"];
        if restored.is_object() {
            Ok(restored.clone())
        } else {
            Err(now)
        }
    });
    restored["external_path"].as_str().unwrap().to_owned()
}

fn after_a_stop(cluster: &Cluster) {
    let run = Run::start(cluster, "restored-after-stop", COUNT);
    let output = run.shell.one_shot("stop restored-after-stop").expect_code(0);
    let before = run.tables.rows("counted");
    assert_eq!(run.restore(&before), output.stdout.trim_end());
}

fn a_statement_set_after_a_stop(cluster: &Cluster) {
    let set = format!("BEGIN STATEMENT SET;\n{COUNT};\n{SQUARE};\nEND");
    let run = Run::start(cluster, "restored-set", &set);
    let output = run.shell.one_shot("stop restored-set").expect_code(0);
    let before = run.tables.rows("counted");
    assert_eq!(run.restore(&before), output.stdout.trim_end());
}

fn after_a_cancel_with_a_savepoint(cluster: &Cluster) {
    let run = Run::start(cluster, "restored-after-cancel", COUNT);
    let output = run
        .shell
        .one_shot("cancel --savepoint restored-after-cancel")
        .expect_code(0);
    assert!(super::has_metadata(output.stdout.trim_end()), "{output}");
    // A checkpoint that the job has taken after the savepoint is newer: the rows tell that it was the right one.
    run.restore(&Counts::new());
}

fn from_a_retained_checkpoint(cluster: &Cluster) {
    let run = Run::start(cluster, "restored-from-checkpoint", COUNT);
    let job = run.running();
    let _ = run.shell.one_shot("cancel restored-from-checkpoint").expect_code(0);
    assert!(run.restore(&Counts::new()).contains(&format!("/{job}/chk-")));
}
