//! The ledger as its callers see it: one shell, two shells, and a shell that is killed.

use std::path::Path;

use jiff::Timestamp;
use skep_engine::{
    EndedBy, JobId, JobState, JobStatus, Lineage, OperationId, Recipe, Savepoint, SavepointKind, StartedJob, Verdict,
};

use super::*;

mod family;

pub(super) const URL: &str = "local:/data";

pub(super) fn id(number: u8) -> JobId {
    JobId::from_bytes([number; 16])
}

pub(super) fn intent(number: u8) -> Intent {
    Intent {
        job_id: id(number),
        url: URL.to_owned(),
        engine: "local".to_owned(),
        name: format!("job-{number}"),
        sql: "INSERT INTO t SELECT * FROM s".to_owned(),
        prelude: vec![
            "SET 'a' = 'b'".to_owned(),
            "CREATE TEMPORARY TABLE s (x INT)".to_owned(),
        ],
        restored_from: None,
        submission: Submission::default(),
    }
}

pub(super) fn started(number: u8) -> StartedJob {
    StartedJob {
        job_id: id(number),
        cluster_id: Some("c1".to_owned()),
        name: format!("job-{number}"),
        bounded: false,
    }
}

pub(super) fn savepoint(number: u8, path: &str, checkpoint: u64) -> Savepoint {
    Savepoint {
        path: path.to_owned(),
        kind: SavepointKind::Savepoint,
        job_id: Some(id(number)),
        checkpoint_id: Some(checkpoint),
        taken: Timestamp::from_second(1_000 + checkpoint.cast_signed()).ok(),
        size: Some(u64::MAX),
        format_version: Some(1),
        label: None,
        verdict: Verdict::Usable,
        reasons: Vec::new(),
        sources: vec!["ledger".to_owned()],
    }
}

pub(super) fn recipe(number: u8) -> Recipe {
    Recipe {
        job_id: id(number),
        name: format!("job-{number}"),
        sql: "INSERT INTO t SELECT 1".to_owned(),
        prelude: vec!["USE x".to_owned()],
        started: Timestamp::from_second(100 + i64::from(number)).unwrap(),
        ended: None,
        ended_by: None,
        state: JobState::Running,
        restored_from: None,
        error: None,
    }
}

pub(super) fn note(job: u8, text: &str) -> Note {
    Note {
        subject: Subject::JobId(id(job)),
        at: Timestamp::UNIX_EPOCH,
        text: text.to_owned(),
    }
}

pub(super) fn upgrade(number: u8, old: u8) -> Upgrade {
    let version = |sql: &str| Version {
        sql: sql.to_owned(),
        prelude: vec!["SET 'a' = 'b'".to_owned()],
    };
    Upgrade {
        id: id(number),
        url: URL.to_owned(),
        name: format!("job-{old}"),
        old_job: id(old),
        old: version("INSERT INTO t SELECT 1"),
        new: version("INSERT INTO t SELECT 2"),
        terms: Terms {
            dir: None,
            native: false,
            until_running: false,
            timeout_ms: 1_000,
            allow_non_restored: false,
        },
        savepoint: None,
        new_job: None,
        again_job: None,
        cause: None,
        overtaken: false,
        step: Step::Stopping,
        began: Timestamp::UNIX_EPOCH,
    }
}

fn from(number: u8, path: &str, checkpoint: u64) -> Option<Lineage> {
    Some(Lineage {
        job_id: Some(id(number)),
        checkpoint_id: Some(checkpoint),
        path: path.to_owned(),
    })
}

fn open(dir: &Path) -> Ledger {
    Ledger::open(dir).unwrap()
}

async fn ids(ledger: &Ledger, part: Part) -> Vec<JobId> {
    let filter = JobFilter {
        part,
        ..JobFilter::default()
    };
    ledger
        .jobs(filter)
        .await
        .unwrap()
        .iter()
        .map(JobRecord::job_id)
        .collect()
}

