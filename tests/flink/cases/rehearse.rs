//! `!upgrade --rehearse`: old and new beside each other on the cluster, and nothing changed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::uri;
use crate::cluster::Cluster;
use crate::proxy::{Break, Proxy};
use crate::shell::{Shell, object, objects};
use crate::suite::cases;
use crate::witness::wait_for;
use crate::world::Pty;
use crate::world::http::Fault;

cases! {
    jobs 20: what_would_be_written_otherwise_is_shown_and_nothing_is_changed,
    jobs 9: files_are_read_on_from_a_state_that_was_kept,
    jobs 1: what_can_not_be_read_twice_is_refused_by_name,
    jobs 2: taken_back_it_leaves_nothing,
    jobs 2: what_a_killed_one_leaves_is_removed_by_the_next_shell,
}

/// Rows by the last digit of their number. A sequence that ends long after the test.
const TABLES: &str = "CREATE TABLE gen (id BIGINT, name STRING) WITH ('connector' = 'datagen', 'rows-per-second' = '20', \
                      'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '50000', \
                      'fields.name.kind' = 'sequence', 'fields.name.start' = '1', 'fields.name.end' = '50000');\n\
                      CREATE TABLE counts (k BIGINT, n BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = 'blackhole');\n";
const OLD: &str = "INSERT INTO counts SELECT MOD(id, 10), COUNT(*) FROM gen GROUP BY MOD(id, 10)";

/// A job that skep has started.
struct Started<'a> {
    cluster: &'a Cluster,
    name: &'static str,
    shell: Shell,
    job: String,
}

impl<'a> Started<'a> {
    fn new(cluster: &'a Cluster, name: &'static str, tables: &str, sql: &str) -> Self {
        let started = Self::by(Shell::sql(cluster), cluster, name, tables, sql);
        cluster.witness().wait_checkpoint(&started.job);
        started
    }

    /// One that was started by that shell, and whose tasks run.
    fn by(shell: Shell, cluster: &'a Cluster, name: &'static str, tables: &str, sql: &str) -> Self {
        let script = format!("{tables}SET 'pipeline.name' = '{name}';\n{sql};\n");
        let _ = shell.script(&script).expect_code(0);
        let job = cluster.witness().wait_named(name);
        cluster.witness().wait_running(&job);
        Self {
            cluster,
            name,
            shell,
            job,
        }
    }

    /// What a rehearsal says, with `--json`.
    #[track_caller]
    fn rehearse(&self, options: &str, sql: &str) -> Value {
        let program = self.shell.skep().with("upgrade --rehearse --json").with(options);
        object(&program.arg(self.name).arg(sql).run().expect_code(0).stdout)
    }

    /// The job runs as before; nothing else does, nothing is left, and the ledger is as it was, but for what it knows to be
    /// deleted.
    fn assert_untouched(&self, before: &str) {
        let witness = self.cluster.witness();
        assert!(witness.runs(&self.job));
        let after = self.ledger();
        let (gone, kept): (Vec<_>, Vec<_>) = after.lines().partition(|line| self.is_discarded(line));
        assert_eq!(
            kept,
            before
                .lines()
                .filter(|line| !self.is_discarded(line))
                .collect::<Vec<_>>()
        );
        assert!(gone.iter().all(|line| object(line)["verdict"] == "gone"), "{gone:?}");
        let tried = witness.named(&self.tried());
        assert!(tried.iter().all(|job| job.state != "RUNNING"), "{tried:?}");
        assert_eq!(self.saved(), 0, "savepoints that were taken for it are left");
    }

    /// Whether that savepoint lies where those of a rehearsal go.
    fn is_own(&self, savepoint: &Value) -> bool {
        let dir = format!("/saved/{}/", self.name);
        savepoint["path"].as_str().unwrap().contains(&dir)
    }

