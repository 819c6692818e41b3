//! The job verbs over a Unix socket: one request a connection, JSON lines, for other processes of the same user.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use skep_engine::{EngineError, ErrorKind, JobId, JobStatus, Result, Savepoint, Vertex};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime;
use tokio::time::timeout;

use super::file;
use super::handle::{Command, Handle, Line};

/// The version of the protocol.
const VERSION: u32 = 1;
/// No request is longer.
const REQUEST_LIMIT: u64 = 64 << 10;
/// No answer is longer: a job's log is the longest.
const ANSWER_LIMIT: u64 = 8 << 20;
/// How long a path the kernel takes: 108 bytes on Linux, 104 on macOS, with the zero at its end.
const PATH_LIMIT: usize = 103;
/// A question that needs no state to be saved is answered within that time.
const PROMPT: Duration = Duration::from_secs(5);
/// The saving of a state may take that long.
const PATIENT: Duration = Duration::from_secs(600);

/// What a process asks of a job's owner.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub(super) enum Verb {
    Status,
    /// The status now and whenever it changes, to its end.
    Watch,
    Detail,
    Savepoint {
        dir: Option<PathBuf>,
        trigger: JobId,
    },
    Stop {
        dir: Option<PathBuf>,
        drain: bool,
        trigger: JobId,
    },
    Checkpoint,
    Cancel,
    Log,
}

