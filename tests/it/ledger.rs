//! The ledger, from outside: what it holds after failures, and what never stands in it.

mod unusable;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use skep::ledger::{JobFilter, JobRecord, Ledger, Outcome, Part};

use crate::world::{World, wait_until};

/// Every statement that the world's ledger holds, oldest first.
fn held(world: &World) -> Vec<JobRecord> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let ledger = Ledger::open(&world.path("data")).unwrap();
    let filter = JobFilter {
        part: Part::All,
        ..JobFilter::default()
    };
    let mut jobs = runtime.block_on(ledger.jobs(filter)).unwrap();
    jobs.reverse();
    jobs
}

/// How many statements of this text the engine was given.
fn submitted(world: &World, text: &str) -> usize {
    let line = format!("submit {text}");
    world.journal().iter().filter(|entry| **entry == line).count()
}

/// The files below a directory that hold these bytes.
fn holding(dir: &Path, bytes: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holding(&path, bytes));
        } else if fs::read(&path)
            .unwrap_or_default()
            .windows(bytes.len())
            .any(|window| window == bytes.as_bytes())
        {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn a_statement_is_held_with_what_came_of_it() {
    let world = World::new();
    let program = world.scripted().with("-u scripted: --force -e");
    let output = program
        .arg("SET 'k' = 'v'; INSERT INTO a; SELECT 1; FAIL 'no'; INSERT INTO b;")
        .run();
    drop(output.expect_code(1));
    let held = held(&world);
    let names: Vec<_> = held
        .iter()
        .map(|job| (job.intent.name.as_str(), &job.outcome))
        .collect();
    assert_eq!(names, [("a", &Outcome::Accepted), ("b", &Outcome::Accepted)]);
    assert_eq!(held[0].intent.sql, "INSERT INTO a");
    assert_eq!(held[0].intent.prelude, ["SET 'k' = 'v'"]);
    assert_eq!(held[0].intent.url, "scripted:");
}

#[test]
fn a_list_that_the_cluster_does_not_give_is_told_by_the_exit_code() {
    let world = World::new();
    let mute = || world.scripted().with("-u scripted:mute");
    drop(mute().with("-e").arg("INSERT INTO orders").run().expect_code(0));
    let listed = mute().with("jobs --json").run().expect_code(5);
    let job: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!((&job["name"], &job["origin"]), (&"orders".into(), &"ledger".into()));
    listed.expect_stderr("could not be asked for its jobs: nobody answers any more");
    // A name is looked for where it can be.
    drop(
        mute()
            .with("job orders")
            .run()
            .expect_code(0)
            .expect_stderr("could not be asked"),
    );
}

#[test]
fn after_a_lost_reply_it_is_unknown_and_nothing_is_submitted_twice() {
    let world = World::new();
    let mut live = world.scripted().with("-u scripted: --json --force").start();
    live.send("INSERT INTO a LOST;\n");
    let err = live.wait_err("is not known");
    let id = err
        .split("whether job ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .to_owned();
    // It can be asked for by the id that was chosen before, and it has arrived.
    live.send(format!("!job {id}\n"));
    let out = live.wait_out("RUNNING");
    assert!(out.contains(&id), "{out}");
    drop(
        live.wait()
            .expect_code(1)
            .expect_stderr("the connection broke before the reply came"),
    );
    assert_eq!(submitted(&world, "INSERT INTO a LOST"), 1);
    let held = held(&world);
    assert_eq!(held.len(), 1);
    assert_eq!(held[0].job_id().to_string(), id);
    assert!(matches!(held[0].outcome, Outcome::Unknown(_)), "{:?}", held[0]);
}

#[test]
fn what_a_dead_shell_submitted_is_asked_for_by_the_next() {
    let world = World::new();
    let kept = || world.scripted().with("-u scripted:kept --json");
    let waiting = [
        ("INSERT INTO arrived UNANSWERED", "unanswered arrived"),
        ("INSERT INTO never SLOWLY", "submit INSERT INTO never SLOWLY"),
        ("INSERT INTO alive SLOWLY", "submit INSERT INTO alive SLOWLY"),
    ];
    let [arrived, never, alive] = waiting.map(|(statement, there)| {
        let mut live = kept().start();
        live.send(format!("{statement};\n"));
        world.wait_journal(there);
        live
    });
    // One hears that its reply was lost, and leaves. Two are killed while they wait for the answer: to what has arrived,
    // and to what has not. The last goes on waiting, and the answer is its own.
    drop(kept().stdin("INSERT INTO lost LOST;\n").run().expect_code(1));
    arrived.kill();
    never.kill();
    let outcomes = || held(&world).into_iter().map(|job| job.outcome).collect::<Vec<_>>();
    let before = outcomes();
    assert!(
        matches!(
            &before[..],
            [Outcome::Open, Outcome::Open, Outcome::Open, Outcome::Unknown(_)]
        ),
        "{before:?}"
    );
    let ids: Vec<_> = held(&world).iter().map(JobRecord::job_id).collect();

    let mut next = kept().start();
    world.wait_journal(&format!("status of {}, which is not here", ids[1]));
    let settled = || {
        let held = held(&world);
        let seen = held.iter().filter(|job| job.last.is_some()).count();
        let outcomes: Vec<_> = held.into_iter().map(|job| job.outcome).collect();
        let [Outcome::Accepted, Outcome::Unknown(_), Outcome::Open, Outcome::Accepted] = &outcomes[..] else {
            return false;
        };
        seen == 2
    };
    wait_until(|| format!("three outcomes in {:?}", held(&world)), settled);
    next.wait_err(&format!("whether job {} was started is not known", ids[1]));
    // They are jobs like any other.
    next.send("!job arrived\n!stop lost\n");
    let out = next.wait_for_out("the job and the savepoint", |out| {
        out.lines().count() == 2 && out.ends_with('\n')
    });
    let job: serde_json::Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
    let found = ["job_id", "state", "known", "origin", "sql"].map(|key| job[key].as_str().unwrap_or_default());
    let id = ids[0].to_string();
    let expected = [
        id.as_str(),
        "RUNNING",
        "live",
        "ledger",
        "INSERT INTO arrived UNANSWERED",
    ];
    assert_eq!(found, expected, "{out}");
    drop(next.wait().expect_code(0));
    let output = kept().with("jobs -a").run().expect_code(0);
    let known: BTreeMap<String, String> = output
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|job| {
            ["name", "known"]
                .map(|key| job[key].as_str().unwrap().to_owned())
                .into()
        })
        .collect();
    let expected = [
        ("alive", "unknown"),
        ("arrived", "live"),
        ("lost", "ended"),
        ("never", "unknown"),
    ];
    let expected = expected.map(|(name, known)| (name.to_owned(), known.to_owned()));
    assert_eq!(known, BTreeMap::from(expected));
    let journal = world.journal();
    assert!(
        !journal.iter().any(|line| line.contains(&ids[2].to_string())),
        "{journal:?}"
    );

    world.open_gate();
    drop(alive.wait().expect_code(0));
    assert_eq!(outcomes()[2], Outcome::Accepted);
    let journal = world.journal();
    let submitted: Vec<_> = journal.iter().filter_map(|line| line.strip_prefix("submit ")).collect();
    let [arrived, never, alive] = waiting.map(|(statement, _)| statement);
    assert_eq!(submitted, [arrived, never, alive, "INSERT INTO lost LOST"]);
}

#[cfg(feature = "failpoints")]
#[test]
fn an_intent_is_written_before_the_engine_hears_of_it() {
    for (point, statements) in [("before", 0), ("after", 1)] {
        let world = World::new();
        let program = world.scripted().with("-u scripted: -e").arg("INSERT INTO a");
        let output = program.env("SKEP_FAILPOINT", format!("ledger.intent.{point}")).run();
        drop(output.expect_code(128 + 6));
        assert!(world.journal().is_empty(), "the engine has heard nothing");
        let held = held(&world);
        assert_eq!(held.len(), statements);
        assert!(held.iter().all(|job| job.outcome == Outcome::Open));
    }
}

#[test]
fn killed_at_any_of_its_failpoints_the_next_start_works() {
    for point in skep::failpoint::ALL.iter().filter(|point| point.starts_with("ledger.")) {
        let world = World::new();
        // Statements of every sort; not each point is passed by them, and where none is the script simply ends.
        let script = "INSERT INTO a;\n!savepoint %1 --label x\n!stop %1\nINSERT INTO b;\nDIE b 'boom';\n\
                      INSERT INTO c LOST;\n";
        let program = world.scripted().with("-u scripted: --force").stdin(script);
        let output = program.env("SKEP_FAILPOINT", point).run();
        assert!(output.code == 128 + 6 || output.code == 1, "{point}: {output}");
        assert!(!output.stderr.contains("panicked"), "{point}: {output}");
        let before = held(&world).len();
        let output = world
            .scripted()
            .with("-u scripted: -e")
            .arg("INSERT INTO next;\n!jobs -a\n!savepoints")
            .run();
        // Nothing is said of the ledger: it is whole.
        assert!(!output.stderr.contains("ledger"), "{point}: {output}");
        assert_eq!(held(&world).len(), before + 1, "{point}");
    }
}

/// The numbers in the files of a directory that a reader sees, sorted.
#[cfg(feature = "local")]
fn rows(dir: &Path) -> Vec<u64> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    let visible = paths.filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with('.'));
    let texts: Vec<_> = visible.map(|path| fs::read_to_string(path).unwrap()).collect();
    let mut rows: Vec<u64> = texts
        .iter()
        .flat_map(|text| text.lines())
        .map(|line| line.parse().unwrap())
        .collect();
    rows.sort_unstable();
    rows
}