    /// Whether it is the ledger's line of a savepoint that lay where those of a rehearsal go.
    fn is_discarded(&self, line: &str) -> bool {
        let line = object(line);
        line["type"] == "savepoint" && self.is_own(&line)
    }

    /// The savepoints that were made for rehearsals are known, and to be gone: so many of them.
    #[track_caller]
    fn assert_gone(&self, least: usize) {
        let listed = self.shell.one_shot("savepoints --all --json").expect_code(0).stdout;
        let made: Vec<_> = objects(&listed)
            .into_iter()
            .filter(|state| self.is_own(state))
            .collect();
        assert!(made.len() >= least, "{made:#?}");
        assert!(made.iter().all(|state| state["verdict"] == "gone"), "{made:#?}");
        let pruned = self.shell.one_shot("savepoints prune --keep 1").expect_code(0);
        // Another case's name may begin with this one.
        let dir = format!("{}/", self.dir());
        assert!(!pruned.to_string().contains(&dir), "{pruned}");
    }

    /// The savepoints that lie where those of a rehearsal go.
    fn saved(&self) -> usize {
        fs::read_dir(self.cluster.path(&format!("saved/{}", self.name))).map_or(0, |dir| dir.count())
    }

    /// Those of them that are complete.
    fn whole(&self) -> usize {
        let dir = fs::read_dir(self.cluster.path(&format!("saved/{}", self.name)));
        let saved = dir.into_iter().flatten().flatten();
        saved.filter(|saved| saved.path().join("_metadata").is_file()).count()
    }

    /// What the jobs of a rehearsal are called.
    fn tried(&self) -> String {
        format!("rehearsal of {}", self.name)
    }

    fn ledger(&self) -> String {
        self.shell.one_shot("ledger export").expect_code(0).stdout
    }

    /// Where its savepoints go: it is seen that none stays.
    fn dir(&self) -> String {
        uri(&self.cluster.path(&format!("saved/{}", self.name)))
    }
}

impl Drop for Started<'_> {
    fn drop(&mut self) {
        self.cluster.witness().cancel(&self.job);
    }
}

/// The counts of the one table that was compared.
#[track_caller]
fn counts(done: &Value) -> [u64; 4] {
    let tables = done["tables"].as_array().unwrap();
    assert_eq!(tables.len(), 1, "{done}");
    ["same", "added", "removed", "changed"].map(|count| tables[0][count].as_u64().unwrap())
}

