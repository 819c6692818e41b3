//! Rows in the foreground: shown as they come, until they end or the person wants something else.

use std::io::Write;
use std::time::Duration;

use futures::FutureExt;
use skep_engine::{Batch, EngineError, LogRing, Rows};
use tokio::sync::watch;
use tokio::time::Instant;

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

/// No row is held back for longer, neither by a renderer that wants to see more rows nor by a buffer: an endless query's
/// rows are seen, also when they trickle.
const PATIENCE: Duration = Duration::from_millis(100);

/// Between so many rows a signal is looked for: a terminal takes its time for a whole batch.
const STRETCH: usize = 512;

/// Shows rows in the session's format until they end or a signal comes. Returns how many were shown. Of a query that runs
/// in the `background` no row is lost, whatever signal ends the showing. What the engine adds to `log` meanwhile, such as
/// why there are no rows, is told beside them; on a terminal also how long they have been waited for `since`.
///
/// # Errors
/// The results could not be written: the reader went away.
pub async fn show(
    session: &mut Session,
    rows: &mut dyn Rows,
    log: &LogRing,
    background: bool,
    since: std::time::Instant,
) -> Result<(u64, End), Error> {
    let terminal = session.ui.terminal();
    let options = render::Options {
        show_header: session.settings.show_header,
        terminal: terminal.stdout,
        width: terminal.results_width(),
        unicode: terminal.boxes(),
        ..render::Options::default()
    };
    let format = match session.settings.format {
        // Who asks for JSON and for no format can't read a table.
        render::Format::Table if session.settings.json => render::Format::Jsonl,
        format => format,
    };
    let mut renderer = render::renderer(format, &options);
    let mut out = session.ui.results();
    let mut written = log.written();
    // Who comes back to a query has been told before.
    let mut told = if background { *written.borrow() } else { 0 };
    let waiting = session.ui.waiting(since, ways_out(session, background));
    let what = || "no row yet".to_owned();
    while let Some(next) = waiting
        .until(what, until_ready(rows, &mut session.interrupts, &mut written))
        .await
    {
        match next {
            Next::Told => tell(session, log, &mut told, &written),
            Next::End(end) => {
                if matches!(end, End::Interrupted(_)) {
                    session.ui.clear_key();
                }
                return Ok((0, end));
            }
            Next::Batch(_) | Next::Due => {}
        }
    }
    if rows.schema().fields().is_empty() {
        // A statement that gives nothing has been carried out, or says why not.
        let end = match rows.next().await {
            Ok(_) => End::Complete,
            Err(error) => End::Failed(error),
        };
        tell(session, log, &mut told, &written);
        return Ok((0, end));
    }
    renderer.begin(&rows.schema(), rows.is_changelog(), &mut out)?;
    let mut count = 0;
    // Since when rows are held back.
    let mut held: Option<Instant> = None;
    let end = loop {
        let due = held.map(|since| since + PATIENCE);
        let next = next(rows, &mut session.interrupts, &mut written, due);
        let next = if count == 0 {
            waiting.until(what, next).await
        } else {
            next.await
        };
        match next {
            Next::Batch(batch) => {
                held.get_or_insert_with(Instant::now);
                let mut signal = None;
                for stretch in stretches(&batch) {
                    count += stretch.rows.num_rows() as u64;
                    renderer.batch(&stretch, &mut out)?;
                    signal = signal.or_else(|| session.interrupts.next().now_or_never());
                    // Who goes on in the background wants every row.
                    if signal.is_some_and(|signal| signal != Signal::Suspend && !background) {
                        break;
                    }
                }
                if let Some(signal) = signal {
                    break End::Interrupted(signal);
                }
            }
            Next::Due => {
                renderer.flush(&mut out)?;
                out.flush()?;
                held = None;
            }
            Next::Told => {
                renderer.flush(&mut out)?;
                out.flush()?;
                held = None;
                tell(session, log, &mut told, &written);
            }
            Next::End(end) => break end,
        }
    };
    if matches!(end, End::Interrupted(_)) {
        // The terminal has shown the key (^C) in the line where the next row was to stand, or behind one that it was slow
        // to show.
        if count > 0 && session.ui.terminal().stdout {
            out.write_all(b"\n")?;
        } else {
            session.ui.clear_key();
        }
    }
    renderer.end(&mut out)?;
    out.flush()?;
    Ok((count, end))
}

