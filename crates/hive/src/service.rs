//! What the calls of `TCLIService` take and give, as its Thrift definition has it
//! (<https://github.com/apache/hive/blob/master/service-rpc/if/TCLIService.thrift>).

use std::collections::BTreeMap;
use std::fmt;

use arrow::array::RecordBatch;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::Failure;
use crate::thrift::{Kind, Malformed, Reader, Writer};

/// A version of the protocol. Results are columnar from 6 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Protocol(u8);

impl Protocol {
    /// What Kyuubi's REST API stands on: rows come one by one.
    pub(crate) const V1: Self = Self(1);
    /// The first one with columnar results: Hive 0.13.
    pub const V6: Self = Self(6);
    /// That of Hive 1.2 and 2.0.
    pub const V8: Self = Self(8);
    /// The newest.
    pub const V11: Self = Self(11);

    /// The number that stands for it on the wire, one less.
    pub(crate) fn wire(self) -> i32 {
        i32::from(self.0) - 1
    }

    pub(crate) fn of_wire(number: i32) -> Option<Self> {
        let version = Self(u8::try_from(number.checked_add(1)?).ok()?);
        (Self::V6..=Self::V11).contains(&version).then_some(version)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "V{}", self.0)
    }
}

/// A handle of the server's: a public id and a secret that goes with it.
#[derive(Clone, PartialEq, Eq)]
pub struct Handle {
    guid: Vec<u8>,
    secret: Vec<u8>,
}

impl fmt::Display for Handle {
    /// The public id, as the server's log has it: a UUID.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.guid.iter().take(16).enumerate() {
            let dash = if matches!(at, 4 | 6 | 8 | 10) { "-" } else { "" };
            write!(f, "{dash}{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({self})")
    }
}

