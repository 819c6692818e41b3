//! What goes where.

use super::*;
use crate::error::ErrorKind;

/// A stream that can be looked at.
#[derive(Clone, Default)]
struct Stream(Arc<Mutex<Vec<u8>>>);

impl Stream {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut self.0.lock().unwrap())).unwrap()
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn ui(terminal: Terminal, silent: bool) -> (Ui, Stream, Stream) {
    let (out, err) = (Stream::default(), Stream::default());
    let ui = Ui::with(terminal, silent, Box::new(out.clone()), Box::new(err.clone()));
    (ui, out, err)
}

const SCREEN: Terminal = Terminal {
    stdin: true,
    stdout: true,
    stderr: true,
    dumb: false,
    no_colour: false,
    utf8: true,
    columns: Some(20),
};

#[test]
fn results_and_messages_go_apart() {
    let (ui, out, err) = ui(Terminal::default(), false);
    let mut results = ui.results();
    results.write_all(b"1\n").unwrap();
    assert_eq!(out.take(), "");
    results.flush().unwrap();
    assert_eq!(out.take(), "1\n");
    ui.say("3 rows \x1b[2J");
    ui.warn("w");
    ui.hint("h");
    ui.note("n");
    ui.error(&Error::failed("e"));
    assert_eq!(err.take(), "3 rows \\u{1b}[2J\nwarning: w\nhint: h\nn\nerror: e\n");
    assert_eq!(out.take(), "");
    ui.print("path\n").unwrap();
    ui.json(&serde_json::json!({"b": 1, "a": "\u{9b}"})).unwrap();
    assert_eq!(out.take(), "path\n{\"b\":1,\"a\":\"\\u009b\"}\n");
}

#[test]
fn lines_are_safe_on_a_terminal_and_exact_off_it() {
    for (terminal, shown) in [(SCREEN, "a\\u{1b}\nb\n"), (Terminal::default(), "a\x1b\nb\n")] {
        let (ui, out, _) = ui(terminal, false);
        ui.print("a\x1b\nb\n").unwrap();
        assert_eq!(out.take(), shown);
    }
}

#[test]
fn much_goes_out_at_once_and_the_rest_when_dropped() {
    let (ui, out, _) = ui(Terminal::default(), false);
    let mut results = ui.results();
    for _ in 0..70 {
        results.write_all(&[b'x'; 1024]).unwrap();
    }
    assert_eq!(out.take().len(), 64 * 1024);
    drop(results);
    assert_eq!(out.take().len(), 6 * 1024);
}

#[test]
fn silence_leaves_out_status_and_progress_only() {
    let (ui, _, err) = ui(SCREEN, true);
    ui.say("ok");
    ui.progress("50 %");
    assert_eq!(err.take(), "");
    ui.note("job failed");
    assert_eq!(err.take(), "job failed\n");
}

#[test]
fn progress_is_gone_before_anything_else() {
    let (ui, out, err) = ui(SCREEN, false);
    ui.progress("a line that is too long for it");
    assert_eq!(err.take(), "\r\x1b[Ka line that is t…");
    ui.say("done");
    assert_eq!(err.take(), "\r\x1b[Kdone\n");
    ui.progress("x");
    err.take();
    ui.print("1").unwrap();
    assert_eq!((out.take(), err.take()), ("1\n".into(), "\r\x1b[K".into()));
    ui.clear_progress();
    assert_eq!(err.take(), "");
}

#[test]
fn a_key_that_the_terminal_has_shown_is_gone_before_the_next_message() {
    for (terminal, shown) in [
        (SCREEN, "\r\x1b[Kdone\n"),
        (Terminal { dumb: true, ..SCREEN }, "\ndone\n"),
        (Terminal { stdin: false, ..SCREEN }, "done\n"),
        (
            Terminal {
                stderr: false,
                ..SCREEN
            },
            "done\n",
        ),
    ] {
        let (ui, _, err) = ui(terminal, false);
        ui.clear_key();
        ui.say("done");
        assert_eq!(err.take(), shown);
    }
}

#[test]
fn without_a_terminal_there_is_no_progress_no_colour_and_no_question() {
    for terminal in [Terminal::default(), Terminal { dumb: true, ..SCREEN }] {
        let (ui, _, err) = ui(terminal, false);
        ui.progress("50 %");
        ui.error(&Error::failed("e").hint("h"));
        assert_eq!(err.take(), "error: e\nhint: h\n");
    }
    let (ui, _, err) = ui(Terminal { stdin: false, ..SCREEN }, false);
    assert_eq!(ui.confirm("cancel 3 jobs?"), None);
    assert_eq!(ui.ask_name("drain delays?", "delays"), None);
    assert!(ui.password("password: ").is_none());
    assert_eq!(err.take(), "");
}

#[test]
fn colours_on_a_terminal() {
    let (ui, _, err) = ui(SCREEN, false);
    ui.error(&Error::failed("e"));
    assert_eq!(err.take(), "\x1b[1;31merror:\x1b[0m e\n");
}

#[test]
fn notices_go_through_the_printer_while_there_is_one() {
    let (ui, _, err) = ui(SCREEN, false);
    let seen = Arc::new(Mutex::new(Vec::new()));
    ui.set_printer(Box::new({
        let seen = Arc::clone(&seen);
        move |line| seen.lock().unwrap().push(line)
    }));
    ui.note("[1] FAILED\x07");
    assert_eq!(*seen.lock().unwrap(), ["[1] FAILED\\u{7}\n"]);
    assert_eq!(err.take(), "");
    ui.clear_printer();
    ui.note("[1] FINISHED");
    assert_eq!(err.take(), "[1] FINISHED\n");
}

#[test]
fn a_reader_that_went_away_is_an_error_that_is_not_shown() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let err = Stream::default();
    let ui = Ui::with(Terminal::default(), false, Box::new(Gone), Box::new(err.clone()));
    let mut results = ui.results();
    results.write_all(b"x").unwrap();
    let error = Error::from(results.flush().unwrap_err());
    assert_eq!(error.kind, ErrorKind::ReaderGone);
    ui.error(&error);
    assert_eq!(err.take(), "");
}

#[test]
fn rows_are_shown_as_the_terminal_can() {
    let (screen, ..) = ui(SCREEN, false);
    let terminal = screen.terminal();
    assert_eq!((terminal.results_width(), terminal.boxes()), (Some(20), true));
    let (pipe, ..) = ui(
        Terminal {
            stdout: false,
            ..SCREEN
        },
        false,
    );
    let terminal = pipe.terminal();
    assert_eq!((terminal.results_width(), terminal.boxes()), (None, false));
}
