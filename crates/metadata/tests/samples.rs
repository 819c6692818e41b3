//! Files that real clusters of Flink 1.20.3, 2.0.0 and 2.3.0 wrote, against what is known to be in them, and against damage.
//!
//! `samples/NAME/` holds what lay in a checkpoint's or savepoint's directory, files of directories beside it included;
//! `samples/NAME.json` what another reader, made for the purpose, found in `_metadata`, each file checked on the cluster's disk.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::Value;
use skep_metadata::{
    Error, Extent, FileReference, Form, Kind, Length, Metadata, Operator, Place, PostAction, Role, SavepointFormat,
    Subtask, operator_id, peek,
};

struct Sample {
    name: String,
    dir: PathBuf,
    bytes: Vec<u8>,
    expected: Value,
}

fn samples() -> Vec<Sample> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples");
    let mut paths: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let jsons = paths
        .iter()
        .filter(|path| path.extension().is_some_and(|ext| ext == "json"));
    let samples: Vec<_> = jsons
        .map(|json| {
            // Not `with_extension`: versions have dots.
            let dir = PathBuf::from(json.to_str().unwrap().strip_suffix(".json").unwrap());
            Sample {
                name: dir.file_name().unwrap().to_str().unwrap().to_owned(),
                bytes: fs::read(dir.join("_metadata")).unwrap(),
                expected: serde_json::from_slice(&fs::read(json).unwrap()).unwrap(),
                dir,
            }
        })
        .collect();
    assert_eq!(samples.len(), 52);
    samples
}

impl Sample {
    fn read(&self) -> Metadata {
        Metadata::read(&self.bytes).unwrap_or_else(|error| panic!("{} {error}", self.name))
    }

    /// Where the checkpoint's properties begin: behind everything that is counted by something.
    fn properties_at(&self) -> usize {
        usize::try_from(self.expected["properties_at"].as_u64().unwrap()).unwrap()
    }
}

#[test]
fn kind_and_number_are_what_they_were() {
    for sample in samples() {
        let metadata = sample.read();
        assert_eq!(
            u64::from(metadata.format),
            sample.expected["version"],
            "{}",
            sample.name
        );
        assert_eq!(
            metadata.checkpoint_id, sample.expected["checkpoint_id"],
            "{}",
            sample.name
        );
        let savepoint = |format| Kind::Savepoint {
            format,
            post: PostAction::None,
        };
        let expected = match sample.expected["kind"].as_str().unwrap() {
            "retained checkpoint" => Kind::Checkpoint,
            "savepoint CANONICAL" => savepoint(SavepointFormat::Canonical),
            "savepoint NATIVE" => savepoint(SavepointFormat::Native),
            other => panic!("{other}"),
        };
        assert_eq!(metadata.kind, expected, "{}", sample.name);
        assert_eq!(peek(&sample.bytes[..8]), Ok(metadata.format));
    }
}

/// An operator in the words of the expected results.
fn describe(operator: &Operator) -> Value {
    let subtasks: BTreeMap<String, Value> = operator
        .subtasks
        .iter()
        .map(|subtask| (subtask.index.to_string(), describe_subtask(subtask)))
        .collect();
    let mut described = serde_json::json!({
        "id": operator.id.to_string(),
        "parallelism": operator.parallelism,
        "max_parallelism": operator.max_parallelism,
        "coordinator_bytes": operator.coordinator,
        "fully_finished": operator.finished,
        "subtasks": subtasks,
    });
    for (key, text) in [("name", &operator.name), ("uid", &operator.uid)] {
        if let Some(text) = text {
            described[key] = text.as_str().into();
        }
    }
    described
}