impl Handle {
    /// The handle whose public id is that UUID: over REST no secret goes with it.
    pub(crate) fn of_uuid(text: &str) -> Option<Self> {
        let groups: Vec<&str> = text.split('-').collect();
        if !groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12]) {
            return None;
        }
        let digits: Vec<u32> = groups
            .concat()
            .chars()
            .map(|digit| digit.to_digit(16))
            .collect::<Option<_>>()?;
        let (pairs, _) = digits.as_chunks::<2>();
        Some(Self {
            guid: pairs
                .iter()
                .filter_map(|[high, low]| u8::try_from(high * 16 + low).ok())
                .collect(),
            secret: Vec::new(),
        })
    }

    /// Reads a `THandleIdentifier`.
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut handle = Self {
            guid: Vec::new(),
            secret: Vec::new(),
        };
        reader.structure(|reader, id, kind| {
            match (id, kind) {
                (1, Kind::Binary) => handle.guid = reader.binary()?.to_vec(),
                (2, Kind::Binary) => handle.secret = reader.binary()?.to_vec(),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(handle)
    }

    fn write(&self, writer: &mut Writer, id: i16) {
        writer.structure(id, |writer| {
            writer.binary(1, &self.guid);
            writer.binary(2, &self.secret);
        });
    }
}

/// The handle of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionHandle(pub(crate) Handle);

impl SessionHandle {
    /// Its public id.
    pub const fn id(&self) -> &Handle {
        &self.0
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut handle = None;
        reader.structure(|reader, id, kind| {
            if (id, kind) != (1, Kind::Struct) {
                return Ok(false);
            }
            handle = Some(Handle::read(reader)?);
            Ok(true)
        })?;
        handle
            .map(Self)
            .ok_or_else(|| Malformed("a session's handle is empty".to_owned()))
    }

    pub(crate) fn write(&self, writer: &mut Writer, id: i16) {
        writer.structure(id, |writer| self.0.write(writer, 1));
    }
}

/// A session that has been opened.
#[derive(Debug, Clone)]
pub struct Session {
    /// Its handle.
    pub handle: SessionHandle,
    /// The version that the server speaks in it.
    pub protocol: Protocol,
    /// What the server says of its configuration.
    pub configuration: BTreeMap<String, String>,
}

/// The handle of an operation: a statement that the server runs, or a question about its catalog.
#[derive(Debug, Clone, PartialEq)]
pub struct OperationHandle {
    handle: Handle,
    kind: i32,
    /// Whether the server says that it has a result. Spark says so of every statement.
    pub has_result_set: bool,
    modified: Option<f64>,
}

impl OperationHandle {
    /// The operation whose handle that is. `UNKNOWN`, as Kyuubi's own driver has it, where nothing is said of its kind.
    pub(crate) const fn unknown(handle: Handle, has_result_set: bool) -> Self {
        Self {
            handle,
            kind: 8,
            has_result_set,
            modified: None,
        }
    }

    /// Its public id.
    pub const fn id(&self) -> &Handle {
        &self.handle
    }

    /// The operation by which a server starts the engine of a session, which Kyuubi names in the session's configuration.
    pub(crate) fn launch(configuration: &BTreeMap<String, String>) -> Option<Self> {
        let part = |name: &str| {
            let text = configuration.get(&format!("kyuubi.session.engine.launch.handle.{name}"))?;
            STANDARD.decode(text).ok()
        };
        let handle = Handle {
            guid: part("guid")?,
            secret: part("secret")?,
        };
        Some(Self::unknown(handle, false))
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut handle = None;
        let (mut operation, mut has_result_set, mut modified) = (0, false, None);
        reader.structure(|reader, id, kind| {
            match (id, kind) {
                (1, Kind::Struct) => handle = Some(Handle::read(reader)?),
                (2, Kind::I32) => operation = reader.i32()?,
                (3, Kind::Bool) => has_result_set = reader.bool()?,
                (4, Kind::Double) => modified = Some(reader.double()?),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(Self {
            handle: handle.ok_or_else(|| Malformed("an operation's handle is empty".to_owned()))?,
            kind: operation,
            has_result_set,
            modified,
        })
    }

    pub(crate) fn write(&self, writer: &mut Writer, id: i16) {
        writer.structure(id, |writer| {
            self.handle.write(writer, 1);
            writer.i32(2, self.kind);
            writer.bool(3, self.has_result_set);
            if let Some(modified) = self.modified {
                writer.double(4, modified);
            }
        });
    }
}

/// How far an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperationState {
    /// Waits for its turn, or has just been made.
    Pending,
    /// Runs.
    Running,
    /// Is done: its result can be fetched.
    Finished,
    /// Was cancelled.
    Canceled,
    /// Was closed.
    Closed,
    /// Failed.
    Error,
    /// The server is in doubt itself.
    Unknown,
    /// Took longer than it was given.
    TimedOut,
}

impl OperationState {
    /// Kyuubi's words for them, over REST.
    pub(crate) fn of_name(name: &str) -> Self {
        match name.strip_suffix("_STATE").unwrap_or(name) {
            "INITIALIZED" | "PENDING" => Self::Pending,
            "RUNNING" | "COMPILED" => Self::Running,
            "FINISHED" => Self::Finished,
            "CANCELED" => Self::Canceled,
            "CLOSED" => Self::Closed,
            "ERROR" => Self::Error,
            "TIMEOUT" | "TIMEDOUT" => Self::TimedOut,
            _ => Self::Unknown,
        }
    }

    fn of_wire(number: i32) -> Self {
        match number {
            0 | 7 => Self::Pending,
            1 => Self::Running,
            2 => Self::Finished,
            3 => Self::Canceled,
            4 => Self::Closed,
            5 => Self::Error,
            8 => Self::TimedOut,
            _ => Self::Unknown,
        }
    }

    /// Whether it will not change any more.
    pub const fn is_terminal(self) -> bool {
        !matches!(self, Self::Pending | Self::Running | Self::Unknown)
    }
}

/// What the server says of an operation.
#[derive(Debug, Clone)]
pub struct OperationStatus {
    /// How far it is.
    pub state: OperationState,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// Whether there is a result, where the server says so.
    pub has_result_set: Option<bool>,
    /// How far its parts are, where the server says so: Hive on Tez and LLAP.
    pub progress: Option<Progress>,
}

/// How far the parts of an operation are, as a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// The table's header.
    pub header: Vec<String>,
    /// A row for each part.
    pub rows: Vec<Vec<String>>,
    /// From 0 to 1.
    pub share: f64,
    /// The last line.
    pub footer: String,
}

impl OperationStatus {
    /// Reads the fields of a `TGetOperationStatusResp` after its status.
    pub(crate) fn read(fields: &mut Fields<'_, '_>) -> Result<Self, Malformed> {
        let (mut state, mut sql_state, mut code, mut message) = (OperationState::Unknown, None, 0, None);
        let (mut has_result_set, mut progress) = (None, None);
        fields.read(|reader, id, kind| {
            match (id, kind) {
                (2, Kind::I32) => state = OperationState::of_wire(reader.i32()?),
                (3, Kind::Binary) => sql_state = Some(reader.text()?),
                (4, Kind::I32) => code = reader.i32()?,
                (5, Kind::Binary) => message = Some(reader.text()?),
                (9, Kind::Bool) => has_result_set = Some(reader.bool()?),
                (10, Kind::Struct) => progress = Some(Progress::read(reader)?),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        let has_failed = matches!(state, OperationState::Error | OperationState::TimedOut);
        Ok(Self {
            state,
            failure: (has_failed || message.is_some()).then(|| Failure::of_operation(message, sql_state, code)),
            has_result_set,
            progress: progress.filter(|progress: &Progress| !progress.header.is_empty()),
        })
    }
}

impl Progress {
    /// Reads a `TProgressUpdateResp`.
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut progress = Self {
            header: Vec::new(),
            rows: Vec::new(),
            share: 0.0,
            footer: String::new(),
        };
        reader.structure(|reader, id, kind| {
            match (id, kind) {
                (1, Kind::List) => progress.header = read_texts(reader)?,
                (2, Kind::List) => {
                    for _ in 0..reader.list(Kind::List)? {
                        progress.rows.push(read_texts(reader)?);
                    }
                }
                (3, Kind::Double) => progress.share = reader.double()?,
                (5, Kind::Binary) => progress.footer = reader.text()?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(progress)
    }
}

/// Rows that were fetched.
#[derive(Debug, Clone)]
pub struct RowSet {
    /// The rows; none if the result has no columns at all, as Spark's of a statement that gives none.
    pub rows: Option<RecordBatch>,
    /// How many bytes they took on their way.
    pub bytes: usize,
    /// The server says that there are more, also if these are none: it is to be asked again. That it does not say so means
    /// nothing; Hive, Spark and Kyuubi never do, Flink's own endpoint does.
    pub more: bool,
}

/// The fields of an answer, the first of which is its status.
pub(crate) struct Fields<'r, 'a> {
    pub(crate) reader: &'r mut Reader<'a>,
    pub(crate) failure: Option<Failure>,
}

impl<'a> Fields<'_, 'a> {
    /// Reads the answer: a `TStatus` in field 1, all others by `take`.
    pub(crate) fn read(
        &mut self,
        mut take: impl FnMut(&mut Reader<'a>, i16, Kind) -> Result<bool, Malformed>,
    ) -> Result<(), Malformed> {
        let failure = &mut self.failure;
        self.reader.structure(|reader, id, kind| {
            if (id, kind) != (1, Kind::Struct) {
                return take(reader, id, kind);
            }
            *failure = read_status(reader)?;
            Ok(true)
        })
    }
}

/// Reads a `TStatus`: nothing if it says that all is well.
fn read_status(reader: &mut Reader<'_>) -> Result<Option<Failure>, Malformed> {
    /// `SUCCESS_STATUS`, `SUCCESS_WITH_INFO_STATUS`, `STILL_EXECUTING_STATUS`.
    const WELL: std::ops::RangeInclusive<i32> = 0..=2;
    const INVALID_HANDLE: i32 = 4;
    let (mut status, mut info, mut sql_state, mut code, mut message) = (None, Vec::new(), None, 0, None);
    reader.structure(|reader, id, kind| {
        match (id, kind) {
            (1, Kind::I32) => status = Some(reader.i32()?),
            (2, Kind::List) => info = read_texts(reader)?,
            (3, Kind::Binary) => sql_state = Some(reader.text()?),
            (4, Kind::I32) => code = reader.i32()?,
            (5, Kind::Binary) => message = Some(reader.text()?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let status = status.ok_or_else(|| Malformed("a status has no code".to_owned()))?;
    if WELL.contains(&status) {
        return Ok(None);
    }
    let mut failure = Failure::of_status(message, sql_state, code, &info);
    failure.is_unknown_handle |= status == INVALID_HANDLE;
    Ok(Some(failure))
}

/// A list of texts.
pub(crate) fn read_texts(reader: &mut Reader<'_>) -> Result<Vec<String>, Malformed> {
    (0..reader.list(Kind::Binary)?).map(|_| reader.text()).collect()
}

/// A map of texts.
pub(crate) fn read_map(reader: &mut Reader<'_>) -> Result<BTreeMap<String, String>, Malformed> {
    (0..reader.map(Kind::Binary)?)
        .map(|_| Ok((reader.text()?, reader.text()?)))
        .collect()
}
