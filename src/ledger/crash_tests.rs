//! Shells as processes of their own: two that write at once, and one that dies in the midst of writing.
//!
//! The process is this test's own executable, started again for the one test [`entry`].

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use skep_engine::JobState;

use super::tests::{URL, id, intent};
use super::*;

const DIR: &str = "SKEP_TEST_LEDGER";
const ROLE: &str = "SKEP_TEST_ROLE";

fn process(dir: &Path, role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--exact",
            "ledger::crash_tests::entry",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(DIR, dir)
        .env(ROLE, role)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

/// What a started process does: it writes the jobs `from..to` and ends, or with `…` at the end goes on writing until
/// it is killed. As a test of its own it does nothing.
#[test]
fn entry() {
    let (Some(dir), Ok(role)) = (std::env::var_os(DIR), std::env::var(ROLE)) else {
        return;
    };
    let mut store = Store::open(Path::new(&dir)).unwrap();
    match role.split_once("..") {
        Some((first, last)) => {
            let (first, last): (u8, u8) = (first.parse().unwrap(), last.trim_end_matches('…').parse().unwrap());
            for number in first..last {
                store.intend(&intent(number)).unwrap();
                println!("wrote {number}");
            }
            while role.ends_with('…') {
                store
                    .note_status(URL, id(first), &JobStatus::new(JobState::Running))
                    .unwrap();
            }
        }
        #[cfg(feature = "failpoints")]
        None => steps::ALL.iter().for_each(|(_, step)| step(&mut store)),
        #[cfg(not(feature = "failpoints"))]
        None => panic!("no role {role}"),
    }
}

/// The numbers that a process says it has written, as they come.
fn numbers(child: &mut Child) -> impl Iterator<Item = u8> + use<> {
    let output = BufReader::new(child.stdout.take().unwrap());
    let lines = output.lines().map_while(Result::ok);
    lines.filter_map(|line| line.rsplit_once("wrote ").and_then(|(_, number)| number.parse().ok()))
}

/// The numbers that the ledger holds, in the order in which they were written.
fn held(dir: &Path) -> Vec<u8> {
    let store = Store::open(dir).unwrap();
    let health: String = store
        .connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(health, "ok");
    let filter = JobFilter {
        part: Part::All,
        ..JobFilter::default()
    };
    store
        .jobs(&filter)
        .unwrap()
        .iter()
        .rev()
        .map(|job| job.job_id().as_bytes()[0])
        .collect()
}

#[test]
fn two_processes_write_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = process(dir.path(), "0..40").spawn().unwrap();
    let mut second = process(dir.path(), "100..140").spawn().unwrap();
    assert_eq!(numbers(&mut first).collect::<Vec<_>>(), (0..40).collect::<Vec<_>>());
    assert_eq!(numbers(&mut second).collect::<Vec<_>>(), (100..140).collect::<Vec<_>>());
    assert!(first.wait().unwrap().success() && second.wait().unwrap().success());
    let mut held = held(dir.path());
    held.sort_unstable();
    assert_eq!(held, (0..40).chain(100..140).collect::<Vec<_>>());
}

#[test]
fn a_killed_shell_leaves_what_it_has_committed() {
    let dir = tempfile::tempdir().unwrap();
    let mut expected = Vec::new();
    for (round, enough) in [1, 3, 7, 2, 5].into_iter().enumerate() {
        let first = u8::try_from(round * 50).unwrap();
        let mut shell = process(dir.path(), &format!("{first}..{}…", first + 49))
            .spawn()
            .unwrap();
        let mut reported = numbers(&mut shell);
        expected.extend(reported.by_ref().take(enough));
        // SIGKILL, while it goes on writing.
        shell.kill().unwrap();
        expected.extend(reported);
        assert_eq!(shell.wait().unwrap().signal(), Some(9));
        let held = held(dir.path());
        assert!(held.starts_with(&expected), "{held:?} holds not all of {expected:?}");
        // Committed, but not reported any more.
        assert!(
            held.len() <= expected.len() + 1,
            "{held:?} holds more than {expected:?}"
        );
        expected = held;
    }
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(
        store.orphans(None).unwrap().len(),
        expected.len(),
        "all their shells are dead"
    );
}

/// Dies at each failpoint once.
#[cfg(feature = "failpoints")]
mod steps {
    use jiff::Timestamp;
    use skep_engine::Savepoint;

    use super::super::tests::{note, recipe, savepoint, started, upgrade};
    use super::*;
    use crate::failpoint;
    use crate::ledger::{Line, Note, Subject};