fn describe_subtask(subtask: &Subtask) -> Value {
    if subtask.finished {
        return "finished".into();
    }
    let channels = |role| subtask.states.iter().filter(|state| state.role == role).count();
    let mut words: Vec<String> = Vec::new();
    for (role, word) in [(Role::InputChannel, "input"), (Role::OutputChannel, "output")] {
        match channels(role) {
            0 => {}
            count => words.push(format!("{word} channels ×{count}")),
        }
    }
    for state in &subtask.states {
        words.push(match (state.role, state.form) {
            (Role::ManagedOperator, Form::Operator) => "managed operator".to_owned(),
            (Role::ManagedKeyed, Form::KeyGroups) => "managed keyed kg2".to_owned(),
            (Role::ManagedKeyed, Form::Canonical) => "managed keyed kg-savepoint".to_owned(),
            (Role::ManagedKeyed, Form::Incremental) => "managed keyed incremental".to_owned(),
            (Role::ManagedKeyed, Form::Changelog) => "managed keyed changelog".to_owned(),
            (Role::InputChannel | Role::OutputChannel, Form::Channel) => continue,
            other => panic!("{other:?}"),
        });
    }
    words.sort();
    words.into()
}

#[test]
fn operators_are_what_they_were() {
    let mut compared = 0;
    for sample in samples() {
        let expected: Vec<Value> = sample.expected["operators"]
            .as_array()
            .unwrap()
            .iter()
            .cloned()
            .map(|mut operator| {
                for key in ["name", "uid"] {
                    if operator[key] == "" {
                        operator.as_object_mut().unwrap().remove(key);
                    }
                }
                if let Some(subtasks) = operator["subtasks"].as_object_mut() {
                    for states in subtasks.values_mut().filter_map(Value::as_array_mut) {
                        states.sort_by_key(ToString::to_string);
                    }
                }
                operator
            })
            .collect();
        let mut metadata = sample.read();
        // The file's order means nothing, and theirs is by id.
        metadata.operators.sort_by_key(|operator| operator.id);
        let found: Vec<Value> = metadata.operators.iter().map(describe).collect();
        assert_eq!(found, expected, "{}", sample.name);
        compared += found.len();
    }
    assert_eq!(compared, 321);
}

fn describe_file(reference: &FileReference) -> Value {
    let (kind, path) = match (&reference.place, reference.extent) {
        (Place::At(path), Extent::Segment { .. }) => ("segment", path),
        (Place::At(path), _) => ("absolute", path),
        (Place::Beside(path), _) => ("relative", path),
    };
    let mut described = serde_json::json!({"kind": kind, "path": path, "size": reference.extent.size()});
    if let Extent::Segment { start, shared, .. } = reference.extent {
        described["start"] = start.into();
        described["scope"] = i32::from(shared).into();
    }
    described
}

#[test]
fn every_file_that_is_pointed_to_is_found_in_order() {
    let mut compared = 0;
    for sample in samples() {
        let mut expected = sample.expected["files"].clone();
        for file in expected.as_array_mut().unwrap() {
            file.as_object_mut().unwrap().remove("kept_as");
        }
        let metadata = sample.read();
        let references = metadata.operators.iter().flat_map(Operator::references);
        let found: Vec<Value> = references.map(describe_file).collect();
        compared += found.len();
        assert_eq!(Value::from(found), expected, "{}", sample.name);
    }
    assert_eq!(compared, 384);
}

#[test]
fn the_files_have_the_lengths_that_they_must_have() {
    let (mut checked, mut changelogs) = (0, 0);
    for sample in samples() {
        let metadata = sample.read();
        changelogs += metadata
            .files()
            .iter()
            .filter(|file| matches!(file.length, Length::Changelog(_)))
            .count();
        for file in metadata.files() {
            let (Place::At(path) | Place::Beside(path)) = file.place;
            let kept = sample.expected["files"].as_array().unwrap().iter();
            let kept = kept
                .filter(|kept| kept["path"] == path.as_str())
                .find_map(|kept| kept["kept_as"].as_str());
            let Some(kept) = kept else { continue };
            let path = sample.dir.join(kept);
            let actual = fs::metadata(&path).unwrap().len();
            let first = || fs::read(&path).ok()?.first().copied();
            assert!(
                file.length.fits(actual, first),
                "{}: {kept}: {:?}, {actual}",
                sample.name,
                file.length
            );
            assert!(
                !file.length.fits(file.length.bytes() - 1, || Some(0)),
                "{}: {kept}",
                sample.name
            );
            checked += 1;
        }
    }
    assert!(checked > 100, "{checked}");
    assert!(changelogs > 0);
}