#[cfg(feature = "local")]
#[test]
fn killed_at_any_of_its_failpoints_a_local_job_comes_back() {
    let passed: Vec<_> = skep::failpoint::ALL
        .iter()
        .filter(|point| point.starts_with("ledger."))
        .filter(|point| {
            let world = World::new();
            let script = "SET 'execution.checkpointing.interval' = '20 ms';\nSET 'execution.runtime-mode' = 'streaming';\n\
                CREATE TABLE n (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '10000000', \
                'fields.n.kind' = 'sequence', 'fields.n.start' = '1', 'fields.n.end' = '30000');\n\
                CREATE TABLE copy (n BIGINT) WITH ('connector' = 'filesystem', 'path' = 'copy', 'format' = 'csv');\n\
                INSERT INTO copy SELECT n FROM n &;\n!wait %1 --until first-checkpoint\n!savepoint %1 --label x\n!stop %1\n";
            // Slowly at first: it is still there to be stopped.
            let program = world.skep().with("-u local:state -D local.source.rows-per-second=100").stdin(script);
            let output = program.env("SKEP_FAILPOINT", **point).run();
            let aborted = output.code == 128 + 6;
            assert!(aborted || output.code == 0, "{point}: {output}");
            let restored = world.skep().with("-u local:state restore copy").run();
            if restored.code != 0 {
                // Killed before there was a job, or before it had a checkpoint: then it starts from the beginning.
                assert!(
                    aborted && rows(&world.path("copy")).is_empty(), "{point}: {output}\n{restored}");
                let again = world.skep().with("-u local:state").stdin(script.replace(" &;", ";")).run();
                assert!(!again.stderr.contains("ledger"), "{point}: {again}");
            }
            let rows = rows(&world.path("copy"));
            assert_eq!(rows, (1..=30_000).collect::<Vec<_>>(), "{point}");
            aborted
        })
        .collect();
    assert!(passed.len() > 5, "only {passed:?} were passed");
}