    type Step = (&'static str, fn(&mut Store));

    /// A write of each sort, each one commit, under the names of their failpoints.
    pub const ALL: &[Step] = &[
        ("intent", |store| store.intend(&intent(1)).unwrap()),
        ("accepted", |store| store.accept(URL, id(1), &started(1), None).unwrap()),
        ("intent", |store| store.intend(&intent(2)).unwrap()),
        ("settled", |store| {
            store.settle(URL, id(2), &Outcome::Refused("no".to_owned())).unwrap();
        }),
        ("forgotten", |store| store.forget(URL, id(2)).unwrap()),
        ("status", |store| {
            let status = JobStatus {
                as_of: Timestamp::UNIX_EPOCH,
                ..JobStatus::new(JobState::Running)
            };
            store.note_status(URL, id(1), &status).unwrap();
        }),
        ("savepoint", |store| store.save(URL, &savepoint(1, "/sp/1", 1)).unwrap()),
        ("label", |store| assert_eq!(store.label("/sp/1", "v1").unwrap(), None)),
        ("import", |store| {
            store.import(URL, "local", &[recipe(3), recipe(4)]).unwrap();
        }),
        ("intent", |store| store.intend(&intent(5)).unwrap()),
        ("upgrade", |store| store.begin_upgrade(&upgrade(6, 1)).unwrap()),
        ("upgrade", |store| {
            let next = Upgrade {
                step: crate::ledger::Step::Submitting,
                new_job: Some(id(7)),
                ..upgrade(6, 1)
            };
            store.write_upgrade(&next).unwrap();
        }),
        ("note", |store| store.note(&note(1, "slow")).unwrap()),
        ("merged", |store| {
            let lines = [
                Line::Note(note(1, "slow again")),
                Line::Upgrade(Box::new(Upgraded {
                    upgrade: upgrade(8, 3),
                    steps: Vec::new(),
                })),
            ];
            assert_eq!(store.take_in(&lines).unwrap().notes, 1);
        }),
    ];

    /// Everything a ledger holds but what differs from run to run.
    fn contents(store: &Store) -> (Vec<JobRecord>, Vec<Savepoint>, Vec<Upgrade>, Vec<Note>) {
        let filter = JobFilter {
            part: Part::All,
            ..JobFilter::default()
        };
        let mut jobs = store.jobs(&filter).unwrap();
        for job in &mut jobs {
            if job.shell_pid.take().is_some() {
                job.created = Timestamp::UNIX_EPOCH;
            }
        }
        let upgrades = store.open_upgrades(None, false).unwrap();
        let notes = store.notes(&[Subject::JobId(id(1))]).unwrap();
        (jobs, store.all_savepoints(None).unwrap(), upgrades, notes)
    }

    /// What the ledger holds after the first steps.
    fn after(steps: usize) -> (Vec<JobRecord>, Vec<Savepoint>, Vec<Upgrade>, Vec<Note>) {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path()).unwrap();
        ALL[..steps].iter().for_each(|(_, step)| step(&mut store));
        contents(&store)
    }

    #[test]
    fn a_shell_that_dies_at_any_step_leaves_exactly_what_it_has_committed() {
        for point in failpoint::ALL.iter().filter(|name| name.starts_with("ledger.")) {
            let (step, moment) = point.trim_start_matches("ledger.").split_once('.').unwrap();
            let places: Vec<_> = (0..ALL.len()).filter(|place| ALL[*place].0 == step).collect();
            assert!(!places.is_empty(), "no write passes {point}");
            for (nth, place) in (1..).zip(places) {
                let dir = tempfile::tempdir().unwrap();
                let mut shell = process(dir.path(), "every step");
                let status = shell
                    .env(failpoint::VARIABLE, format!("{point}:{nth}"))
                    .status()
                    .unwrap();
                assert_eq!(status.signal(), Some(6), "{point}:{nth} was to abort it: {status}");
                held(dir.path());
                let committed = if moment == "after" { place + 1 } else { place };
                let mut store = Store::open(dir.path()).unwrap();
                assert_eq!(contents(&store), after(committed), "after {point}:{nth}");
                // And another shell goes on from there.
                store.intend(&intent(99)).unwrap();
            }
        }
    }

    #[test]
    fn undisturbed_every_step_is_written() {
        let dir = tempfile::tempdir().unwrap();
        assert!(process(dir.path(), "every step").status().unwrap().success());
        assert_eq!(contents(&Store::open(dir.path()).unwrap()), after(ALL.len()));
    }
}