fn what_would_be_written_otherwise_is_shown_and_nothing_is_changed(cluster: &Cluster) {
    let started = Started::new(cluster, "rehearsed", TABLES, OLD);
    let before = started.ledger();
    let options = format!("--rows 5000 --limit 3 --dir {}", started.dir());

    // Another form of the same.
    let sql =
        "INSERT INTO counts SELECT k, n FROM (SELECT MOD(id, 10) AS k, COUNT(*) AS n FROM gen GROUP BY MOD(id, 10))";
    let done = started.rehearse(&options, sql);
    assert_eq!(counts(&done), [10, 0, 0, 0], "{done}");
    assert_eq!(done["same"], true);
    assert_eq!(done["lost"], json!([]));
    assert_eq!(done["tables"][0]["table"], "counts");
    assert_eq!(done["read"], json!({ "gen": null }));

    // One of ten is another one, and what was counted before is in it.
    let sql = "INSERT INTO counts SELECT k, CASE WHEN k = 3 THEN -n ELSE n END FROM \
               (SELECT MOD(id, 10) AS k, COUNT(*) AS n FROM gen GROUP BY MOD(id, 10))";
    let done = started.rehearse(&options, sql);
    assert_eq!(counts(&done), [9, 0, 0, 1], "{done}");
    assert_eq!(done["same"], false);
    let row = &done["tables"][0]["rows"][0];
    assert_eq!(
        (&row["change"], &row["old"]["k"]),
        (&json!("changed"), &json!(3)),
        "{done}"
    );
    let (old, new) = (row["old"]["n"].as_i64().unwrap(), row["new"]["n"].as_i64().unwrap());
    assert!(old == -new && old > 500, "the state is in it: {done}");

    // What has no aggregate any more leaves its state behind.
    let sql = "INSERT INTO counts SELECT MOD(id, 10), id FROM gen";
    let done = started.rehearse(&options, sql);
    assert_eq!(counts(&done)[3], 10, "{done}");
    let lost = done["lost"].as_array().unwrap();
    assert_eq!(lost.len(), 1, "{done}");
    assert!(lost[0]["reason"].as_str().unwrap().contains("bytes of state"), "{done}");

    // The same for people.
    let program = started.shell.skep().with("upgrade --rehearse").with(&options);
    let output = program.arg(started.name).arg(sql).run().expect_code(0);
    assert!(
        output.stderr.contains("over the same input: nothing was changed"),
        "{output}"
    );
    assert!(
        output.stderr.contains("gen: up to 5000 rows behind the state"),
        "{output}"
    );
    assert!(output.stdout.starts_with("state lost: "), "{output}");
    // What was typed is shown, and nothing to be warned of.
    assert!(output.stderr.contains("+ id"), "{output}");
    assert!(!output.stderr.contains("warning"), "{output}");

    // One whose state is of another type fails, and says why.
    let sql = "INSERT INTO counts SELECT MOD(id, 10), COUNT(DISTINCT id) FROM gen GROUP BY MOD(id, 10)";
    let program = started.shell.skep().with("upgrade --rehearse --json").with(&options);
    let output = program.arg(started.name).arg(sql).run().expect_code(1);
    assert!(
        output.stderr.contains("the new statement: ") && output.stderr.contains("FAILED"),
        "{output}"
    );
    assert!(output.stderr.contains("does not notice"), "{output}");
    started.assert_untouched(&before);
    // One of the job for each, and of the old statement and the new one at least one each; the last new one had none.
    started.assert_gone(14);
}

/// Three files of so many numbers.
fn numbers(dir: &Path, each: u64) {
    fs::create_dir_all(dir).unwrap();
    for file in 0..3 {
        let rows: String = (file * each..(file + 1) * each).map(|id| format!("{id}\n")).collect();
        fs::write(dir.join(format!("{file}.csv")), rows).unwrap();
    }
}

/// The rows that were finished in a sink.
fn written(dir: &Path) -> BTreeMap<u64, u64> {
    let mut rows = BTreeMap::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        for line in fs::read_to_string(entry.path()).unwrap().lines() {
            let (id, n) = line.split_once(',').unwrap();
            *rows.entry(id.parse().unwrap()).or_insert(0) += n.parse::<u64>().unwrap();
        }
    }
    rows
}

