//! Rows in the foreground: shown as they come, until they end or the person wants something else.

use std::io::Write;
use std::time::Duration;

use skep_engine::{EngineError, Rows};

use crate::error::Error;
use crate::interrupt::{Interrupts, Signal};
use crate::render;
use crate::session::Session;

/// How showing rows came to its end.
#[derive(Debug)]
pub enum End {
    /// All were shown.
    Complete,
    /// The engine ended them with an error.
    Failed(EngineError),
    /// A signal came; more rows may be waiting.
    Interrupted(Signal),
}

/// A renderer that has rows and no company decides its layout after so long, so that an endless query's first row is seen.
const PATIENCE: Duration = Duration::from_millis(100);

/// Shows rows in the session's format until they end or a signal comes. Returns how many were shown.
///
/// # Errors
/// The results could not be written: the reader went away.
pub async fn show(session: &mut Session, rows: &mut dyn Rows) -> Result<(u64, End), Error> {
    let terminal = session.ui.terminal();
    let options = render::Options {
        show_header: session.settings.show_header,
        terminal: terminal.stdout,
        width: terminal.results_width(),
        unicode: terminal.boxes(),
        ..render::Options::default()
    };
    let mut renderer = render::renderer(session.settings.format, &options);
    let mut out = session.ui.results();
    renderer.begin(&rows.schema(), rows.is_changelog(), &mut out)?;
    let mut count = 0;
    // Rows that the renderer may be holding back.
    let mut waiting = false;
    let end = loop {
        match next(rows, &mut session.interrupts, waiting).await {
            Next::Batch(batch) => {
                count += batch.rows.num_rows() as u64;
                renderer.batch(&batch, &mut out)?;
                waiting = true;
            }
            Next::Quiet => {
                renderer.flush(&mut out)?;
                out.flush()?;
                waiting = false;
            }
            Next::End(end) => break end,
        }
    };
    if matches!(end, End::Interrupted(_)) && session.ui.terminal().stdout {
        // The terminal has shown the key (^C) in the line where the next row was to stand.
        out.write_all(b"\n")?;
    }
    renderer.end(&mut out)?;
    out.flush()?;
    Ok((count, end))
}

enum Next {
    Batch(skep_engine::Batch),
    Quiet,
    End(End),
}

async fn next(rows: &mut dyn Rows, interrupts: &mut Interrupts, waiting: bool) -> Next {
    tokio::select! {
        biased;
        signal = interrupts.next() => Next::End(End::Interrupted(signal)),
        batch = rows.next() => match batch {
            Ok(Some(batch)) => Next::Batch(batch),
            Ok(None) => Next::End(End::Complete),
            Err(error) => Next::End(End::Failed(error)),
        },
        () = tokio::time::sleep(PATIENCE), if waiting => Next::Quiet,
    }
}