#[test]
fn the_size_is_that_of_distinct_files_and_of_what_is_inline() {
    let sample = |name: &str| samples().into_iter().find(|sample| sample.name == name).unwrap();
    // Nothing but the file itself: its state is most of it.
    let inline = sample("2.3.0-heap-checkpoint");
    assert!(inline.read().files().is_empty());
    assert!((5_000..inline.bytes.len() as u64).contains(&inline.read().size()));
    // The channels of several subtasks lie in one file.
    let unaligned = sample("1.20.3-rocksdb-unaligned");
    let metadata = unaligned.read();
    let references: Vec<_> = metadata.operators.iter().flat_map(Operator::references).collect();
    assert!(metadata.files().len() < references.len());
    let all: u64 = references.iter().map(|reference| reference.extent.size()).sum();
    assert!(metadata.size() < all);
}

#[test]
fn an_operator_s_id_is_known_from_its_uid() {
    let mut known = 0;
    for operator in samples().iter().flat_map(|sample| sample.read().operators) {
        if let Some(uid) = &operator.uid {
            assert_eq!(operator_id(uid), operator.id, "{uid}");
            known += 1;
        }
    }
    assert_eq!(known, 40);
    assert_eq!(operator_id("31_source").to_string(), "4401fdc4e6eed9878371c07c931a2336");
}

#[test]
fn a_file_cut_anywhere_is_an_error_with_its_place() {
    for sample in samples() {
        for length in 0..sample.bytes.len() {
            let error = Metadata::read(&sample.bytes[..length]).expect_err(&sample.name);
            assert!(
                error.offset() <= length as u64,
                "{}, cut at {length}: {error}",
                sample.name
            );
            assert!(
                matches!(error, Error::Cut { .. }),
                "{}, cut at {length}: {error}",
                sample.name
            );
        }
        // Flink does not look behind the end.
        let longer = [&sample.bytes[..], b"more"].concat();
        assert_eq!(Metadata::read(&longer), Metadata::read(&sample.bytes));
    }
}

#[test]
fn other_formats_are_not_taken_for_damage() {
    let bytes = &samples()[0].bytes;
    let with_format = |format: i32| {
        let mut bytes = bytes.clone();
        bytes[4..8].copy_from_slice(&format.to_be_bytes());
        Metadata::read(&bytes).unwrap_err()
    };
    assert_eq!(with_format(7), Error::Newer(7));
    assert_eq!(with_format(i32::MAX), Error::Newer(0x7FFF_FFFF));
    assert_eq!(with_format(3), Error::Older(3));
    assert_eq!(with_format(-1).offset(), 4);
    assert_eq!(
        Metadata::read(b"PK\x03\x04and more").unwrap_err(),
        Error::Foreign(*b"PK\x03\x04")
    );
}

/// Wherever a length or a count may stand, an absurd one: it is refused or means something else, at once and without
/// memory for what is not there.
#[test]
fn absurd_lengths_are_harmless() {
    for sample in samples() {
        for at in 8..sample.bytes.len() - 4 {
            let absurd = [i32::MAX, i32::MIN, 0x00FF_FFFF][at % 3];
            let mut bytes = sample.bytes.clone();
            bytes[at..at + 4].copy_from_slice(&absurd.to_be_bytes());
            if let Err(error) = Metadata::read(&bytes) {
                assert!(error.offset() <= bytes.len() as u64);
            }
        }
    }
}

#[test]
fn flipped_bits_never_panic_and_are_noticed_where_something_counts_them() {
    let seed = [7; 32];
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let mut noticed = 0;
    for sample in samples() {
        for _ in 0..300 {
            let bit = (0..sample.bytes.len() * 8).new_tree(&mut runner).unwrap().current();
            let mut bytes = sample.bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            noticed += usize::from(Metadata::read(&bytes).is_err());
        }
    }
    // Nothing is checksummed, so most go by; but not all.
    assert!((500..15_600).contains(&noticed), "{noticed}");
}

