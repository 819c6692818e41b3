//! A saved state on a file system that this machine reads: what its `_metadata` says, and whether the files that it names
//! are there. Flink checks none of them before it has given out a job id.

use std::io;

use jiff::Timestamp;
use rustix::io::Errno;
use skep_engine::{
    EngineError, FileVerdict, Format, Inspection, JobId, OperatorState, Result, Savepoint, SavepointKind, StateFile,
    Verdict,
};
use skep_metadata::{Error, FILE_NAME, Kind, Metadata, Needed, Operator, Place, PostAction, SavepointFormat};

use super::failure::fit_to_show;
use super::files::{Attributes, Entry, Location, Reader, is_absence};

/// The longest `_metadata` that is read, in bytes.
const LONGEST: u64 = 256 << 20;

/// Files that a reason names.
const NAMED: usize = 3;

/// A saved state that is there.
pub(super) struct State<'a> {
    reader: &'a Reader,
    dir: &'a Location,
    /// What lies beside `_metadata`, where that is known without a look at each.
    beside: Option<&'a [Entry]>,
    taken: Option<Timestamp>,
    content: Content,
}

#[derive(Debug)]
enum Content {
    /// It has been read.
    Read(Metadata),
    /// It can't be read by this program, and may be whole: its format, if that is known, and why.
    Closed(Option<u32>, String),
    /// It is not whole.
    Damaged(String),
    /// It begins as no `_metadata` of Flink does.
    Foreign(String),
}

impl<'a> State<'a> {
    /// The state in that directory, if there is a `_metadata` in it. Flink writes that last: without it a state was never
    /// finished. `beside` is all that is in the directory, where that is known.
    ///
    /// # Errors
    /// The file system can't be asked, or the search has ended.
    pub(super) fn read(reader: &'a Reader, dir: &'a Location, beside: Option<&'a [Entry]>) -> io::Result<Option<Self>> {
        let (taken, content) = match reader.read(&dir.join(FILE_NAME), LONGEST) {
            Ok((bytes, attributes)) => (attributes.modified, content(&bytes, attributes)),
            Err(error) if is_absence(&error) => return Ok(None),
            // Elsewhere it is the store that can't be asked, or who asks that is refused.
            Err(error) if dir.local().is_none() && error.kind() != io::ErrorKind::InvalidInput => return Err(error),
            Err(error) => {
                let why = format!("{FILE_NAME} can't be read: {}", fit_to_show(&error.to_string()));
                let content = match can_be_none(&error) {
                    true => Content::Damaged(why),
                    false => Content::Closed(None, why),
                };
                (None, content)
            }
        };
        Ok(Some(Self {
            reader,
            dir,
            beside,
            taken,
            content,
        }))
    }

    /// Whether it is none of Flink's.
    pub(super) const fn is_foreign(&self) -> bool {
        matches!(self.content, Content::Foreign(_))
    }

    /// Deletes a savepoint: `_metadata` first, so that it never looks whole again, then the files that it names beside it, and
    /// the directory if nothing else is in it.
    ///
    /// # Errors
    /// It is a checkpoint, or can't be read, or can't be deleted.
    pub(super) fn delete(&self) -> Result<()> {
        let dir = self.dir;
        let Content::Read(metadata) = &self.content else {
            return Err(EngineError::refused(format!(
                "{dir} is not a savepoint that can be read"
            )));
        };
        if metadata.kind == Kind::Checkpoint {
            let message = format!("{dir} is a checkpoint, which is the engine's own to delete");
            return Err(EngineError::refused(message));
        }
        let failed = |error: io::Error| EngineError::failed(format!("{dir} can't be deleted: {error}"));
        self.reader.remove(&self.dir.join(FILE_NAME)).map_err(failed)?;
        for file in metadata.files() {
            if let Place::Beside(name) = file.place
                && is_plain_name(name)
            {
                match self.reader.remove(&self.dir.join(name)) {
                    Err(error) if !is_absence(&error) => return Err(failed(error)),
                    _ => {}
                }
            }
        }
        // Whatever else is in it is not the savepoint's.
        let _ = self.reader.remove_dir(self.dir);
        Ok(())
    }