#[tokio::test]
async fn an_intent_comes_back_as_it_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let written = Intent {
        restored_from: from(9, "/sp/9", 4),
        ..intent(1)
    };
    open(dir.path()).intend(written.clone()).await.unwrap();
    let record = open(dir.path()).job(URL, id(1)).await.unwrap().unwrap();
    assert_eq!(record.intent, written);
    assert_eq!(record.outcome, Outcome::Open);
    assert_eq!(record.shell_pid, Some(std::process::id()));
    assert_eq!(record.last, None);
}

#[tokio::test]
async fn one_id_is_written_once() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    ledger.intend(intent(1)).await.unwrap();
    assert_eq!(ledger.intend(intent(1)).await, Err(LedgerError::Duplicate(id(1))));
    assert_eq!(ids(&ledger, Part::All).await, [id(1)]);
}

#[tokio::test]
async fn a_text_that_many_jobs_need_is_kept_once() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    for number in 1..=20 {
        ledger.intend(intent(number)).await.unwrap();
    }
    drop(ledger);
    let database = rusqlite::Connection::open(dir.path().join("ledger.db")).unwrap();
    let texts: i64 = database
        .query_row("SELECT count(*) FROM statement", [], |row| row.get(0))
        .unwrap();
    assert_eq!(texts, 2);
    let shells: i64 = database
        .query_row("SELECT count(*) FROM shell", [], |row| row.get(0))
        .unwrap();
    assert_eq!(shells, 1, "one shell, one number");
}

#[tokio::test]
async fn the_engines_id_and_name_replace_the_chosen_ones() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    ledger.intend(intent(1)).await.unwrap();
    let given = StartedJob {
        name: "insert-into_t".to_owned(),
        ..started(7)
    };
    ledger.accepted(URL, id(1), given, Some(OperationId("op-1".to_owned())));
    assert_eq!(ledger.job(URL, id(1)).await.unwrap(), None);
    let record = ledger.job(URL, id(7)).await.unwrap().unwrap();
    assert_eq!(record.outcome, Outcome::Accepted);
    assert_eq!(record.intent.name, "insert-into_t");
    assert_eq!(record.intent.prelude, intent(1).prelude);
    assert_eq!(record.cluster_id.as_deref(), Some("c1"));
    assert_eq!(record.operation_id, Some(OperationId("op-1".to_owned())));
}

#[tokio::test]
async fn what_was_accepted_is_never_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    ledger.intend(intent(1)).await.unwrap();
    ledger.settled(URL, id(1), Outcome::Unknown("reply lost".to_owned()));
    assert_eq!(ids(&ledger, Part::Unsettled).await, [id(1)]);
    ledger.accepted(URL, id(1), started(1), None);
    ledger.settled(URL, id(1), Outcome::NeverArrived);
    assert_eq!(
        ledger.job(URL, id(1)).await.unwrap().unwrap().outcome,
        Outcome::Accepted
    );
    assert_eq!(ledger.take_problem(), None);
}

#[tokio::test]
async fn lists_hold_the_part_that_is_asked_for_newest_first() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    for number in 1..=5 {
        ledger.intend(intent(number)).await.unwrap();
    }
    ledger.accepted(URL, id(1), started(1), None);
    ledger.status(URL, id(1), JobStatus::new(JobState::Finished));
    ledger.accepted(URL, id(2), started(2), None);
    ledger.status(URL, id(2), JobStatus::new(JobState::Running));
    ledger.settled(URL, id(3), Outcome::Refused("no such table".to_owned()));
    ledger.settled(URL, id(4), Outcome::NeverArrived);
    assert_eq!(ids(&ledger, Part::All).await, [id(5), id(4), id(3), id(2), id(1)]);
    assert_eq!(ids(&ledger, Part::Jobs).await, [id(5), id(2), id(1)]);
    assert_eq!(ids(&ledger, Part::NotEnded).await, [id(5), id(2)]);
    assert_eq!(ids(&ledger, Part::Unsettled).await, [id(5)]);
    let filter = JobFilter {
        url: Some(URL.to_owned()),
        part: Part::All,
        limit: Some(2),
        brief: true,
    };
    assert_eq!(ledger.jobs(filter).await.unwrap().len(), 2);
    let elsewhere = JobFilter {
        url: Some("flink://gw:8083".to_owned()),
        ..JobFilter::default()
    };
    assert_eq!(ledger.jobs(elsewhere).await.unwrap(), []);
}

