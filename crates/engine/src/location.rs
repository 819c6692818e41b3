//! Where a saved state lies, and when two spellings mean the same place.

use std::borrow::Cow;

/// The file that makes a directory a saved state.
const METADATA: &str = "/_metadata";

/// Schemes that lead to the same place, and the one of them that stands for all.
const ALIASES: [(&str, &str); 5] = [
    ("s3a", "s3"),
    ("s3p", "s3"),
    ("s3n", "s3"),
    ("abfss", "abfs"),
    ("swebhdfs", "webhdfs"),
];

/// What all spellings of one path have in common: `file:`, `_metadata` and slashes at the end make no difference, nor
/// does by which of several clients a store is reached (`s3://`, `s3a://`, `s3p://`).
pub fn path_key(path: &str) -> Cow<'_, str> {
    let local = match path.strip_prefix("file:") {
        // `file://host/…` is another machine's.
        Some(rest) => match rest.strip_prefix("//") {
            Some(after) if after.starts_with('/') => after,
            Some(_) => path,
            None => rest,
        },
        None => path,
    };
    let trimmed = local.trim_end_matches('/');
    let trimmed = trimmed.strip_suffix(METADATA).unwrap_or(trimmed).trim_end_matches('/');
    if trimmed.is_empty() {
        return Cow::Borrowed(local);
    }
    let alias = trimmed.split_once("://").and_then(|(scheme, rest)| {
        let known = ALIASES.iter().find(|(alias, _)| *alias == scheme);
        known.map(|(_, stands)| Cow::Owned(format!("{stands}://{rest}")))
    });
    alias.unwrap_or(Cow::Borrowed(trimmed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_path_are_one() {
        for path in ["/a/b", "/a/b/", "file:/a/b", "file:///a/b//", "file:///a/b/_metadata"] {
            assert_eq!(path_key(path), "/a/b", "{path}");
        }
        for path in ["s3://b/sp/", "s3a://b/sp", "s3p://b/sp/_metadata"] {
            assert_eq!(path_key(path), "s3://b/sp", "{path}");
        }
        assert_eq!(
            path_key("abfss://c@a.dfs.core.windows.net/x"),
            "abfs://c@a.dfs.core.windows.net/x"
        );
        assert_eq!(path_key("/"), "/");
        assert_ne!(path_key("file://host/b"), path_key("/b"));
    }
}