    /// What it is, with its verdict.
    pub(super) fn savepoint(&self) -> Savepoint {
        let (kind, by_name) = named(self.dir);
        let mut savepoint = Savepoint {
            path: self.dir.to_string(),
            kind,
            job_id: by_name.and_then(|(job, _)| job),
            checkpoint_id: by_name.map(|(_, number)| number),
            taken: self.taken,
            size: None,
            format_version: None,
            label: None,
            verdict: Verdict::Usable,
            reasons: Vec::new(),
            sources: vec![Savepoint::SEEN.to_owned()],
        };
        match &self.content {
            Content::Read(metadata) => {
                savepoint.kind = match metadata.kind {
                    Kind::Checkpoint => SavepointKind::Checkpoint,
                    Kind::Savepoint { .. } => SavepointKind::Savepoint,
                };
                savepoint.checkpoint_id = Some(metadata.checkpoint_id);
                savepoint.size = Some(metadata.size());
                savepoint.format_version = Some(metadata.format);
                let files = metadata.files();
                let seen: Vec<_> = files.iter().map(|file| self.check(file)).collect();
                judge(&mut savepoint, &files, &seen);
            }
            Content::Closed(format, why) => {
                savepoint.format_version = *format;
                savepoint.reasons.push(format!("{why}; its files were not checked"));
            }
            Content::Damaged(why) | Content::Foreign(why) => {
                savepoint.verdict = Verdict::Missing;
                savepoint.reasons.push(why.clone());
            }
        }
        savepoint
    }

    /// The same with its operators and files.
    pub(super) fn inspection(&self) -> Inspection {
        let mut inspection = Inspection::of(self.savepoint());
        let Content::Read(metadata) = &self.content else {
            return inspection;
        };
        if let Kind::Savepoint { format, post } = metadata.kind {
            inspection.format = Some(match format {
                SavepointFormat::Canonical => Format::Canonical,
                SavepointFormat::Native => Format::Native,
            });
            inspection.drained = post == PostAction::Terminate;
        }
        inspection.operators = metadata.operators.iter().map(operator).collect();
        // Their order in the file means nothing.
        inspection
            .operators
            .sort_by(|a, b| (&a.uid, &a.name, &a.id).cmp(&(&b.uid, &b.name, &b.id)));
        let files = metadata.files();
        inspection.files = files
            .iter()
            .map(|file| {
                let (verdict, reason) = self.check(file);
                StateFile {
                    path: shown(file),
                    size: file.length.bytes(),
                    verdict,
                    reason,
                }
            })
            .collect();
        inspection
    }

    /// Looks at a file that it needs.
    fn check(&self, file: &Needed<'_>) -> Seen {
        let (location, known) = match file.place {
            Place::Beside(name) => {
                let known = self.beside.filter(|_| is_plain_name(name));
                (Some(self.dir.join(name)), known.map(|entries| beside(entries, name)))
            }
            Place::At(uri) => (Location::of(uri), None),
        };
        let Some(location) = location else {
            return (FileVerdict::NotChecked, Some("it is not on this machine".to_owned()));
        };
        let attributes = match known.unwrap_or_else(|| self.reader.look(&location)) {
            Ok(attributes) => attributes,
            Err(error) if is_absence(&error) => return (FileVerdict::Missing, None),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                return (FileVerdict::Damaged, Some(error.to_string()));
            }
            Err(error) => return (FileVerdict::NotChecked, Some(fit_to_show(&error.to_string()))),
        };
        let actual = attributes.length;
        let first = || self.reader.read(&location, 1).ok()?.0.first().copied();
        if file.length.fits(actual, first) {
            return (FileVerdict::Whole, None);
        }
        let reason = format!("it has {actual} bytes instead of {}", file.length.bytes());
        (FileVerdict::Damaged, Some(reason))
    }
}

/// What has been seen of a file, and why it is not as it must be.
type Seen = (FileVerdict, Option<String>);

/// A file among those of a directory.
fn beside(entries: &[Entry], name: &str) -> io::Result<Attributes> {
    let entry = entries.iter().find(|entry| entry.name == name && !entry.is_dir);
    entry
        .and_then(|entry| entry.attributes)
        .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
}

/// A name that stays within its directory.
fn is_plain_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains('/')
}

/// What the name of the directory says: checkpoints lie in `chk-NUMBER`, mostly in a directory of the job's name.
pub(super) fn named(dir: &Location) -> (SavepointKind, Option<(Option<JobId>, u64)>) {
    match dir.name().strip_prefix("chk-").and_then(|number| number.parse().ok()) {
        Some(number) => {
            let job = dir.around().and_then(|name| name.parse().ok());
            (SavepointKind::Checkpoint, Some((job, number)))
        }
        None => (SavepointKind::Savepoint, None),
    }
}

fn content(bytes: &[u8], attributes: Attributes) -> Content {
    let length = attributes.length;
    if length > LONGEST {
        return Content::Closed(None, format!("{FILE_NAME} has {length} bytes, more than are read"));
    }
    match Metadata::read(bytes) {
        Ok(metadata) => Content::Read(metadata),
        Err(error @ (Error::Newer(format) | Error::Older(format))) => {
            Content::Closed(Some(format), format!("{FILE_NAME} {error}"))
        }
        Err(error @ Error::Foreign(_)) => Content::Foreign(format!("{FILE_NAME} {error}")),
        Err(error) => Content::Damaged(format!("{FILE_NAME} {error}")),
    }
}

