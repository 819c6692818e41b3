//! A ledger that goes elsewhere, one of an older format, and how things are found in a large one.

use std::fs;
use std::path::Path;

use skep_engine::{ClaimMode, JobState, JobStatus, Lineage};

use super::tests::{URL, id, intent, note, recipe, savepoint, started, upgrade};
use super::*;

fn open(dir: &Path) -> Ledger {
    Ledger::open(dir).unwrap()
}

/// Everything that an export gives.
async fn exported(ledger: &Ledger) -> Vec<Line> {
    let (mut all, mut place) = (Vec::new(), Some(Place::default()));
    while let Some(next) = place {
        let (lines, following) = ledger.export(next).await.unwrap();
        all.extend(lines);
        place = following;
    }
    all
}

/// A ledger with something of each sort.
async fn full(dir: &Path) -> Ledger {
    let ledger = open(dir);
    let submission = Submission {
        claim: ClaimMode::Claim,
        plan: Some(Plan {
            path: "/plans/1.json".to_owned(),
            sha256: Some("ab".repeat(32)),
        }),
        circumstances: [("parallelism.default".to_owned(), "2".to_owned())].into(),
        is_query: false,
        objects: [("t".to_owned(), "CREATE TABLE t (x INT)".to_owned())].into(),
    };
    let first = Intent {
        submission,
        ..intent(1)
    };
    ledger.intend(first).await.unwrap();
    ledger.accepted(URL, id(1), started(1), Some(OperationId("op-1".to_owned())));
    ledger.status(URL, id(1), JobStatus::new(JobState::Running));
    ledger.saved(URL, savepoint(1, "/sp/1", 1));
    ledger.label("/sp/1", "before").await.unwrap();
    let restored = Intent {
        restored_from: Some(Lineage {
            job_id: Some(id(1)),
            checkpoint_id: Some(1),
            path: "/sp/1".to_owned(),
        }),
        ..intent(2)
    };
    ledger.intend(restored).await.unwrap();
    ledger.settled(URL, id(2), Outcome::Refused("no such table".to_owned()));
    ledger.import("local:/other", "local", vec![recipe(3)]);
    ledger.begin_upgrade(upgrade(6, 1)).await.unwrap();
    let finished = Upgrade {
        step: Step::NotStopped,
        ..upgrade(6, 1)
    };
    ledger.write_upgrade(finished).await.unwrap();
    ledger.note(note(1, "slow since Monday")).await.unwrap();
    let about_state = Note {
        subject: Subject::Path("/sp/1".to_owned()),
        ..note(1, "the last good one")
    };
    ledger.note(about_state).await.unwrap();
    ledger
}

#[tokio::test]
async fn what_is_exported_is_taken_in_whole_and_once() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let lines = exported(&full(from.path()).await).await;
    // As text and back.
    let texts: Vec<String> = lines.iter().map(|line| serde_json::to_string(line).unwrap()).collect();
    let read: Vec<Line> = texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    assert_eq!(read, lines);
    let other = open(to.path());
    let taken = other.take_in(read.clone()).await.unwrap();
    let expected = Taken {
        jobs: 3,
        savepoints: 1,
        upgrades: 1,
        notes: 2,
    };
    assert_eq!(taken, expected);
    assert_eq!(exported(&other).await, lines);
    assert_eq!(other.take_in(read).await.unwrap(), Taken::default());
    assert_eq!(exported(&other).await, lines);
}

#[tokio::test]
async fn what_is_taken_in_completes_and_undoes_nothing() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let lines = exported(&full(from.path()).await).await;
    let here = open(to.path());
    // The same job, seen later and ended; the same state, with another label; a label that another state has.
    here.intend(intent(1)).await.unwrap();
    here.accepted(URL, id(1), started(1), None);
    let mut ended = JobStatus::new(JobState::Finished);
    ended.as_of = "2100-01-01T00:00:00Z".parse().unwrap();
    here.status(URL, id(1), ended);
    here.saved(URL, savepoint(1, "/sp/0", 1));
    here.label("/sp/0", "before").await.unwrap();
    // Of this one nothing had been heard here.
    here.intend(intent(2)).await.unwrap();
    here.take_in(lines).await.unwrap();
    let job = here.job(URL, id(1)).await.unwrap().unwrap();
    assert_eq!(job.last.unwrap().state, JobState::Finished);
    let refused = here.job(URL, id(2)).await.unwrap().unwrap();
    assert_eq!(refused.outcome, Outcome::Refused("no such table".to_owned()));
    let labelled = here.labelled("before", Some(URL)).await.unwrap();
    assert_eq!(labelled.len(), 1);
    assert_eq!(labelled[0].path, "/sp/0");
    assert_eq!(here.all_savepoints(None).await.unwrap().len(), 2);
}

