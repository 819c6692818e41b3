//! Scripts: files, `-e`, and standard input, which is run as it comes.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use tokio::sync::mpsc;

use crate::command::{self, Flow};
use crate::dispatch::dispatch;
use crate::error::{Error, ErrorKind, Origin};
use crate::session::Session;
use crate::syntax::utf8::{NotUtf8, Utf8Decoder};
use crate::syntax::{Input, Open, Pending, Piece, Splitter};

/// A script may run a script may run a script, so deep.
const DEPTH: usize = 16;

/// How much of a file is read at once.
const CHUNK: usize = 64 * 1024;

/// A splitter for this session: it knows the connection's dialect and the commands whose tails are SQL.
pub fn splitter(session: &Session) -> Splitter {
    Splitter::with_sql_tails(session.dialect(), command::sql_start)
}

/// Runs a text that the command line gave.
///
/// # Errors
/// The first piece that failed, unless failures are passed over.
pub async fn run_text(session: &mut Session, text: &str) -> Result<Flow, Error> {
    let mut script = Script::new(session, Origin::Named("-e".to_owned()), 0);
    script.splitter.feed(text);
    if script.run_pieces(session).await? == Flow::Quit {
        return Ok(Flow::Quit);
    }
    script.run_last(session).await
}

/// Runs a file.
///
/// # Errors
/// It can't be read, or a piece failed.
pub async fn run_file(session: &mut Session, path: &Path) -> Result<Flow, Error> {
    file_at_depth(session, path, 0).await
}

async fn file_at_depth(session: &mut Session, path: &Path, depth: usize) -> Result<Flow, Error> {
    let name = path.display().to_string();
    if depth >= DEPTH {
        return Err(Error::usage(format!(
            "{name}: scripts run one another more than {DEPTH} deep"
        )));
    }
    let file = File::open(path).map_err(|cause| Error::unreadable(&name, &cause))?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(Error::usage(format!("{name} is a directory")));
    }
    Script::new(session, Origin::Named(name), depth)
        .run(session, file)
        .await
}

/// Runs standard input, each piece as soon as it is whole.
///
/// # Errors
/// It can't be read, or a piece failed.
pub async fn run_stdin(session: &mut Session) -> Result<Flow, Error> {
    Script::new(session, Origin::Stdin, 0).run(session, io::stdin()).await
}

/// Runs what one piece of input, typed or pasted, holds.
///
/// # Errors
/// It failed. A script that it ran has been reported by then as far as it went on.
pub async fn run_piece(session: &mut Session, piece: &Piece) -> Result<Flow, Error> {
    match dispatch(session, piece).await {
        Ok(Flow::Run(path)) => Box::pin(file_at_depth(session, &path, 0)).await,
        other => other.map_err(|error| located(error, &Origin::Prompt, piece)),
    }
}

/// A script that is being run.
struct Script {
    origin: Origin,
    splitter: Splitter,
    depth: usize,
}

impl Script {
    fn new(session: &Session, origin: Origin, depth: usize) -> Self {
        Self {
            origin,
            splitter: splitter(session),
            depth,
        }
    }

    /// Runs what a reader gives.
    async fn run(mut self, session: &mut Session, reader: impl Read + Send + 'static) -> Result<Flow, Error> {
        let mut chunks = read_ahead(reader);
        let mut decoder = Utf8Decoder::default();
        loop {
            let chunk = tokio::select! {
                chunk = chunks.recv() => chunk,
                signal = session.interrupts.next() => return Err(signal.error()),
            };
            let Some(chunk) = chunk else { break };
            let chunk = chunk.map_err(|cause| Error::unreadable(self.name(), &cause))?;
            let text = decoder.decode(&chunk).map_err(|cause| not_utf8(&self.origin, &cause))?;
            self.splitter.feed(&text);
            if Box::pin(self.run_pieces(session)).await? == Flow::Quit {
                return Ok(Flow::Quit);
            }
        }
        decoder.finish().map_err(|cause| not_utf8(&self.origin, &cause))?;
        Box::pin(self.run_last(session)).await
    }

    /// Runs what is left where the input ends. A comment that is open there has swallowed what follows it: nothing of
    /// the statement that it stands in is run.
    async fn run_last(&mut self, session: &mut Session) -> Result<Flow, Error> {
        if let Some(Pending {
            open: Open::Comment,
            place,
        }) = self.splitter.pending()
        {
            let error = Error::failed("a comment begins here and is not closed")
                .hint("what follows it was not run: */ closes it")
                .begun_at(&self.origin, place.line as u32, place.column as u32);
            pass_over(session, error)?;
            return Ok(Flow::Continue);
        }
        self.splitter.finish();
        self.run_pieces(session).await
    }

    fn name(&self) -> &str {
        match &self.origin {
            Origin::Named(name) => name,
            Origin::Stdin | Origin::Prompt => "",
        }
    }

    /// Runs the pieces that are whole.
    async fn run_pieces(&mut self, session: &mut Session) -> Result<Flow, Error> {
        while let Some(piece) = self.splitter.next_piece() {
            let done = match dispatch(session, &piece).await {
                Ok(Flow::Run(path)) => Box::pin(file_at_depth(session, &path, self.depth + 1)).await,
                other => other.map_err(|error| located(error, &self.origin, &piece)),
            };
            match done {
                Ok(Flow::Quit) => return Ok(Flow::Quit),
                // A new connection may have another dialect.
                Ok(_) => self.splitter.set_dialect(session.dialect()),
                Err(error) => pass_over(session, error)?,
            }
            if let Some(signal) = session.interrupts.pending() {
                return Err(signal.error());
            }
        }
        Ok(Flow::Continue)
    }
}

/// Says a failure and goes on, if the session is to.
///
/// # Errors
/// It is not: the failure.
fn pass_over(session: &mut Session, error: Error) -> Result<(), Error> {
    if !session.settings.force || error.ends_script() {
        return Err(error);
    }
    session.ui.error(&error);
    session.note_failure(&Error::new(ErrorKind::Failed, ""));
    Ok(())
}

/// Reads on a thread of its own, since reading blocks, a little ahead of what is run.
fn read_ahead(mut reader: impl Read + Send + 'static) -> mpsc::Receiver<io::Result<Vec<u8>>> {
    let (sender, chunks) = mpsc::channel(2);
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
    chunks
}

/// Says where a statement stands that failed: at the engine's word for it, else at its beginning.
fn located(error: Error, origin: &Origin, piece: &Piece) -> Error {
    let (line, column) = (piece.place.line as u32, piece.place.column as u32);
    match &piece.input {
        Input::Sql { text, .. } => error.locate(origin, text, line, column).begun_at(origin, line, column),
        _ => error.begun_at(origin, line, column),
    }
}

fn not_utf8(origin: &Origin, cause: &NotUtf8) -> Error {
    let error = Error::usage(cause.to_string());
    match origin {
        Origin::Named(name) => error.within(name),
        Origin::Stdin | Origin::Prompt => error.within("standard input"),
    }
}
