//! A pager for texts that are longer than the screen.

use std::io::{self, Write};
use std::process::{Command, Stdio};

/// Shows the text in that pager, and waits until the person leaves it. `false`: there is no such program.
///
/// # Errors
/// The shell that starts it can't be started.
pub(super) fn page(command: &str, text: &str) -> io::Result<bool> {
    let mut pager = Command::new("sh");
    pager.arg("-c").arg(command).stdin(Stdio::piped());
    if std::env::var_os("LESS").is_none() {
        // Long lines are cut, a text that fits is left on the screen.
        pager.env("LESS", "-SFRX");
    }
    let mut child = pager.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // Who leaves before the end has read enough.
        let _ = stdin.write_all(text.as_bytes());
    }
    // 126 and 127 are the shell's words for a program that can't be run or found.
    Ok(!matches!(child.wait()?.code(), Some(126 | 127)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pager_reads_the_text() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let command = format!("cat > '{}'", file.path().display());
        assert!(page(&command, "a\nb\n").unwrap());
        assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "a\nb\n");
    }

    #[test]
    fn leaving_early_is_no_error_and_a_missing_pager_is_told() {
        assert!(page("true", &"x".repeat(1 << 20)).unwrap());
        assert!(!page("exec 2>/dev/null; no-such-pager", &"x".repeat(1 << 20)).unwrap());
    }
}
