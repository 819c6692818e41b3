//! Choosing, case by case.

use jiff::Timestamp;
use proptest::prelude::*;
use skep_engine::SavepointKind;

use super::*;

fn id(number: u8) -> JobId {
    JobId::from_bytes([number; 16])
}

/// State `number` of the job, taken at that second.
fn state(job: u8, number: u64) -> Savepoint {
    Savepoint {
        path: format!("/{job}/chk-{number}"),
        kind: SavepointKind::Checkpoint,
        job_id: Some(id(job)),
        checkpoint_id: Some(number),
        taken: Timestamp::from_second(number.cast_signed()).ok(),
        size: None,
        format_version: None,
        label: None,
        verdict: Verdict::Usable,
        reasons: Vec::new(),
        sources: Vec::new(),
    }
}

fn with(verdict: Verdict, reason: &str, state: Savepoint) -> Savepoint {
    Savepoint {
        verdict,
        reasons: vec![reason.to_owned()],
        ..state
    }
}

fn from(state: &Savepoint) -> Lineage {
    Lineage {
        job_id: state.job_id,
        checkpoint_id: state.checkpoint_id,
        path: state.path.clone(),
    }
}

fn known<'a>(job: u8, ancestors: &'a [Lineage], savepoints: &'a [Savepoint]) -> Known<'a> {
    Known {
        job: Some(id(job)),
        ancestors,
        savepoints,
        descendants: &[],
    }
}

fn path(chosen: Result<Chosen, ChooseError>) -> String {
    chosen.unwrap().savepoint.path
}

#[test]
fn latest_is_the_newest_usable_one() {
    let broken = with(Verdict::Incomplete, "no _metadata", state(1, 3));
    let savepoints = [state(1, 1), broken, state(1, 2)];
    let chosen = choose(&Which::Latest, &known(1, &[], &savepoints), false).unwrap();
    assert_eq!(chosen.savepoint, state(1, 2));
    assert_eq!(chosen.usable, 2);
    assert_eq!(chosen.why, "newest of 2 usable, 1 newer can't be used");
}

#[test]
fn a_job_without_a_state_of_its_own_goes_back_to_what_it_was_restored_from() {
    let savepoints = [state(1, 4), state(1, 5), state(1, 6)];
    let ancestors = [from(&state(1, 5))];
    let chosen = choose(&Which::Latest, &known(2, &ancestors, &savepoints), false).unwrap();
    assert_eq!(
        chosen.savepoint,
        state(1, 5),
        "what the ancestor did after it is another line"
    );
    assert_eq!(chosen.usable, 2);
    assert_eq!(
        chosen.why,
        "what the job was restored from, as it has none of its own; newest of 2 usable"
    );
}

#[test]
fn what_it_was_restored_from_is_judged_like_any_other() {
    let gone = with(Verdict::Gone, "dropped", state(1, 5));
    let ancestors = [from(&gone)];
    let savepoints = [gone.clone(), state(1, 4)];
    assert_eq!(
        path(choose(&Which::Latest, &known(2, &ancestors, &savepoints), false)),
        "/1/chk-4"
    );
    let error = choose(&Which::Latest, &known(2, &ancestors, &[gone]), false).unwrap_err();
    assert_eq!(
        error.to_string(),
        "none of 1 states can be used; the newest, /1/chk-5: it is gone (dropped)"
    );
}

#[test]
fn own_states_go_before_those_of_ancestors() {
    // The numbering may begin anew in a restored job.
    let savepoints = [state(1, 50), state(2, 1), state(3, 9)];
    let ancestors = [from(&state(2, 1)), from(&state(1, 50))];
    assert_eq!(
        path(choose(&Which::Latest, &known(2, &ancestors[1..], &savepoints), false)),
        "/2/chk-1"
    );
    assert_eq!(
        path(choose(&Which::Latest, &known(3, &ancestors, &savepoints), false)),
        "/3/chk-9"
    );
}

#[test]
fn a_job_without_any_state_is_told_apart() {
    let error = choose(&Which::Latest, &known(1, &[], &[]), false).unwrap_err();
    assert_eq!(error, ChooseError::NoState(id(1)));
    assert_eq!(
        error.to_string(),
        "job 01010101 has left no checkpoint and no savepoint"
    );
}

#[test]
fn latest_does_not_go_back_behind_a_descendant() {
    let savepoints = [state(1, 1)];
    let job = |number, progress| Descendant {
        job_id: id(number),
        name: "delays".to_owned(),
        progress,
    };
    let mut descendants = [
        job(2, Progress::None),
        job(3, Progress::Advanced),
        job(4, Progress::Running),
    ];
    let known = Known {
        descendants: &descendants,
        ..known(1, &[], &savepoints)
    };
    let error = choose(&Which::Latest, &known, false).unwrap_err();
    assert_eq!(
        error.to_string(),
        "restored from this job's state, job 03030303 (delays) has gone on, and job 04040404 (delays) runs"
    );
    assert_eq!(
        error.hint(),
        "!restore 04040404 goes on from there · --fork goes back all the same"
    );
    assert_eq!(path(choose(&Which::Latest, &known, true)), "/1/chk-1");
    assert_eq!(
        path(choose(&Which::Id(1), &known, false)),
        "/1/chk-1",
        "what is named is meant"
    );
    descendants[1].progress = Progress::None;
    descendants[2].progress = Progress::None;
    let known = Known {
        descendants: &descendants,
        ..known_of(&savepoints)
    };
    assert_eq!(path(choose(&Which::Latest, &known, false)), "/1/chk-1");
}