#[tokio::test]
async fn the_end_of_a_job_is_not_taken_back_by_a_late_word() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    ledger.intend(intent(1)).await.unwrap();
    let at = |second| Timestamp::from_second(second).unwrap();
    let seen = |state, second| JobStatus {
        as_of: at(second),
        ..JobStatus::new(state)
    };
    ledger.status(
        URL,
        id(1),
        JobStatus {
            ended: Some(at(20)),
            ended_by: Some(EndedBy::Failed),
            error: Some("disk full".to_owned()),
            started: Some(at(5)),
            ..seen(JobState::Failed, 20)
        },
    );
    ledger.status(URL, id(1), seen(JobState::Running, 30));
    ledger.status(URL, id(1), seen(JobState::Failed, 40));
    let last = ledger.job(URL, id(1)).await.unwrap().unwrap().last.unwrap();
    assert_eq!(
        last,
        LastKnown {
            state: JobState::Failed,
            as_of: at(40),
            started: Some(at(5)),
            ended: Some(at(20)),
            ended_by: Some(EndedBy::Failed),
            error: Some("disk full".to_owned()),
        }
    );
    ledger.status(URL, id(2), seen(JobState::Running, 30));
    assert_eq!(
        ledger.job(URL, id(2)).await.unwrap(),
        None,
        "a job of other origin is not kept"
    );
    assert_eq!(ledger.take_problem(), None);
}

#[tokio::test]
async fn a_word_finds_ids_prefixes_names_and_operations() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let named = |number, name: &str| Intent {
        name: name.to_owned(),
        ..intent(number)
    };
    ledger.intend(named(0xab, "orders")).await.unwrap();
    ledger.intend(named(0xcd, "abab")).await.unwrap();
    ledger.accepted(
        URL,
        id(0xab),
        StartedJob {
            name: "orders".to_owned(),
            ..started(0xab)
        },
        Some(OperationId("op*".into())),
    );
    let find = |word: &'static str| {
        let ledger = ledger.clone();
        async move {
            let found = ledger.find(word, Some(URL)).await.unwrap();
            found.iter().map(JobRecord::job_id).collect::<Vec<_>>()
        }
    };
    assert_eq!(find("orders").await, [id(0xab)]);
    assert_eq!(find("ABAB").await, [id(0xab)]);
    assert_eq!(find("abab").await, [id(0xcd), id(0xab)], "a name and a prefix");
    assert_eq!(find("aba").await, [], "too short for a prefix");
    assert_eq!(find("op*").await, [id(0xab)]);
    assert_eq!(find("*").await, []);
    assert_eq!(find(&"cd".repeat(16).leak()[..]).await, [id(0xcd)]);
    assert_eq!(ledger.find("orders", Some("other:")).await.unwrap(), []);
}

#[tokio::test]
async fn a_record_is_one_flat_object() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    ledger.intend(intent(1)).await.unwrap();
    ledger.settled(URL, id(1), Outcome::Refused("no table t".to_owned()));
    let record = ledger.job(URL, id(1)).await.unwrap().unwrap();
    let json = serde_json::to_value(record).unwrap();
    assert_eq!(json["job_id"], id(1).to_string());
    assert_eq!(
        (json["outcome"].as_str(), json["message"].as_str()),
        (Some("refused"), Some("no table t"))
    );
    assert_eq!(json["prelude"][0], "SET 'a' = 'b'");
    assert!(json["last"].is_null());
}