#[test]
fn two_shells_write_at_once() {
    let world = World::new();
    let script = |name: &str| (0..25).map(|n| format!("INSERT INTO {name}{n};\n")).collect::<String>();
    let shells: Vec<_> = ["left", "right"]
        .map(|name| world.scripted().with("-u scripted:").stdin(script(name)).start())
        .into();
    for shell in shells {
        let output = shell.wait().expect_code(0);
        assert!(!output.stderr.contains("warning"), "{output}");
    }
    let held = held(&world);
    assert_eq!(held.len(), 50);
    assert!(held.iter().all(|job| job.outcome == Outcome::Accepted));
    let ids: BTreeSet<_> = held.iter().map(|job| job.job_id().to_string()).collect();
    assert_eq!(ids.len(), 50);
}

// Secrets.

#[test]
fn a_secret_stands_in_no_file_and_in_no_output() {
    let world = World::new();
    let program = world.scripted().with("-u scripted: --force --json");
    let script = "SET 'kafka.password' = 'S3cr3tOne';\nINSERT INTO a;\nSET 'url' = 'jdbc:x://u:S3cr3tOne@host/';\n\
                  INSERT INTO b;\nCREATE TABLE t (a INT) WITH ('password' = 'S3cr3tOne');\nFAIL 'x';\n\
                  !job %1\n!jobs -a\n!job %2\n";
    let output = program.stdin(script).run().expect_code(1);
    assert!(
        !output.stdout.contains("S3cr3tOne") && !output.stderr.contains("S3cr3tOne"),
        "{output}"
    );
    assert_eq!(holding(&world.path("data"), "S3cr3tOne"), Vec::<String>::new());
    let held = held(&world);
    assert_eq!(
        held[0].intent.prelude,
        ["SET 'kafka.password' = '${secret:kafka.password}'"]
    );
    // The engine has seen what it was to see.
    assert_eq!(submitted(&world, "SET 'kafka.password' = 'S3cr3tOne'"), 1);
}