/// Tells what the engine has added to the log.
fn tell(session: &Session, log: &LogRing, told: &mut u64, written: &watch::Receiver<u64>) {
    for line in log.after(*told) {
        session.ui.note(&line.text);
    }
    *told = *written.borrow();
}

/// What a person can press while no row has come.
fn ways_out(session: &Session, background: bool) -> &'static str {
    match (background, session.settings.interactive) {
        (true, _) => "Ctrl-C stops the showing, not the query",
        (false, true) => "Ctrl-C cancels, Ctrl-Z puts it into the background",
        (false, false) => "Ctrl-C cancels",
    }
}

/// What happens before the columns are known; nothing once they are.
async fn until_ready(
    rows: &mut dyn Rows,
    interrupts: &mut Interrupts,
    written: &mut watch::Receiver<u64>,
) -> Option<Next> {
    tokio::select! {
        biased;
        signal = interrupts.next() => Some(Next::End(End::Interrupted(signal))),
        Ok(()) = written.changed() => Some(Next::Told),
        ready = rows.ready() => ready.err().map(|error| Next::End(End::Failed(error))),
    }
}

/// The batch, a few rows at a time.
fn stretches(batch: &Batch) -> impl Iterator<Item = Batch> + '_ {
    let rows = batch.rows.num_rows();
    (0..rows).step_by(STRETCH).map(move |from| {
        let length = STRETCH.min(rows - from);
        Batch {
            rows: batch.rows.slice(from, length),
            kinds: batch.kinds.as_ref().map(|kinds| kinds[from..from + length].to_vec()),
        }
    })
}

enum Next {
    Batch(Batch),
    Due,
    /// The engine has something to say.
    Told,
    End(End),
}

async fn next(
    rows: &mut dyn Rows,
    interrupts: &mut Interrupts,
    written: &mut watch::Receiver<u64>,
    due: Option<Instant>,
) -> Next {
    let hold = async {
        match due {
            Some(due) => tokio::time::sleep_until(due).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        signal = interrupts.next() => Next::End(End::Interrupted(signal)),
        // Before the rows: those of a fast query never pause.
        () = hold => Next::Due,
        // The log ends with the operation, which may be before the rows have been shown.
        Ok(()) = written.changed() => Next::Told,
        batch = rows.next() => match batch {
            Ok(Some(batch)) => Next::Batch(batch),
            Ok(None) => Next::End(End::Complete),
            Err(error) => Next::End(End::Failed(error)),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
    use arrow::datatypes::Int64Type;
    use skep_engine::RowKind;

    use super::*;

    #[test]
    fn stretches_are_the_batch_in_order() {
        let rows = 2 * STRETCH + 7;
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows as i64));
        let kinds = (0..rows).map(|n| [RowKind::Insert, RowKind::UpdateBefore, RowKind::UpdateAfter][n % 3]);
        let batch = Batch {
            rows: RecordBatch::try_from_iter([("n", numbers)]).unwrap(),
            kinds: Some(kinds.collect()),
        };
        let (mut numbers, mut kinds) = (Vec::new(), Vec::new());
        for stretch in stretches(&batch) {
            assert!(stretch.rows.num_rows() <= STRETCH);
            numbers.extend_from_slice(stretch.rows.column(0).as_primitive::<Int64Type>().values());
            kinds.extend(stretch.kinds.unwrap());
        }
        assert_eq!(numbers, (0..rows as i64).collect::<Vec<_>>());
        assert_eq!(Some(kinds), batch.kinds);
    }
}