fn files_are_read_on_from_a_state_that_was_kept(cluster: &Cluster) {
    let (input, sink) = (cluster.path("rehearse-in"), cluster.path("rehearse-out"));
    numbers(&input, 8_000);
    let tables = format!(
        "CREATE TABLE numbers (id BIGINT) WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'csv', \
         'source.monitor-interval' = '1 s');\n\
         CREATE TABLE copied (id BIGINT, n BIGINT) WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'csv', \
         'sink.rolling-policy.rollover-interval' = '500 ms', 'sink.rolling-policy.check-interval' = '250 ms');\n\
         SET 'execution.checkpointing.interval' = '500 ms';\n",
        uri(&input),
        uri(&sink),
    );
    // So slow that from the first rows to the last there is time for a savepoint, on a fast machine too.
    let slow = "CHAR_LENGTH(SHA512(REPEAT(CAST(id AS STRING), 4000)))";
    let started = Started::by(
        Shell::sql(cluster),
        cluster,
        "rehearsed-files",
        &tables,
        &format!("INSERT INTO copied SELECT id, {slow} FROM numbers"),
    );
    // The files are known then: until the source has found them the state knows of none.
    wait_for("the first rows", || {
        if written(&sink).is_empty() { Err(()) } else { Ok(()) }
    });
    // At once: skep would look first whether all tasks run, and be told what was so three seconds ago.
    let path = cluster.witness().take_savepoint(&started.job);
    wait_for("the rows", || {
        let count = written(&sink).len();
        if count == 24_000 { Ok(()) } else { Err(count) }
    });
    let before = (started.ledger(), written(&sink));

    // Behind the savepoint there is what had not been read by then, of which one in a hundred is changed.
    let new = "INSERT INTO copied SELECT id, CASE WHEN MOD(id, 100) = 7 THEN 2 ELSE 128 END FROM numbers";
    let options = format!("--dir {}", started.dir());
    let done = started.rehearse(&format!("--from {path} {options}"), new);
    assert_eq!(done["state"], path.as_str());
    let [same, added, removed, changed] = counts(&done);
    assert_eq!((added, changed), (removed, 0), "{done}");
    let rest = same + added;
    assert!(rest > 100 && rest < 24_000, "{done}");
    assert!(
        added.abs_diff(rest / 100) <= 3,
        "each file is cut at one place only: {done}"
    );

    // Behind a savepoint of now there is nothing.
    let program = started.shell.skep().with("upgrade --rehearse").with(&options);
    let output = program.arg(started.name).arg(new).run().expect_code(0);
    assert!(
        output
            .stdout
            .starts_with("copied: 0 rows the same, 0 added, 0 removed, 0 changed"),
        "{output}"
    );
    assert!(output.stderr.contains("--from WHICH"), "{output}");

    assert!(super::has_metadata(&path));
    started.assert_untouched(&before.0);
    assert_eq!(written(&sink), before.1);
}

fn what_can_not_be_read_twice_is_refused_by_name(cluster: &Cluster) {
    let tables = "CREATE TABLE random (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '20');\n\
                  CREATE TABLE nowhere (id BIGINT) WITH ('connector' = 'blackhole');\n";
    let started = Started::new(
        cluster,
        "not-rehearsed",
        tables,
        "INSERT INTO nowhere SELECT id FROM random",
    );
    let before = started.ledger();
    let refused = |sql: &str, why: &str| {
        let program = started.shell.skep().with("upgrade --rehearse --dir").arg(started.dir());
        let output = program.arg(started.name).arg(sql).run().expect(1, "");
        assert!(output.stderr.contains(why), "{output}");
        assert!(
            !output.stderr.contains("a savepoint"),
            "before anything is taken: {output}"
        );
        started.assert_untouched(&before);
    };
    refused(
        "INSERT INTO nowhere SELECT id + 1 FROM random",
        "the old statement: both statements would have to read the same rows of random, and can't: its column id is random",
    );
    assert!(!started.ledger().lines().any(|line| started.is_discarded(line)));
    refused("INSERT INTO nowhere SELECT COUNT(*) FROM random", "random");
}

fn taken_back_it_leaves_nothing(cluster: &Cluster) {
    let started = Started::new(cluster, "rehearsed-in-part", TABLES, OLD);
    let before = started.ledger();
    let new = "INSERT INTO counts SELECT MOD(id, 10), 1 + COUNT(*) FROM gen GROUP BY MOD(id, 10)";
    // So many rows that it is not over before it has been seen.
    let program = started
        .shell
        .skep()
        .with("upgrade --rehearse --rows 900000 --dir")
        .arg(started.dir());
    let mut pty = Pty::spawn(&program.arg(started.name).arg(new), 40, 220);
    pty.wait_for("what is done", |screen| {
        screen.has("rehearsal of rehearsed-in-part: the old statement is tried · ")
            && screen.has("Ctrl-C ends the rehearsal")
    });
    cluster.witness().wait_named(&started.tried());
    pty.send("\x03");
    assert_eq!(pty.wait().code, 130);
    started.assert_untouched(&before);
    started.assert_gone(1);
}