#[test]
fn a_secret_that_nobody_gave_is_asked_for_with_what_it_is_for() {
    let world = World::new();
    let mut pty = world.scripted().with("-u scripted:").pty();
    drop(pty.wait_prompt("scripted> "));
    pty.line("CREATE TABLE orders (a INT) WITH ('password' = '${secret:orders.password}');");
    pty.wait_text("secret orders.password, for CREATE TABLE orders: ");
    pty.send("S3cr3tOne\r");
    let screen = pty.wait_prompt("scripted> ");
    assert!(!screen.raw.contains("S3cr3tOne"), "{screen}");
    assert_eq!(
        submitted(&world, "CREATE TABLE orders (a INT) WITH ('password' = 'S3cr3tOne')"),
        1
    );
    pty.line("!quit");
    pty.wait();
}

#[test]
fn a_secret_stands_in_no_history() {
    let world = World::new();
    let mut pty = world.scripted().with("-u scripted:").pty();
    drop(pty.wait_prompt("scripted> "));
    pty.line("SET 'kafka.password' = 'S3cr3tOne';");
    drop(pty.wait_text("ok"));
    drop(pty.wait_prompt("scripted> "));
    pty.line("!quit");
    assert_eq!(pty.wait().code, 0);
    assert_eq!(holding(&world.path("data"), "S3cr3tOne"), Vec::<String>::new());
    assert!(
        !holding(&world.path("data"), "kafka.password").is_empty(),
        "the line itself is kept"
    );
}