fn known_of(savepoints: &[Savepoint]) -> Known<'_> {
    known(1, &[], savepoints)
}

#[test]
fn a_descendants_progress_follows_from_its_state() {
    use JobState::{Failed, Finished, Running};
    assert_eq!(Progress::of(None, None, true), Progress::Unknown);
    assert_eq!(Progress::of(Some(Running), None, false), Progress::Running);
    assert_eq!(Progress::of(Some(Failed), Some(EndedBy::Failed), false), Progress::None);
    assert_eq!(
        Progress::of(Some(Failed), Some(EndedBy::Failed), true),
        Progress::Advanced
    );
    assert_eq!(
        Progress::of(Some(Finished), Some(EndedBy::Completed), false),
        Progress::Advanced
    );
}

#[test]
fn a_number_means_the_jobs_own_first() {
    let savepoints = [state(1, 5), state(1, 6), state(2, 6)];
    let ancestors = [from(&state(1, 5))];
    let known = known(2, &ancestors, &savepoints);
    assert_eq!(path(choose(&Which::Id(6), &known, false)), "/2/chk-6");
    assert_eq!(path(choose(&Which::Id(5), &known, false)), "/1/chk-5");
    let error = choose(&Which::Id(7), &known, false).unwrap_err();
    assert_eq!(error.to_string(), "no savepoint or checkpoint has number 7");
}

#[test]
fn what_could_mean_two_is_listed() {
    let labelled = |job, number| Savepoint {
        label: Some("nightly".to_owned()),
        ..state(job, number)
    };
    let which = Which::Label("nightly".to_owned());
    let both = [labelled(1, 1), labelled(1, 2)];
    let error = choose(&which, &known_of(&both), false).unwrap_err();
    assert_eq!(
        error.to_string(),
        "nightly is ambiguous: it could be /1/chk-1, /1/chk-2"
    );
    let one_is_gone = [with(Verdict::Gone, "", labelled(1, 1)), labelled(1, 2)];
    assert_eq!(path(choose(&which, &known_of(&one_is_gone), false)), "/1/chk-2");
}

#[test]
fn a_path_is_found_however_it_is_spelled_and_says_what_is_wrong_with_it() {
    let missing = with(Verdict::Missing, "1 file: 5b2e", state(1, 2));
    let savepoints = [state(1, 1), missing];
    let at = |path: &str| choose(&Which::Path(path.to_owned()), &known_of(&savepoints), false);
    assert_eq!(path(at("file:///1/chk-1/")), "/1/chk-1");
    assert_eq!(
        at("/1/chk-2").unwrap_err().to_string(),
        "/1/chk-2 can't be used: files are missing or damaged (1 file: 5b2e)"
    );
    assert_eq!(
        at("/1/chk-3").unwrap_err().to_string(),
        "no savepoint or checkpoint at /1/chk-3"
    );
    let nobodys = Known {
        job: None,
        ..known_of(&savepoints)
    };
    assert_eq!(
        path(choose(&Which::Path("/1/chk-1".to_owned()), &nobodys, false)),
        "/1/chk-1"
    );
    assert_eq!(
        choose(&Which::Latest, &nobodys, false),
        Err(ChooseError::NoJob(Which::Latest))
    );
}

#[test]
fn a_time_means_the_newest_until_then() {
    let savepoints = [state(1, 10), state(1, 20), state(1, 30)];
    let at = |second| Which::At(Timestamp::from_second(second).unwrap());
    assert_eq!(path(choose(&at(25), &known_of(&savepoints), false)), "/1/chk-20");
    assert_eq!(path(choose(&at(20), &known_of(&savepoints), false)), "/1/chk-20");
    assert!(matches!(
        choose(&at(9), &known_of(&savepoints), false),
        Err(ChooseError::NotFound(Which::At(_)))
    ));
}

#[test]
fn a_circle_of_restores_ends() {
    let savepoints = [state(1, 1), state(2, 2)];
    let ancestors = [from(&state(2, 2)), from(&state(1, 1)), from(&state(2, 2))];
    let chosen = choose(&Which::Latest, &known(1, &ancestors, &savepoints), false).unwrap();
    assert_eq!((chosen.savepoint.path.as_str(), chosen.usable), ("/1/chk-1", 2));
}

proptest! {
    /// Job 2 was restored from number `start` of job 1.
    #[test]
    fn latest_is_usable_and_nothing_usable_is_newer(
        start in 0_u64..6,
        states in prop::collection::btree_map((1_u8..=2, 0_u64..6), any::<bool>(), 0..12),
    ) {
        let savepoints: Vec<_> = states
            .iter()
            .map(|((job, number), usable)| {
                let verdict = if *usable { Verdict::Usable } else { Verdict::Gone };
                with(verdict, "", state(*job, *number))
            })
            .collect();
        let ancestors = [from(&state(1, start))];
        let usable = |job: u8, limit: u64| {
            let of_job = states.iter().filter(move |((of, number), usable)| *of == job && *number <= limit && **usable);
            of_job.map(|((_, number), _)| *number).max().map(|number| format!("/{job}/chk-{number}"))
        };
        let expected = usable(2, u64::MAX).or_else(|| usable(1, start));
        let chosen = choose(&Which::Latest, &known(2, &ancestors, &savepoints), false);
        prop_assert_eq!(chosen.ok().map(|chosen| chosen.savepoint.path), expected);
    }
}
