//! What real savepoints and checkpoints hold by key, against what their statements must have counted.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use skep_metadata::{Form, KeyedState, Metadata, Operator, Place, Role, Scalar, Type, keyed_states};

fn dir(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples").join(name)
}

/// A stream of keyed state, and how it is written down.
type Stream = (Form, Vec<u8>);

/// The streams of keyed state of each operator in a sample that has them.
fn streams(name: &str) -> Vec<(Operator, Vec<Stream>)> {
    let dir = dir(name);
    let bytes = fs::read(dir.join("_metadata")).unwrap();
    let metadata = Metadata::read(&bytes).unwrap();
    let mut found = Vec::new();
    for operator in metadata.operators {
        let states = operator.states().filter(|state| {
            state.role == Role::ManagedKeyed && matches!(state.form, Form::Canonical | Form::KeyGroups)
        });
        let mut streams = Vec::new();
        for state in states {
            for block in &state.blocks {
                let (start, end) = (
                    usize::try_from(block.start).unwrap(),
                    usize::try_from(block.end).unwrap(),
                );
                streams.push((state.form, bytes[start..end].to_vec()));
            }
            for file in &state.files {
                let Place::Beside(path) = &file.place else {
                    panic!("{file:?}")
                };
                streams.push((state.form, fs::read(dir.join(path)).unwrap()));
            }
        }
        if !streams.is_empty() {
            found.push((operator, streams));
        }
    }
    found
}

fn integer(value: &Option<Scalar>) -> i64 {
    match value {
        Some(Scalar::Integer(value)) => *value,
        other => panic!("{other:?}"),
    }
}

fn read(operator: &Operator, (form, stream): &Stream) -> Vec<KeyedState> {
    keyed_states(stream, *form, operator.max_parallelism).unwrap().unwrap()
}

#[test]
fn every_key_has_counted_what_it_must() {
    // COUNT(*) by MOD(id, 10) over ids that count from 1: all keys are there, and differ by one at most.
    for name in [
        "1.20.3-heap-savepoint-canonical",
        "1.20.3-rocksdb-savepoint-canonical",
        "2.3.0-heap-savepoint-canonical",
        "2.3.0-rocksdb-savepoint-canonical",
        "1.20.3-heap-checkpoint",
        "2.3.0-heap-checkpoint",
        "1.20.3-heap-files",
        "2.3.0-heap-files",
        "1.20.3-heap-savepoint-native",
        "2.3.0-heap-savepoint-native",
    ] {
        let streams = streams(name);
        assert_eq!(streams.len(), 1, "{name}");
        let (operator, streams) = &streams[0];
        let states = read(operator, &streams[0]);
        let of = |name: &str| states.iter().find(|state| state.name == name).unwrap();
        let counted = of("accState").contents.as_ref().unwrap();
        assert_eq!(counted.key, [Type::Int], "{name}");
        assert_eq!(counted.value, [Type::BigInt], "{name}");
        let mut keys: Vec<i64> = counted.rows.iter().map(|(key, _)| integer(&key[0])).collect();
        keys.sort_unstable();
        assert_eq!(keys, (0..10).collect::<Vec<_>>(), "{name}");
        let counts: Vec<i64> = counted.rows.iter().map(|(_, value)| integer(&value[0])).collect();
        let ids: i64 = counts.iter().sum();
        for (key, value) in &counted.rows {
            let (key, value) = (integer(&key[0]), integer(&value[0]));
            assert_eq!(
                value,
                (1..=ids).filter(|id| id % 10 == key).count() as i64,
                "{name}: {key}"
            );
        }
        let timers = of("_timer_state/processing_user-timers").contents.as_ref().unwrap_err();
        assert!(timers.contains("timers"), "{timers}");
    }
}

#[test]
fn what_is_not_read_is_named() {
    let mut named = Vec::new();
    for name in [
        "1.20.3-heap-uids-savepoint-canonical",
        "2.3.0-heap-uids-savepoint-canonical",
        "2.3.0-heap-uids",
    ] {
        for (operator, streams) in streams(name) {
            for stream in streams {
                match keyed_states(&stream.1, stream.0, operator.max_parallelism).unwrap() {
                    Ok(states) => named.extend(states.into_iter().filter_map(|state| state.contents.err())),
                    Err(unknown) => named.push(unknown),
                }
            }
        }
    }
    assert!(
        !named.is_empty() && named.iter().all(|why| !why.is_empty()),
        "{named:?}"
    );
}

#[test]
fn a_cut_stream_is_noticed_wherever_it_is_cut() {
    for name in [
        "1.20.3-heap-savepoint-canonical",
        "2.3.0-rocksdb-savepoint-canonical",
        "1.20.3-heap-checkpoint",
        "2.3.0-heap-files",
    ] {
        let (operator, streams) = streams(name).remove(0);
        let whole = read(&operator, &streams[0]);
        let (form, stream) = &streams[0];
        for length in 0..stream.len() {
            match keyed_states(&stream[..length], *form, operator.max_parallelism) {
                // At the end of a key group it is a stream of fewer groups; those of a heap may have no entries: a number for
                // the group, and for each state its own and a zero.
                Ok(Ok(fewer)) => {
                    let empty = (stream.len() - length) % (4 + 6 * whole.len()) == 0;
                    assert!(
                        fewer != whole || (empty && *form == Form::KeyGroups),
                        "{name} cut at {length}"
                    );
                }
                Ok(Err(unknown)) => panic!("{name} cut at {length}: {unknown}"),
                Err(_) => {}
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn damage_makes_errors_and_no_panics(at in 0_usize..4_000, bits in 1_u8..=255, many in prop::collection::vec(any::<u8>(), 0..200)) {
        for name in ["1.20.3-heap-savepoint-canonical", "2.3.0-heap-savepoint-canonical", "2.3.0-heap-files"] {
            let (operator, streams) = streams(name).remove(0);
            let (form, mut stream) = streams[0].clone();
            let at = at % stream.len();
            stream[at] ^= bits;
            let _ = keyed_states(&stream, form, operator.max_parallelism);
            stream.splice(at.., many.iter().copied());
            let _ = keyed_states(&stream, form, operator.max_parallelism);
        }
        let _ = keyed_states(&many, Form::Canonical, 128);
        let _ = keyed_states(&many, Form::KeyGroups, 128);
    }
}
