//! What the standard streams are.

use std::env;
use std::io::IsTerminal;

/// What is known of the standard streams and the terminal behind them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Terminal {
    /// Standard input is a terminal.
    pub stdin: bool,
    /// Standard output is a terminal.
    pub stdout: bool,
    /// Standard error is a terminal.
    pub stderr: bool,
    /// It can't move its cursor (TERM=dumb).
    pub dumb: bool,
    /// The person wants no colours (NO_COLOR).
    pub no_colour: bool,
    /// The locale's encoding is UTF-8.
    pub utf8: bool,
    /// The columns it has, instead of asking it.
    pub columns: Option<usize>,
}

impl Terminal {
    /// Asks the streams and the environment.
    pub fn detect() -> Self {
        let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set);
        Self {
            stdin: std::io::stdin().is_terminal(),
            stdout: std::io::stdout().is_terminal(),
            stderr: std::io::stderr().is_terminal(),
            dumb: env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb"),
            no_colour: set("NO_COLOR").is_some(),
            utf8: locale.is_some_and(|name| is_utf8(&name.to_string_lossy())),
            columns: None,
        }
    }

    /// Colours may be used on standard error.
    pub const fn colour(&self) -> bool {
        self.stderr && !self.dumb && !self.no_colour
    }

    /// Box lines may be used in results.
    pub const fn boxes(&self) -> bool {
        self.stdout && self.utf8
    }

    /// A person is there to answer.
    pub const fn can_ask(&self) -> bool {
        self.stdin && self.stderr
    }

    /// The columns of the terminal that results go to; `None` when they go elsewhere.
    pub fn results_width(&self) -> Option<usize> {
        self.stdout.then(|| self.width(std::io::stdout()))
    }

    /// The columns of the terminal that messages go to; `None` when they go elsewhere.
    pub fn messages_width(&self) -> Option<usize> {
        self.stderr.then(|| self.width(std::io::stderr()))
    }

    /// The rows of the terminal that results go to, if it tells.
    pub fn rows(&self) -> Option<usize> {
        let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
        Some(usize::from(size.ws_row)).filter(|&rows| self.stdout && rows > 0)
    }

    fn width(&self, stream: impl std::os::fd::AsFd) -> usize {
        let asked = || {
            rustix::termios::tcgetwinsize(stream)
                .ok()
                .map(|size| usize::from(size.ws_col))
        };
        let told = || env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        self.columns
            .or_else(|| asked().filter(|&columns| columns > 0))
            .or_else(|| told().filter(|&columns| columns > 0))
            .unwrap_or(80)
    }
}

fn is_utf8(locale: &str) -> bool {
    let lower = locale.to_ascii_lowercase();
    lower.contains("utf-8") || lower.contains("utf8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_names_its_encoding() {
        for locale in ["C.UTF-8", "de_DE.utf8", "en_US.UTF-8@euro"] {
            assert!(is_utf8(locale));
        }
        for locale in ["C", "POSIX", "de_DE.ISO-8859-1"] {
            assert!(!is_utf8(locale));
        }
    }

    #[test]
    fn colours_need_a_terminal_that_can_and_a_person_who_wants() {
        let all = Terminal {
            stderr: true,
            ..Terminal::default()
        };
        assert!(all.colour());
        for less in [
            Terminal { stderr: false, ..all },
            Terminal { dumb: true, ..all },
            Terminal { no_colour: true, ..all },
        ] {
            assert!(!less.colour());
        }
    }
}