#[tokio::test]
async fn importing_twice_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    // As engines give them: newest first.
    let recipes = vec![recipe(2), recipe(1)];
    ledger.import(URL, "local", recipes.clone());
    let first = ledger.jobs(JobFilter::default()).await.unwrap();
    assert_eq!(ids(&ledger, Part::Jobs).await, [id(2), id(1)]);
    assert_eq!(first[0].outcome, Outcome::Accepted);
    assert_eq!(first[0].created, recipe(2).started);
    assert_eq!(first[0].intent.prelude, recipe(2).prelude);
    assert_eq!(first[0].shell_pid, None);
    ledger.import(URL, "local", recipes);
    assert_eq!(ledger.jobs(JobFilter::default()).await.unwrap(), first);
    assert_eq!(ledger.take_problem(), None);
}

#[tokio::test]
async fn an_import_settles_an_intent_and_brings_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    ledger.intend(intent(1)).await.unwrap();
    let ended = Recipe {
        ended: Timestamp::from_second(500).ok(),
        ended_by: Some(EndedBy::Stopped),
        state: JobState::Finished,
        restored_from: from(9, "/sp/9", 2),
        ..recipe(1)
    };
    ledger.import(URL, "local", vec![ended.clone()]);
    let record = ledger.job(URL, id(1)).await.unwrap().unwrap();
    assert_eq!(record.outcome, Outcome::Accepted);
    assert_eq!(record.intent.sql, ended.sql);
    assert_eq!(record.intent.restored_from, ended.restored_from);
    let last = record.last.unwrap();
    assert_eq!(
        (last.state, last.ended_by),
        (JobState::Finished, Some(EndedBy::Stopped))
    );
}

#[tokio::test]
async fn a_job_of_another_connection_with_the_same_id_keeps_none_from_being_remembered() {
    const COPY: &str = "local:/copy";
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    ledger.import(COPY, "local", vec![recipe(1)]);
    ledger.intend(intent(1)).await.unwrap();
    ledger.accepted(URL, id(1), started(1), None);
    ledger.status(URL, id(1), JobStatus::new(JobState::Canceled));
    let of = async |url: &str| ledger.job(url, id(1)).await.unwrap().unwrap();
    let (here, copy) = (of(URL).await, of(COPY).await);
    assert_eq!((here.intent.url.as_str(), copy.intent.url.as_str()), (URL, COPY));
    assert_eq!(here.last.map(|last| last.state), Some(JobState::Canceled));
    assert_eq!(copy.last.map(|last| last.state), Some(recipe(1).state));
    assert_eq!(ledger.find("01010101", None).await.unwrap().len(), 2);
    // One cluster has several URLs: through one that has no job of its own, the newest is seen and kept up to date.
    assert_eq!(of("flink-rest://jm:8081").await.intent.url, URL);
    ledger.forget(URL, id(1));
    ledger.status("flink-rest://jm:8081", id(1), JobStatus::new(JobState::Failed));
    assert_eq!(of(URL).await.last.map(|last| last.state), Some(JobState::Failed));
    assert_eq!(ledger.take_problem(), None);
}

#[tokio::test]
async fn only_the_statements_of_dead_shells_are_orphans() {
    let dir = tempfile::tempdir().unwrap();
    let (alive, dead) = (open(dir.path()), open(dir.path()));
    alive.intend(intent(1)).await.unwrap();
    dead.intend(intent(2)).await.unwrap();
    dead.intend(intent(3)).await.unwrap();
    dead.settled(URL, id(3), Outcome::Unknown("connection reset".to_owned()));
    dead.intend(intent(4)).await.unwrap();
    dead.accepted(URL, id(4), started(4), None);
    assert_eq!(alive.orphans(None).await.unwrap(), []);
    drop(dead);
    let orphans = alive.orphans(Some(URL)).await.unwrap();
    let orphans: Vec<_> = orphans.iter().map(JobRecord::job_id).collect();
    assert_eq!(orphans, [id(3), id(2)]);
}

#[tokio::test]
async fn a_ledger_that_keeps_nothing_takes_everything() {
    let ledger = Ledger::none();
    assert!(!ledger.is_kept());
    ledger.intend(intent(1)).await.unwrap();
    ledger.accepted(URL, id(1), started(1), None);
    ledger.saved(URL, savepoint(1, "/sp/1", 1));
    ledger.flush().await;
    assert_eq!(ids(&ledger, Part::All).await, []);
    assert_eq!(ledger.label("/sp/1", "x").await, Ok(None));
    assert_eq!(ledger.take_problem(), None);
}