/// Starts shells until nothing is left of a rehearsal that was broken off, and returns what they have said of it.
#[track_caller]
fn clear(started: &Started<'_>) -> String {
    let mut said = String::new();
    wait_for("what the rehearsal has left to be removed", || {
        // A shell that has nothing else to do may be gone before it is done: the next one goes on.
        said.push_str(&started.shell.script("!jobs -a\n").expect_code(0).stderr);
        let jobs = started.cluster.witness().named(&started.tried());
        let left = (
            started.saved(),
            jobs.iter().filter(|job| job.state == "RUNNING").count(),
        );
        if left == (0, 0) && said.contains("broken off") {
            Ok(())
        } else {
            Err((left, said.clone()))
        }
    });
    said
}

fn what_a_killed_one_leaves_is_removed_by_the_next_shell(cluster: &Cluster) {
    let rest = Proxy::before(&cluster.rest());
    let shell = Shell::at(&format!("flink://{};rest={}", cluster.gateway(), rest.address()));
    let started = Started::by(shell, cluster, "rehearsed-and-killed", TABLES, OLD);
    cluster.witness().wait_checkpoint(&started.job);
    let (name, witness) = (started.name, cluster.witness());
    let new = "INSERT INTO counts SELECT MOD(id, 10), 1 + COUNT(*) FROM gen GROUP BY MOD(id, 10)";
    let rehearsal = || {
        let program = started.shell.skep().with("upgrade --rehearse --dir").arg(started.dir());
        program.arg(name).arg(new)
    };
    // The first is a savepoint of the job itself, the second of the one that shows the operators: that one runs until then.
    let asked = "POST /v1/jobs/*/savepoints";
    rest.break_nth(asked, 2, Break::After(Fault::Silence));
    let live = rehearsal().start();
    wait_for("both savepoints", || {
        let whole = started.whole();
        if whole == 2 { Ok(()) } else { Err(whole) }
    });
    let trial = witness.wait_named(&started.tried());
    live.signal(Signal::KILL);
    let _ = live.wait().expect_code(137);
    witness.wait_running(&trial);
    // A single command does what it says: it tells what is there.
    let jobs = objects(&started.shell.one_shot("jobs --json").expect_code(0).stdout);
    let listed = jobs.iter().find(|job| job["job_id"] == trial.as_str()).unwrap();
    assert_eq!(
        (&listed["name"], &listed["state"]),
        (&json!(started.tried()), &json!("RUNNING"))
    );
    let list = started
        .shell
        .one_shot(&format!("savepoints {name} --dir {} --json", started.dir()));
    let states = objects(&list.expect_code(0).stdout);
    let left = states.iter().find(|state| started.is_own(state)).unwrap();
    assert_eq!(
        (&left["verdict"], &left["kind"]),
        (&json!("usable"), &json!("savepoint"))
    );
    let said = clear(&started);
    assert!(said.contains(&format!("a rehearsal of {name}, begun ")), "{said}");
    assert!(
        said.contains(&format!("its job {} is cancelled", &trial[..8])),
        "{said}"
    );
    assert!(said.contains(&format!("its savepoint {}", started.dir())), "{said}");

    // Before it knew where its savepoint lies.
    let _ = rehearsal()
        .env("SKEP_FAILPOINT", "upgrade.rehearsal.saved")
        .run()
        .expect_code(134);
    assert_eq!(started.saved(), 1);
    let said = clear(&started);
    assert!(
        !said.contains(" is cancelled") && said.contains(" is deleted"),
        "{said}"
    );
    // Two of the job, and one of the job that showed the operators.
    started.assert_gone(3);
    // That is over: nobody speaks of it any more.
    let output = started.shell.script("!jobs -a\n").expect_code(0);
    assert!(!output.stderr.contains("broken off"), "{output}");
    started.assert_untouched(&started.ledger());
}