#[tokio::test]
async fn what_was_rebuilt_from_the_engine_is_completed() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let lines = exported(&full(from.path()).await).await;
    let here = open(to.path());
    let found = Recipe {
        sql: intent(1).sql,
        prelude: intent(1).prelude,
        name: intent(1).name,
        ..recipe(1)
    };
    here.import(URL, "local", vec![found]);
    here.take_in(lines.clone()).await.unwrap();
    let job = here.job(URL, id(1)).await.unwrap().unwrap();
    assert_eq!(job.intent.submission.claim, ClaimMode::Claim);
    assert_eq!(job.intent.submission.objects.len(), 1);
    assert_eq!(job.operation_id, Some(OperationId("op-1".to_owned())));
    assert_eq!(here.take_in(lines).await.unwrap(), Taken::default());
}

#[tokio::test]
async fn an_outcome_that_was_open_there_is_unknown_here() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let there = open(from.path());
    there.intend(intent(1)).await.unwrap();
    let here = open(to.path());
    here.take_in(exported(&there).await).await.unwrap();
    let outcome = here.job(URL, id(1)).await.unwrap().unwrap().outcome;
    assert!(matches!(outcome, Outcome::Unknown(_)), "{outcome:?}");
    // Once it is known there, it is here.
    there.accepted(URL, id(1), started(1), None);
    here.take_in(exported(&there).await).await.unwrap();
    assert_eq!(here.job(URL, id(1)).await.unwrap().unwrap().outcome, Outcome::Accepted);
}

#[tokio::test]
async fn a_ledger_of_the_first_format_is_brought_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/ledger-format-1.db");
    fs::copy(fixture, dir.path().join("ledger.db")).unwrap();
    let ledger = open(dir.path());
    let jobs = ledger.find("copy", None).await.unwrap();
    assert_eq!(jobs.len(), 1);
    let job = &jobs[0];
    assert_eq!(job.intent.sql, "INSERT INTO copy SELECT n FROM n");
    assert_eq!(job.intent.prelude.len(), 4);
    assert_eq!(job.last.as_ref().unwrap().state, JobState::Finished);
    assert_eq!(ledger.savepoints(vec![job.job_id()]).await.unwrap().len(), 2);
    assert_eq!(ledger.labelled("before-fix", Some("local:")).await.unwrap().len(), 1);
    // And it is a ledger like any other.
    ledger.note(note(1, "from long ago")).await.unwrap();
    ledger.begin_upgrade(upgrade(6, 1)).await.unwrap();
    drop(ledger);
    assert_eq!(exported(&open(dir.path())).await.len(), 5);
}

#[test]
fn what_is_looked_up_is_found_by_an_index() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let newest = "job.url = ?1 ORDER BY job.seq DESC LIMIT 10".to_owned();
    let unsettled = "job.url = ?1 AND job.outcome IN ('open', 'unknown')".to_owned();
    let conditions = [query::meant(Some(URL)), query::meant(None), newest, unsettled];
    for condition in conditions {
        let sql = format!("EXPLAIN QUERY PLAN SELECT job.sql FROM job WHERE {condition}");
        let mut statement = store.connection.prepare(&sql).unwrap();
        // Parameters that are not given are NULL.
        let mut rows = statement.raw_query();
        let mut plan: Vec<String> = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            plan.push(row.get("detail").unwrap());
        }
        let scans = plan.iter().any(|step| step.starts_with("SCAN job"));
        assert!(!scans, "{condition}: {plan:#?}");
    }
}