#[tokio::test]
async fn a_failed_write_that_nobody_waited_for_is_told_once() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    ledger.accepted(URL, id(1), started(1), None);
    ledger.flush().await;
    assert_eq!(ledger.take_problem(), Some(LedgerError::NoJob(id(1))));
    assert_eq!(ledger.take_problem(), None);
}

#[test]
fn what_was_sent_is_written_before_the_last_handle_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    for number in 1..=50 {
        ledger.import(URL, "local", vec![recipe(number)]);
    }
    drop(ledger);
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.jobs(&JobFilter::default()).unwrap().len(), 50);
}

#[test]
fn many_shells_open_and_write_at_once() {
    let dir = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for shell in 0..8_u8 {
            let dir = dir.path();
            scope.spawn(move || {
                let mut store = Store::open(dir).unwrap();
                for number in 0..10 {
                    store.intend(&intent(shell * 10 + number)).unwrap();
                }
            });
        }
    });
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.jobs(&JobFilter::default()).unwrap().len(), 80);
}

#[test]
fn a_page_that_was_overwritten_is_an_error_with_the_path() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    for number in 1..=100 {
        store.intend(&intent(number)).unwrap();
    }
    drop(store);
    let path = dir.path().join("ledger.db");
    let mut bytes = std::fs::read(&path).unwrap();
    for byte in &mut bytes[8192..] {
        *byte = 0xa5;
    }
    std::fs::write(&path, &bytes).unwrap();
    let error = match Store::open(dir.path()) {
        Ok(store) => store.jobs(&JobFilter::default()).unwrap_err(),
        Err(error) => error,
    };
    assert!(
        matches!(&error, LedgerError::Damaged { path: named, .. } if *named == path),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_upgrade_is_one_shells_until_that_has_ended() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (open(dir.path()), open(dir.path()));
    first.intend(intent(1)).await.unwrap();
    first.begin_upgrade(upgrade(6, 1)).await.unwrap();
    let again = second.begin_upgrade(upgrade(7, 1)).await;
    assert_eq!(again, Err(LedgerError::UpgradeOpen(id(6))));
    let pid = std::process::id();
    assert_eq!(second.take_upgrade(id(6)).await, Err(LedgerError::UpgradeHeld(pid)));
    assert!(second.open_upgrades(None, true).await.unwrap().is_empty());
    // Its own shell goes on with it.
    assert_eq!(first.take_upgrade(id(6)).await.unwrap(), upgrade(6, 1));
    drop(first);
    assert_eq!(second.open_upgrades(Some(URL), true).await.unwrap(), [upgrade(6, 1)]);
    let mut taken = second.take_upgrade(id(6)).await.unwrap();
    taken.step = Step::Upgraded;
    taken.new_job = Some(id(2));
    second.write_upgrade(taken.clone()).await.unwrap();
    assert!(second.open_upgrades(None, false).await.unwrap().is_empty());
    assert_eq!(second.take_upgrade(id(6)).await, Err(LedgerError::NoUpgrade(id(6))));
    assert_eq!(second.upgrades_of(vec![id(2), id(1)]).await.unwrap(), [taken]);
    second.begin_upgrade(upgrade(7, 1)).await.unwrap();
}

#[tokio::test]
async fn what_is_submitted_again_is_open_again_unless_it_was_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    ledger.intend_again(intent(1)).await.unwrap();
    ledger.settled(URL, id(1), Outcome::Unknown("lost".to_owned()));
    ledger.intend_again(intent(1)).await.unwrap();
    assert_eq!(ledger.job(URL, id(1)).await.unwrap().unwrap().outcome, Outcome::Open);
    ledger.accepted(URL, id(1), started(1), None);
    ledger.intend_again(intent(1)).await.unwrap();
    assert_eq!(
        ledger.job(URL, id(1)).await.unwrap().unwrap().outcome,
        Outcome::Accepted
    );
    assert_eq!(ids(&ledger, Part::All).await, [id(1)]);
}