fn spliced() -> impl Strategy<Value = Vec<u8>> {
    let samples: Vec<(Vec<u8>, usize)> = samples()
        .into_iter()
        .map(|sample| (sample.bytes.clone(), sample.properties_at()))
        .collect();
    let edits = prop::collection::vec(
        (any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 0..12)),
        1..6,
    );
    (prop::sample::select(samples), edits).prop_map(|((mut bytes, _), edits)| {
        for (at, with) in edits {
            let at = at.index(bytes.len());
            let end = (at + with.len()).min(bytes.len());
            bytes.splice(at..end, with);
        }
        bytes
    })
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Metadata::read(&bytes);
        let mut headed = vec![0x49, 0x60, 0x67, 0x2D, 0, 0, 0, 4 + bytes.len() as u8 % 3];
        headed.extend(&bytes);
        let _ = Metadata::read(&headed);
    }

    #[test]
    fn what_was_edited_is_read_or_refused(bytes in spliced()) {
        if let Ok(metadata) = Metadata::read(&bytes) {
            // Whatever it says can be asked.
            let files = metadata.files();
            prop_assert!(files.len() <= bytes.len());
            let _ = metadata.size();
        }
    }
}

/// Handles in handles, and classes above classes, as many as fit into a megabyte: refused, not followed.
#[test]
fn nesting_is_bounded() {
    let sample = samples()
        .into_iter()
        .find(|sample| sample.name == "1.20.3-heap-changelog")
        .unwrap();
    let head = [0x49, 0x60, 0x67, 0x2D, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
    // One operator of one subtask without operator state.
    let mut operator = vec![0, 0, 0, 1];
    operator.extend([9; 16]);
    operator.extend([0, 0, 0, 1, 0, 0, 0, 128, 0, 0, 0, 0, 1]);
    operator.extend([0; 4 + 8]);
    // A changelog upon one handle, which is a changelog upon one handle, and so on.
    let changelog = [&[14][..], &[0; 8 + 8], &[0, 0, 0, 1]].concat();
    let nested = [&head[..], &operator, &changelog.repeat(40_000)].concat();
    let error = Metadata::read(&nested).unwrap_err();
    assert!(error.to_string().contains("nested"), "{error}");
    // Keyed state in a stream in keyed state.
    let stream = [&[3][..], &[0; 4 + 4]].concat();
    let nested = [&head[..], &operator, &stream.repeat(40_000)].concat();
    let error = Metadata::read(&nested).unwrap_err();
    assert!(error.to_string().contains("nested"), "{error}");
    // A class of a class of a class.
    let class = [&[0x72, 0, 0][..], &[0; 8], &[2, 0, 0, 0x78]].concat();
    let properties = [&[0xAC, 0xED, 0, 5, 0x73][..], &class.repeat(40_000)].concat();
    let nested = [&sample.bytes[..sample.properties_at()], &properties].concat();
    let error = Metadata::read(&nested).unwrap_err();
    assert!(error.to_string().contains("nested"), "{error}");
}

/// Classes and objects that refer back to the one before, a long chain that is flat in the file.
#[test]
fn chains_of_references_are_bounded() {
    let sample = samples()
        .into_iter()
        .find(|sample| sample.name == "1.20.3-heap-changelog")
        .unwrap();
    // An object whose class writes more behind its fields: there objects may stand side by side.
    let mut properties = vec![0xAC, 0xED, 0, 5, 0x73, 0x72, 0, 0];
    properties.extend([0; 8]);
    properties.extend([3, 0, 0, 0x78, 0x70]);
    let mut handle: u32 = 0x7E_0000 + 1;
    let mut class_before: Option<u32> = None;
    for _ in 0..20_000 {
        properties.extend([0x73, 0x72, 0, 0]);
        properties.extend([0; 8]);
        properties.extend([2, 0, 0, 0x78]);
        match class_before {
            Some(class) => {
                properties.push(0x71);
                properties.extend(class.to_be_bytes());
            }
            None => properties.push(0x70),
        }
        class_before = Some(handle + 1);
        handle += 2;
    }
    let chained = [&sample.bytes[..sample.properties_at()], &properties].concat();
    let error = Metadata::read(&chained).unwrap_err();
    assert!(error.to_string().contains("nested"), "{error}");
}
