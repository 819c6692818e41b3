//! Scripts: files, `-e`, and standard input, which is run as it comes.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use tokio::sync::mpsc;

use crate::command::{self, Flow};
use crate::dispatch::dispatch;
use crate::error::{Error, Place};
use crate::interrupt::Signal;
use crate::session::Session;
use crate::syntax::splitter::{Piece, Splitter};

/// A script may run a script may run a script, so deep.
const DEPTH: usize = 16;

/// How much of a file is read at once.
const CHUNK: usize = 64 * 1024;

/// A splitter for this session: it knows the connection's dialect and the commands whose tails are SQL.
pub fn splitter(session: &Session) -> Splitter {
    let dialect = session.open.as_ref().and_then(|open| open.connection.sql.as_ref()).map(|sql| sql.dialect());
    Splitter::new(dialect.unwrap_or(skep_engine::Dialect::FLINK), command::sql_tail)
}

/// Runs a text under a name that errors show.
///
/// # Errors
/// The first piece that failed, unless failures are passed over.
pub async fn run_text(session: &mut Session, name: &str, text: &str) -> Result<Flow, Error> {
    let mut splitter = splitter(session);
    let mut pieces = splitter.feed(text);
    pieces.extend(splitter.finish());
    run_pieces(session, name, pieces, 0).await
}

/// Runs a file.
///
/// # Errors
/// It can't be read, or a piece failed.
pub async fn run_file(session: &mut Session, path: &Path) -> Result<Flow, Error> {
    file_at_depth(session, path, 0).await
}

/// Runs a file that a command of the prompt named.
async fn file_at_depth(session: &mut Session, path: &Path, depth: usize) -> Result<Flow, Error> {
    let name = path.display().to_string();
    if depth >= DEPTH {
        return Err(Error::usage(format!("{name}: scripts run one another more than {DEPTH} deep")));
    }
    let file = File::open(path).map_err(|cause| Error::unreadable(&name, &cause))?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(Error::usage(format!("{name} is a directory")));
    }
    run_input(session, &name, file, depth).await
}

/// Runs standard input, each piece as soon as it is whole.
///
/// # Errors
/// It can't be read, or a piece failed.
pub async fn run_stdin(session: &mut Session) -> Result<Flow, Error> {
    run_input(session, "", io::stdin(), 0).await
}

/// Runs what a reader gives. It is read on a thread of its own, since reading blocks, a little ahead of what is run.
async fn run_input(
    session: &mut Session,
    name: &str,
    mut reader: impl Read + Send + 'static,
    depth: usize,
) -> Result<Flow, Error> {
    let (sender, mut chunks) = mpsc::channel::<io::Result<Vec<u8>>>(2);
    std::thread::spawn(move || {
        let mut buffer = vec![0; CHUNK];
        loop {
            let chunk = match reader.read(&mut buffer) {
                Ok(0) => return,
                Ok(n) => Ok(buffer[..n].to_vec()),
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
                Err(cause) => Err(cause),
            };
            let failed = chunk.is_err();
            if sender.blocking_send(chunk).is_err() || failed {
                return;
            }
        }
    });
    let mut splitter = splitter(session);
    let mut text = Utf8::default();
    let mut outcome = Flow::Continue;
    loop {
        session.interrupts.forget();
        let chunk = tokio::select! {
            chunk = chunks.recv() => chunk,
            signal = session.interrupts.next() => return Err(signal.error()),
        };
        let Some(chunk) = chunk else { break };
        let chunk = chunk.map_err(|cause| Error::unreadable(name, &cause))?;
        let text = text.push(&chunk).map_err(|line| not_utf8(name, line))?;
        let pieces = splitter.feed(&text);
        outcome = Box::pin(run_pieces(session, name, pieces, depth)).await?;
        if outcome == Flow::Quit {
            return Ok(outcome);
        }
    }
    if !text.rest.is_empty() {
        return Err(not_utf8(name, text.line));
    }
    let pieces = splitter.finish();
    if !pieces.is_empty() {
        outcome = Box::pin(run_pieces(session, name, pieces, depth)).await?;
    }
    Ok(outcome)
}

async fn run_pieces(session: &mut Session, name: &str, pieces: Vec<Piece>, depth: usize) -> Result<Flow, Error> {
    for piece in pieces {
        let done = match dispatch(session, &piece).await {
            Ok(Flow::Run(path)) => Box::pin(file_at_depth(session, &path, depth + 1)).await,
            other => other,
        };
        match done {
            Ok(Flow::Quit) => return Ok(Flow::Quit),
            Ok(_) => {}
            Err(error) => {
                let error = error.placed(&Place::of_piece(name, piece.line, piece.column));
                // A signal, and a reader that went away, end a script whatever was asked for.
                if !session.settings.force || error.ends_script() || session.interrupts.ending().is_some() {
                    return Err(error);
                }
                session.ui.error(&error);
                session.note_failure(&Error::failed(String::new()));
            }
        }
        if let Some(signal) = session.interrupts.ending() {
            return Err(signal.error());
        }
    }
    Ok(Flow::Continue)
}

/// Whether the script was ended by Ctrl-C: then its local jobs are still stopped with a savepoint.
pub fn was_interrupted(error: &Error) -> bool {
    error.exit_code() == Signal::Interrupt.exit_code()
}

fn not_utf8(origin: &Origin, cause: &NotUtf8) -> Error {
    let error = Error::usage(cause.to_string());
    match origin {
        Origin::Named(name) => error.within(name),
        Origin::Stdin | Origin::Prompt => error.within("standard input"),
    }
}