#[test]
fn in_an_error_a_secret_is_stars() {
    let world = World::new();
    let program = world.scripted().with("-u scripted: -e");
    let output = program
        .arg("FAIL 'x' WITH ('password' = 'S3cr3tOne', 'k' = 'v')")
        .run()
        .expect_code(1);
    assert!(!output.stderr.contains("S3cr3tOne"), "{output}");
    drop(output.expect_stderr("\n   FAIL 'x' WITH ('password' = '*********', 'k' = 'v')\n        ^^^\n"));
}

#[cfg(feature = "local")]
#[test]
fn a_job_with_a_secret_comes_back_only_with_it() {
    let world = World::new();
    let script = "SET 'my.password' = 'S3cr3tOne';\n\
        CREATE TABLE n (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '100');\n\
        CREATE TABLE b (n BIGINT) WITH ('connector' = 'blackhole');\nINSERT INTO b SELECT n FROM n;\n!stop %1\n";
    let local = || world.skep().with("-u local:state");
    drop(local().stdin(script).run().expect_code(0));
    for dir in ["data", "state"] {
        assert_eq!(holding(&world.path(dir), "S3cr3tOne"), Vec::<String>::new());
    }
    let before = fs::read_dir(world.path("state/jobs")).unwrap().count();
    // Nobody can be asked for it: refused, and named.
    let output = local()
        .with("restore b")
        .run()
        .expect(1, "")
        .expect_stderr("my.password");
    drop(
        output
            .expect_stderr("nothing was submitted")
            .expect_stderr("--secret my.password=@FILE"),
    );
    assert_eq!(fs::read_dir(world.path("state/jobs")).unwrap().count(), before);
    // Given in a file, it is.
    world.write("secret.txt", "S3cr3tOne\n");
    let program = local()
        .with("--secret my.password=@secret.txt")
        .stdin("!restore b\n!stop %1\n");
    let output = program.run().expect_code(0);
    assert!(
        !output.stdout.contains("S3cr3tOne") && !output.stderr.contains("S3cr3tOne"),
        "{output}"
    );
    // Or typed in the session before, as the statement itself was.
    drop(
        local()
            .stdin(format!("{script}!restore b\n!stop %2\n"))
            .run()
            .expect_code(0),
    );
    for dir in ["data", "state"] {
        assert_eq!(holding(&world.path(dir), "S3cr3tOne"), Vec::<String>::new());
    }
}

#[test]
fn an_environment_variable_is_not_expanded_in_what_is_kept() {
    let world = World::new();
    let program = world
        .scripted()
        .with("-u scripted: -e")
        .arg("SET 'k' = '${env:SOME_VALUE}'; INSERT INTO a;");
    drop(program.clone().env("SOME_VALUE", "expanded").run().expect_code(0));
    assert_eq!(submitted(&world, "SET 'k' = 'expanded'"), 1);
    assert_eq!(held(&world)[0].intent.prelude, ["SET 'k' = '${env:SOME_VALUE}'"]);
    assert_eq!(holding(&world.path("data"), "expanded"), Vec::<String>::new());
    drop(program.run().expect(1, "").expect_stderr("SOME_VALUE"));
}

// A ledger that can't be had.

#[test]
fn a_home_that_is_none_is_no_hindrance() {
    let world = World::new();
    let program = world
        .skep()
        .env("HOME", "/dev/null")
        .env("SKEP_DATA_DIR", "")
        .with("-u local:state -o csv -e");
    let output = program.arg("SELECT 1 AS a; SELECT 2 AS b").run();
    if cfg!(feature = "local") {
        let output = output.expect(0, "a\n1\nb\n2\n");
        assert_eq!(output.stderr.lines().count(), 1, "{output}");
    }
}

#[cfg(unix)]
#[test]
fn what_is_kept_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    drop(
        world
            .scripted()
            .with("-u scripted: -e")
            .arg("INSERT INTO a")
            .run()
            .expect_code(0),
    );
    for entry in fs::read_dir(world.path("data")).unwrap() {
        let path = entry.unwrap().path();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} is {mode:o}", path.display());
    }
}
