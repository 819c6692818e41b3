//! How a server proves who it is, and how the shell proves who it is there.

use std::path::PathBuf;

use crate::Secret;

/// Certificates, tokens and headers of a connection, beside its user and password. Files are PEM.
#[derive(Debug, Clone, Default)]
pub struct Security {
    /// The file of the authorities that are trusted instead of the system's (`--ca`).
    pub ca: Option<PathBuf>,
    /// The file of the client certificate and its chain (`--cert`).
    pub cert: Option<PathBuf>,
    /// The file of its private key (`--key`); without one it is in the certificate's file.
    pub key: Option<PathBuf>,
    /// A Bearer token.
    pub token: Option<Token>,
    /// Headers of every request (`--header`), by name.
    pub headers: Vec<(String, Secret)>,
}

/// A Bearer token.
#[derive(Debug, Clone)]
pub enum Token {
    /// The token itself.
    Text(Secret),
    /// The file that it is in (`--token-file`). A token that ends with time is replaced there, so that the file is read
    /// again when the token is used.
    File(PathBuf),
}

/// Reads headers, `NAME: VALUE` in each line. A line that is none comes back as its number, from 1.
pub fn read_headers(text: &str) -> impl Iterator<Item = Result<(String, Secret), usize>> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(number, line)| match line.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), Secret::new(value.trim().to_owned())))
        }
        _ => Err(number + 1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_line_by_line() {
        let text = "Cookie:authCookie=12:345\r\nCache-Control: no-cache \n\nMalformed\n: x\nEmpty:";
        let read: Vec<_> = read_headers(text)
            .map(|header| header.map(|(name, value)| (name, value.reveal().to_owned())))
            .collect();
        let header = |name: &str, value: &str| Ok((name.to_owned(), value.to_owned()));
        let expected = [
            header("Cookie", "authCookie=12:345"),
            header("Cache-Control", "no-cache"),
            Err(4),
            Err(5),
            header("Empty", ""),
        ];
        assert_eq!(read, expected);
    }
}