/// Whether nobody could read it: it is no file, or its links lead round in a circle.
fn can_be_none(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidInput || error.raw_os_error() == Some(Errno::LOOP.raw_os_error())
}

/// A file as it is named: as in `_metadata`.
fn shown(file: &Needed<'_>) -> String {
    match file.place {
        Place::Beside(path) | Place::At(path) => path.clone(),
    }
}

/// The verdict from what is wrong with its files.
fn judge(savepoint: &mut Savepoint, files: &[Needed<'_>], seen: &[Seen]) {
    for (verdict, what) in [
        (FileVerdict::Missing, "are missing"),
        (FileVerdict::Damaged, "are damaged"),
        (FileVerdict::NotChecked, "can't be read from here and were not checked"),
    ] {
        let of_it: Vec<_> = files.iter().zip(seen).filter(|(_, seen)| seen.0 == verdict).collect();
        if of_it.is_empty() {
            continue;
        }
        if verdict != FileVerdict::NotChecked {
            savepoint.verdict = Verdict::Missing;
        }
        let mut told: Option<&String> = None;
        let names = of_it.iter().take(NAMED).map(|(file, (_, why))| {
            // What stands in the way of several is said once.
            let why = why.as_ref().filter(|why| told != Some(*why));
            told = why.or(told);
            shown(file) + &why.map(|why| format!(" ({why})")).unwrap_or_default()
        });
        let mut named = names.collect::<Vec<_>>().join(", ");
        if of_it.len() > NAMED {
            named.push_str(&format!(" and {} more", of_it.len() - NAMED));
        }
        savepoint
            .reasons
            .push(format!("{} of {} files {what}: {named}", of_it.len(), files.len()));
    }
}

fn operator(operator: &Operator) -> OperatorState {
    OperatorState {
        id: operator.id.to_string(),
        name: operator.name.clone(),
        uid: operator.uid.clone(),
        parallelism: Some(operator.parallelism),
        max_parallelism: Some(operator.max_parallelism),
        keyed: operator.is_keyed(),
        finished: operator.finished,
        size: operator.size(),
        files: operator.files().len() as u64,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::Arc;

    use skep_engine::Search;

    use super::*;
    use crate::flink::files::Volumes;

    /// Reads a state, and says something of it.
    fn read<T>(dir: &Path, tell: impl FnOnce(Option<State<'_>>) -> T) -> T {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let _within = runtime.enter();
        let reader = Reader::new(Arc::new(Volumes::default()), Search::new());
        let dir = Location::typed(dir.to_str().unwrap()).unwrap();
        tell(State::read(&reader, &dir, None).unwrap())
    }

    fn inspection(dir: &Path) -> Inspection {
        read(dir, |state| state.unwrap().inspection())
    }

    fn delete(dir: &Path) -> Result<()> {
        read(dir, |state| state.unwrap().delete())
    }

    /// A saved state of a real cluster, in a directory of its own.
    fn sample(name: &str, to: &Path) {
        let from = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("crates/metadata/tests/samples")
            .join(name);
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
            }
        }
    }

    fn look(dir: &Path) -> Savepoint {
        read(dir, |state| state.unwrap().savepoint())
    }

    #[test]
    fn a_whole_state_is_told_from_one_with_a_file_missing_or_cut() {
        let world = tempfile::tempdir().unwrap();
        let dir = world.path().join("c0ffee12000000000000000000000001/chk-9");
        sample("1.20.3-heap-savepoint-native", &dir);
        let whole = look(&dir);
        assert_eq!((whole.verdict, &whole.reasons[..]), (Verdict::Usable, &[][..]));
        // Its kind and number are those of the bytes, whatever its directory is called.
        assert_eq!((whole.kind, whole.checkpoint_id), (SavepointKind::Savepoint, Some(7)));
        assert_eq!(whole.format_version, Some(4));
        let inspection = inspection(&dir);
        assert_eq!((inspection.format, inspection.files.len()), (Some(Format::Native), 3));
        assert_eq!(inspection.operators.len(), 6);
        let file = dir.join(&inspection.files[1].path);
        let bytes = fs::read(&file).unwrap();
        fs::write(&file, &bytes[1..]).unwrap();
        let cut = look(&dir);
        assert_eq!(cut.verdict, Verdict::Missing);
        let lengths = format!("({} bytes instead of {})", bytes.len() - 1, bytes.len()).replace('(', "(it has ");
        assert!(
            cut.reasons[0].contains("1 of 3 files") && cut.reasons[0].contains(&lengths),
            "{cut:?}"
        );
        fs::remove_file(&file).unwrap();
        let missing = look(&dir);
        assert_eq!(missing.verdict, Verdict::Missing);
        assert!(missing.reasons[0].contains(&inspection.files[1].path), "{missing:?}");
        let seen = self::inspection(&dir).files;
        let verdicts: Vec<_> = seen.iter().map(|file| file.verdict).collect();
        assert_eq!(verdicts, [FileVerdict::Whole, FileVerdict::Missing, FileVerdict::Whole]);
    }

    #[test]
    fn files_that_are_not_where_they_were_written_are_missing() {
        let world = tempfile::tempdir().unwrap();
        let dir = world.path().join("chk-6");
        // Its shared files are named by where they were.
        sample("2.3.0-rocksdb-incremental-2", &dir);
        let moved = look(&dir);
        assert_eq!(moved.verdict, Verdict::Missing);
        assert!(moved.reasons[0].contains("and 3 more"), "{moved:?}");
        assert!(
            moved.reasons[0].starts_with("6 of 9 files are missing: file:/"),
            "{moved:?}"
        );
    }

    #[test]
    fn a_savepoint_is_deleted_and_nothing_else() {
        let world = tempfile::tempdir().unwrap();
        let dir = world.path().join("savepoint-c0ffee-1");
        sample("1.20.3-heap-savepoint-canonical", &dir);
        fs::write(dir.join("notes.txt"), "mine").unwrap();
        delete(&dir).unwrap();
        let left: Vec<_> = fs::read_dir(&dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["notes.txt"]);
        fs::remove_file(dir.join("notes.txt")).unwrap();
        sample("1.20.3-heap-savepoint-canonical", &dir);
        delete(&dir).unwrap();
        assert!(!dir.exists());
        let checkpoint = world.path().join("chk-5");
        sample("1.20.3-heap-files", &checkpoint);
        let error = delete(&checkpoint).unwrap_err();
        assert_eq!(error.kind, skep_engine::ErrorKind::Refused, "{error}");
        assert_eq!(look(&checkpoint).verdict, Verdict::Usable);
        for name in ["../x", "/x", "a/b", "..", ""] {
            assert!(!is_plain_name(name), "{name}");
        }
    }

    #[test]
    fn what_can_t_be_checked_is_said_and_not_guessed() {
        let world = tempfile::tempdir().unwrap();
        let dir = world.path().join("savepoint-c0ffee-1");
        sample("2.3.0-rocksdb-incremental-2", &dir);
        let metadata = dir.join(FILE_NAME);
        let mut bytes = fs::read(&metadata).unwrap();
        // The shared files lie in a store that this machine has no way to: another scheme, in as many letters.
        for at in 0..bytes.len() - 5 {
            if &bytes[at..at + 6] == b"file:/" {
                bytes[at..at + 6].copy_from_slice(b"oss:/x");
            }
        }
        fs::write(&metadata, &bytes).unwrap();
        let elsewhere = look(&dir);
        assert_eq!(elsewhere.verdict, Verdict::Usable);
        assert!(
            elsewhere.reasons[0].contains("6 of 9 files can't be read from here"),
            "{elsewhere:?}"
        );
        // A later Flink's.
        bytes[7] = 7;
        fs::write(&metadata, &bytes).unwrap();
        let newer = look(&dir);
        assert_eq!((newer.verdict, newer.format_version), (Verdict::Usable, Some(7)));
        assert!(newer.reasons[0].contains("newer than this program knows"), "{newer:?}");
    }

    #[test]
    fn a_cut_or_foreign_metadata_is_no_usable_state() {
        let world = tempfile::tempdir().unwrap();
        let dir = world.path().join("savepoint-c0ffee-1");
        assert!(read(&dir, |state| state.is_none()));
        sample("2.3.0-heap-checkpoint", &dir);
        let metadata = dir.join(FILE_NAME);
        let bytes = fs::read(&metadata).unwrap();
        fs::write(&metadata, &bytes[..bytes.len() - 20]).unwrap();
        let cut = look(&dir);
        assert_eq!(cut.verdict, Verdict::Missing);
        assert!(cut.reasons[0].contains("cut or damaged at byte"), "{cut:?}");
        assert_eq!(inspection(&dir).savepoint.verdict, Verdict::Missing);
        fs::write(&metadata, "{\"skep-state\":1}").unwrap();
        assert_eq!(look(&dir).verdict, Verdict::Missing);
        assert!(read(&dir, |state| state.unwrap().is_foreign()));
        fs::remove_file(&metadata).unwrap();
        fs::create_dir(&metadata).unwrap();
        assert!(look(&dir).reasons[0].contains("not a file"));
    }
}