impl Verb {
    const fn limit(&self) -> Duration {
        match self {
            Self::Savepoint { .. } | Self::Stop { .. } | Self::Checkpoint => PATIENT,
            _ => PROMPT,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Request {
    version: u32,
    job: JobId,
    #[serde(flatten)]
    verb: Verb,
}

/// What the owner answers.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    Status(JobStatus),
    Detail {
        vertices: Vec<Vertex>,
        watermark: Option<Timestamp>,
    },
    Saved(Savepoint),
    Log(Vec<Line>),
    Done,
    Error {
        kind: ErrorKind,
        message: String,
        hints: Vec<String>,
    },
}

impl From<EngineError> for Answer {
    fn from(error: EngineError) -> Self {
        Self::Error {
            kind: error.kind,
            message: error.message,
            hints: error.hints,
        }
    }
}

/// A socket that nobody serves yet.
pub(super) struct Listener {
    pub(super) path: PathBuf,
    listener: StdListener,
}

/// Makes a job's socket: in its directory, or in the user's runtime directory if that path is too long for the kernel.
pub(super) fn bind(dir: &Path, job: &JobId) -> Result<Listener> {
    let mut path = dir.join("socket");
    if path.as_os_str().len() > PATH_LIMIT {
        path = short_dir().map_err(|error| file::failed("make a place for the socket of", dir, &error))?;
        path.push(format!("{job}.sock"));
    }
    let bind = || {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = StdListener::bind(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    let listener = bind().map_err(|error| file::failed("make the socket", &path, &error))?;
    Ok(Listener { path, listener })
}

/// A directory with a short path that is this user's alone.
fn short_dir() -> io::Result<PathBuf> {
    let uid = rustix::process::getuid().as_raw();
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(|dir| PathBuf::from(dir).join("skep"));
    let temporary = std::env::temp_dir().join(format!("skep-{uid}"));
    let shared = PathBuf::from(format!("/tmp/skep-{uid}"));
    // A job's socket has 38 bytes of name.
    let fits = |dir: &PathBuf| dir.as_os_str().len() + 38 <= PATH_LIMIT;
    let mut failure = io::Error::from(io::ErrorKind::InvalidInput);
    for dir in [runtime, Some(temporary), Some(shared)]
        .into_iter()
        .flatten()
        .filter(fits)
    {
        let made = file::create_private_dir(&dir).and_then(|()| fs::symlink_metadata(&dir));
        match made {
            Ok(metadata) if metadata.is_dir() && metadata.uid() == uid && metadata.mode() & 0o077 == 0 => {
                return Ok(dir);
            }
            Ok(_) => failure = io::Error::other(format!("{} is not this user's alone", dir.display())),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Serves a job's verbs until the job has ended.
pub(super) fn serve(listener: Listener, handle: &Arc<Handle>, runtime: &runtime::Handle) -> Result<()> {
    let Listener { path, listener } = listener;
    let _context = runtime.enter();
    let listener = UnixListener::from_std(listener).map_err(|error| file::failed("serve the socket", &path, &error))?;
    let served = Arc::clone(handle);
    let task = runtime.spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                // Out of file descriptors, most likely: others will be closed.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let handle = Arc::clone(&served);
            tokio::spawn(async move {
                // Whoever asked has gone; what was asked has been done.
                let _ = answer(stream, &handle).await;
            });
        }
    });
    handle.open_socket(path, task.abort_handle());
    Ok(())
}

async fn answer(stream: UnixStream, handle: &Arc<Handle>) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut read = BufReader::new(read.take(REQUEST_LIMIT));
    match timeout(PROMPT, read.read_line(&mut line)).await {
        Ok(read) => read?,
        Err(_) => return Ok(()),
    };
    let refuse = |message: String| Answer::from(EngineError::new(ErrorKind::Protocol, message));
    let request = match serde_json::from_str::<Request>(&line) {
        Ok(request) if request.version != VERSION => {
            let message = format!("the job's process speaks version {VERSION}, not {}", request.version);
            return send(&mut write, &refuse(message)).await;
        }
        Ok(request) if request.job != handle.job_id => {
            return send(&mut write, &refuse(format!("this is job {}", handle.job_id))).await;
        }
        Ok(request) => request,
        Err(error) => return send(&mut write, &refuse(format!("the request can't be understood: {error}"))).await,
    };
    if matches!(request.verb, Verb::Watch) {
        return send_changes(&mut write, handle).await;
    }
    let answer = carry_out(request.verb, handle).await.unwrap_or_else(Answer::from);
    send(&mut write, &answer).await
}

async fn carry_out(verb: Verb, handle: &Arc<Handle>) -> Result<Answer> {
    Ok(match verb {
        Verb::Status | Verb::Watch => Answer::Status(handle.status()),
        Verb::Detail => {
            let (vertices, watermark) = handle.vertices().await;
            Answer::Detail { vertices, watermark }
        }
        Verb::Savepoint { dir, trigger } => Answer::Saved(handle.savepoint(trigger, dir).await?),
        Verb::Stop { dir, drain, trigger } => Answer::Saved(handle.stop(trigger, dir, drain).await?),
        Verb::Checkpoint => Answer::Saved(handle.ask(Command::Checkpoint).await??),
        Verb::Cancel => {
            handle.request_cancel()?;
            Answer::Done
        }
        Verb::Log => {
            let lines = handle.log.lines().0.into_iter();
            Answer::Log(
                lines
                    .map(|line| Line {
                        at: line.at,
                        text: line.text,
                    })
                    .collect(),
            )
        }
    })
}

async fn send_changes(write: &mut (impl AsyncWriteExt + Unpin), handle: &Handle) -> io::Result<()> {
    let mut watch = handle.watch();
    loop {
        let status = watch.borrow_and_update().status.clone();
        let Some(status) = status else { continue };
        let ended = status.state.is_terminal();
        send(write, &Answer::Status(status)).await?;
        if ended || watch.changed().await.is_err() {
            return Ok(());
        }
    }
}

async fn send(write: &mut (impl AsyncWriteExt + Unpin), answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    write.write_all(&line).await
}

/// A connection to a job's owner.
pub(super) struct Client {
    read: BufReader<tokio::net::unix::OwnedReadHalf>,
    limit: Duration,
    job: JobId,
    // Kept open: its end would tell the owner that nobody waits.
    _write: tokio::net::unix::OwnedWriteHalf,
}

impl Client {
    /// Sends a verb to the owner of a job.
    ///
    /// # Errors
    /// [`ErrorKind::Connect`]: it was not sent.
    pub(super) async fn send(path: &Path, job: JobId, verb: Verb) -> Result<Self> {
        let limit = verb.limit();
        let unreachable = |why: String| {
            EngineError::new(
                ErrorKind::Connect,
                format!("the process that runs job {} {why}", job.short()),
            )
        };
        let stream = timeout(PROMPT, UnixStream::connect(path)).await;
        let stream = stream
            .map_err(|_| unreachable("does not answer".to_owned()))?
            .map_err(|error| unreachable(format!("can't be reached at {}: {error}", path.display())))?;
        let (read, mut write) = stream.into_split();
        let request = Request {
            version: VERSION,
            job,
            verb,
        };
        let mut line = serde_json::to_vec(&request)
            .map_err(|error| EngineError::new(ErrorKind::Protocol, format!("the request can't be sent: {error}")))?;
        line.push(b'\n');
        write
            .write_all(&line)
            .await
            .map_err(|error| unreachable(format!("took no request: {error}")))?;
        Ok(Self {
            read: BufReader::new(read),
            limit,
            job,
            _write: write,
        })
    }

    /// The answer.
    ///
    /// # Errors
    /// As the owner answered; [`ErrorKind::Lost`] if it went away, [`ErrorKind::Timeout`] if it takes too long.
    pub(super) async fn answer(mut self) -> Result<Answer> {
        let limit = self.limit;
        match timeout(limit, self.next()).await {
            Ok(answer) => answer,
            Err(_) => Err(EngineError::new(
                ErrorKind::Timeout,
                format!(
                    "the process that runs job {} did not answer within {} s",
                    self.job.short(),
                    limit.as_secs()
                ),
            )
            .hint("the request may still be carried out")),
        }
    }

    /// The next answer of a verb that has several.
    ///
    /// # Errors
    /// As [`Client::answer`], without a limit of time.
    pub(super) async fn next(&mut self) -> Result<Answer> {
        let mut line = Vec::new();
        let read = (&mut self.read).take(ANSWER_LIMIT).read_until(b'\n', &mut line).await;
        if !matches!(read, Ok(n) if n > 0) || !line.ends_with(b"\n") {
            return Err(EngineError::new(
                ErrorKind::Lost,
                format!(
                    "the process that runs job {} went away without an answer",
                    self.job.short()
                ),
            ));
        }
        match serde_json::from_slice(&line) {
            Ok(Answer::Error { kind, message, hints }) => {
                let mut error = EngineError::new(kind, message);
                error.hints = hints;
                Err(error)
            }
            Ok(answer) => Ok(answer),
            Err(error) => Err(EngineError::new(
                ErrorKind::Protocol,
                format!(
                    "the answer of job {}'s process can't be understood: {error}",
                    self.job.short()
                ),
            )),
        }
    }
}
