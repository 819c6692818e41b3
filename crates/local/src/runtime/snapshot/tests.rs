use std::fs;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{Int64Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use jiff::Timestamp;
use proptest::prelude::*;
use skep_engine::{ErrorKind, JobId, SavepointKind};

use super::*;
use crate::dataflow::{OperatorState, State};

fn manifest() -> Manifest {
    let job_id = JobId::from_bytes([7; 16]);
    Manifest {
        engine: "0".to_owned(),
        datafusion: datafusion::DATAFUSION_VERSION.to_owned(),
        job_id,
        name: "a job".to_owned(),
        sql: "INSERT INTO t SELECT 1".to_owned(),
        checkpoint_id: 3,
        kind: SavepointKind::Checkpoint,
        taken: Timestamp::UNIX_EPOCH,
        rows: (10, 5, 0),
        fingerprints: Vec::new(),
        operators: Vec::new(),
        sinks: vec![SinkState {
            name: "blackhole".to_owned(),
            dir: None,
            parts: Vec::new(),
        }],
        root: job_id,
        lineage: Vec::new(),
        restored_from: None,
    }
}

fn state() -> State {
    let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
    let rows = RecordBatch::try_new(schema, vec![Arc::new(Int64Array::from(vec![1, 2, 3]))]).unwrap();
    State {
        operators: vec![
            OperatorState {
                operator: "source s".to_owned(),
                tables: Vec::new(),
                meta: serde_json::json!({"offset": 9}),
            },
            OperatorState {
                operator: "aggregate".to_owned(),
                tables: vec![rows.clone(), rows.slice(0, 0)],
                meta: serde_json::Value::Null,
            },
        ],
    }
}

fn saved(dir: &Path) -> std::path::PathBuf {
    let target = dir.join("chk-3");
    write(&target, &state(), &mut manifest()).unwrap();
    target
}

#[test]
fn a_state_is_read_as_it_was_written_and_wherever_it_is_moved() {
    let dir = tempfile::tempdir().unwrap();
    let moved = dir.path().join("elsewhere");
    fs::rename(saved(dir.path()), &moved).unwrap();
    let (read, found) = load(&moved).unwrap();
    assert_eq!((read.checkpoint_id, read.rows), (3, (10, 5, 0)));
    assert_eq!(found.operators.len(), 2);
    assert_eq!(found.operators[0].meta["offset"], 9);
    assert_eq!(found.operators[1].tables[0], state().operators[1].tables[0]);
    assert_eq!(verify(&moved).unwrap(), read);
}

#[test]
fn any_changed_byte_of_any_file_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let target = saved(dir.path());
    for entry in fs::read_dir(&target).unwrap() {
        let path = entry.unwrap().path();
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x20;
            fs::write(&path, &bytes).unwrap();
            let error = verify(&target).expect_err(&format!("{} byte {at}", path.display()));
            assert_eq!(error.kind, ErrorKind::Refused, "{error}");
            assert!(load(&target).is_err());
        }
        fs::write(&path, &whole).unwrap();
    }
    load(&target).unwrap();
}

#[test]
fn a_missing_file_and_a_missing_manifest_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let target = saved(dir.path());
    fs::remove_file(target.join("operator-001.arrow")).unwrap();
    let error = load(&target).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused);
    assert!(error.message.contains("operator-001.arrow is missing"), "{error}");
    fs::remove_file(target.join(METADATA)).unwrap();
    assert_eq!(load(&target).unwrap_err().kind, ErrorKind::NotFound);
}

#[test]
fn a_newer_format_says_so() {
    let text = String::from_utf8(manifest().encode().unwrap()).unwrap();
    let newer = text.replacen("\"skep-state\":1", "\"skep-state\":2", 1);
    assert!(Manifest::decode(newer.as_bytes()).unwrap_err().contains("format 2"));
}

#[test]
fn a_manifest_from_whose_numbers_nobody_could_count_on_is_refused() {
    for forge in [
        |manifest: &mut Manifest| manifest.checkpoint_id = u64::MAX,
        |manifest: &mut Manifest| manifest.rows.0 = u64::MAX,
        |manifest: &mut Manifest| manifest.rows.1 = i64::MAX as u64,
        |manifest: &mut Manifest| manifest.rows.2 = u64::MAX - 1,
    ] {
        let mut forged = manifest();
        forge(&mut forged);
        let error = Manifest::decode(&forged.encode().unwrap()).unwrap_err();
        assert!(error.contains("counts what no job can have counted"), "{error}");
    }
}

#[test]
fn a_manifest_that_names_files_outside_itself_is_refused() {
    let mut forged = manifest();
    forged.sinks[0].parts.push(Part {
        hidden: "../../etc/passwd".to_owned(),
        visible: "part.csv".to_owned(),
        length: 1,
    });
    let error = Manifest::decode(&forged.encode().unwrap()).unwrap_err();
    assert!(error.contains("outside"), "{error}");
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Manifest::decode(&bytes).is_err());
    }

    #[test]
    fn a_cut_or_changed_manifest_is_refused(cut in 0..10_000_usize, flip in 0..10_000_usize, bit in 0..8_u8) {
        let whole = manifest().encode().unwrap();
        prop_assert!(Manifest::decode(&whole[..cut % whole.len()]).is_err());
        let mut flipped = whole.clone();
        flipped[flip % whole.len()] ^= 1_u8 << bit;
        prop_assert!(Manifest::decode(&flipped).is_err());
    }

    #[test]
    fn a_table_with_a_right_checksum_and_wrong_bytes_is_no_panic(at in 0..4096_usize, byte in any::<u8>(), cut in 0..4096_usize) {
        let dir = tempfile::tempdir().unwrap();
        let target = saved(dir.path());
        let path = target.join("operator-001.arrow");
        let mut bytes = fs::read(&path).unwrap();
        let length = bytes.len();
        bytes[at % length] = byte;
        bytes.truncate(length - cut % length);
        fs::write(&path, &bytes).unwrap();
        let mut forged = peek(&target).unwrap();
        let entry = forged.operators[1].table.as_mut().unwrap();
        entry.length = bytes.len() as u64;
        entry.sha256 = crate::runtime::file::sha256(&bytes);
        fs::write(target.join(METADATA), forged.encode().unwrap()).unwrap();
        // Whether it can be read is Arrow's to say; it is an answer either way.
        let _ = load(&target);
    }
}
