//! Savepoints, their labels, and who was restored from what.

use super::*;

#[tokio::test]
async fn a_label_names_one_savepoint_of_a_family_the_last() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    ledger.intend(intent(1)).await.unwrap();
    let child = Intent {
        // Only the savepoint's own record says whose it is.
        restored_from: Some(Lineage {
            job_id: None,
            checkpoint_id: None,
            path: "file:///sp/1/".to_owned(),
        }),
        ..intent(2)
    };
    ledger.intend(child).await.unwrap();
    ledger.intend(intent(3)).await.unwrap();
    for (number, path) in [(1, "/sp/1"), (2, "/sp/2"), (3, "/sp/3")] {
        ledger.saved(URL, savepoint(number, path, u64::from(number)));
    }
    assert_eq!(ledger.label("/sp/1", "nightly").await, Ok(None));
    assert_eq!(ledger.label("/sp/1", "nightly").await, Ok(None), "again");
    assert_eq!(ledger.label("/sp/3", "nightly").await, Ok(None), "another family");
    assert_eq!(ledger.label("/sp/2", "nightly").await, Ok(Some("/sp/1".to_owned())));
    assert_eq!(
        ledger.label("/sp/9", "nightly").await,
        Err(LedgerError::NoSavepoint("/sp/9".to_owned()))
    );
    let labels: Vec<_> = ledger.all_savepoints(Some(URL)).await.unwrap();
    let labels: Vec<_> = labels
        .iter()
        .map(|savepoint| (savepoint.path.as_str(), savepoint.label.as_deref()))
        .collect();
    assert_eq!(
        labels,
        [("/sp/3", Some("nightly")), ("/sp/2", Some("nightly")), ("/sp/1", None)]
    );
}

#[tokio::test]
async fn a_savepoint_recorded_again_keeps_what_was_known_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let first = Savepoint {
        label: Some("v1".to_owned()),
        ..savepoint(1, "/sp/1", 3)
    };
    ledger.saved(URL, first.clone());
    assert_eq!(
        ledger.savepoints(vec![id(1)]).await.unwrap(),
        std::slice::from_ref(&first)
    );
    let gone = Savepoint {
        size: None,
        verdict: Verdict::Gone,
        reasons: vec!["dropped".to_owned()],
        ..savepoint(1, "/sp/1/", 3)
    };
    ledger.saved(URL, gone);
    let expected = Savepoint {
        verdict: Verdict::Gone,
        reasons: vec!["dropped".to_owned()],
        ..first
    };
    assert_eq!(ledger.savepoints(vec![id(1), id(1)]).await.unwrap(), [expected]);
    assert_eq!(ledger.take_problem(), None);
}

#[tokio::test]
async fn a_family_reaches_up_and_down() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let restored = |number, origin| Intent {
        restored_from: from(origin, &format!("/sp/{origin}"), 1),
        ..intent(number)
    };
    // 1 → 2 → 3, 2 → 4; 5 was refused. Nothing is known of 1 but that 2 came from it.
    for (number, origin) in [(2, 1), (3, 2), (4, 2), (5, 2)] {
        ledger.intend(restored(number, origin)).await.unwrap();
    }
    ledger.settled(URL, id(5), Outcome::Refused("no".to_owned()));
    let family = ledger.family(id(3)).await.unwrap();
    assert_eq!(
        family.ancestors,
        [from(2, "/sp/2", 1).unwrap(), from(1, "/sp/1", 1).unwrap()]
    );
    assert_eq!(family.descendants, []);
    let family = ledger.family(id(1)).await.unwrap();
    let descendants: Vec<_> = family.descendants.iter().map(JobRecord::job_id).collect();
    assert_eq!(descendants, [id(2), id(3), id(4)]);
}

#[tokio::test]
async fn a_family_that_bites_its_tail_ends() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    for (number, origin) in [(1, 2), (2, 1)] {
        let intent = Intent {
            restored_from: from(origin, "/sp", 1),
            ..intent(number)
        };
        ledger.intend(intent).await.unwrap();
    }
    let family = ledger.family(id(1)).await.unwrap();
    assert_eq!(family.ancestors.len(), 2);
    assert_eq!(family.descendants.len(), 1);
}

#[tokio::test]
async fn what_a_job_was_restored_from_is_listed_and_names_its_origin() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let origin = |path: &str| {
        Some(Lineage {
            job_id: None,
            checkpoint_id: None,
            path: path.to_owned(),
        })
    };
    // One savepoint is known before the restore, the other only after it; of the third nobody knows whose it is.
    ledger.saved(URL, savepoint(1, "/sp/1", 1));
    for (number, path) in [(2, "file:/sp/1"), (3, "/sp/2"), (4, "/sp/nobody")] {
        let intent = Intent {
            restored_from: origin(path),
            ..intent(number)
        };
        ledger.intend(intent).await.unwrap();
    }
    ledger.saved(URL, savepoint(2, "/sp/2/", 2));
    let nobodys = Savepoint {
        job_id: None,
        ..savepoint(0, "/sp/nobody", 3)
    };
    ledger.saved(URL, nobodys.clone());
    assert_eq!(ledger.savepoints(vec![id(4)]).await.unwrap(), [nobodys]);
    let ancestors = ledger.family(id(3)).await.unwrap().ancestors;
    let ancestors: Vec<_> = ancestors.iter().map(|lineage| lineage.job_id).collect();
    assert_eq!(ancestors, [Some(id(2)), Some(id(1))]);
    let paths: Vec<_> = ledger.savepoints(vec![id(3), id(2)]).await.unwrap();
    let paths: Vec<_> = paths.iter().map(|savepoint| savepoint.path.as_str()).collect();
    assert_eq!(paths, ["/sp/2/", "/sp/1"], "newest first, each once");
    let jobs = ledger.jobs(JobFilter::default()).await.unwrap();
    assert_eq!(superseded(&jobs), [id(1), id(2)].into());
}
