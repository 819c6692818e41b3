//! A path on some file system, as Flink writes it: a URI, or a path of this machine.

use std::fmt;
use std::path::{Path, PathBuf};

use skep_engine::path_key;

/// The path, if a URI or an absolute path names one of this machine. `file://host/…` is another's.
pub(in crate::flink) fn local(uri: &str) -> Option<PathBuf> {
    Location::of(uri)?.local().map(Path::to_owned)
}

/// A directory or a file. A path of this machine is kept without `file:`; any other keeps the scheme that it was given
/// with, since a cluster may have a client for that one only.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::flink) struct Location(String);

impl Location {
    /// What a URI or an absolute path names: the directory of a state where it names the `_metadata` in it.
    pub(in crate::flink) fn of(uri: &str) -> Option<Self> {
        let key = path_key(uri);
        if key.starts_with('/') {
            return (!key.starts_with("//")).then(|| Self(key.into_owned()));
        }
        let (scheme, rest) = uri.split_once("://")?;
        let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is_scheme || scheme.eq_ignore_ascii_case("file") || rest.is_empty() || rest.contains(char::is_control) {
            return None;
        }
        let rest = rest.trim_end_matches('/');
        let rest = rest.strip_suffix("/_metadata").unwrap_or(rest);
        Some(Self(format!("{}://{rest}", scheme.to_ascii_lowercase())))
    }

    /// The same of what a person types, who may mean it from where they are.
    pub(in crate::flink) fn typed(text: &str) -> Option<Self> {
        if let Some(location) = Self::of(text) {
            return Some(location);
        }
        let plain = path_key(text);
        if text.contains(":/") || text.starts_with("//") || plain.is_empty() {
            return None;
        }
        let path = std::path::absolute(plain.as_ref()).ok()?;
        Self::of(path.to_str()?)
    }

    /// The path, if it is one of this machine.
    pub(in crate::flink) fn local(&self) -> Option<&Path> {
        self.0.starts_with('/').then(|| Path::new(&self.0))
    }

    /// Scheme, authority and path without the slash before it, of one that is not on this machine.
    pub(super) fn parts(&self) -> Option<(&str, &str, &str)> {
        let (scheme, rest) = self.0.split_once("://")?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        Some((scheme, authority, path))
    }

    /// The store that it is in: the same text for all that are asked together.
    pub(in crate::flink) fn store(&self) -> String {
        let parts = self.parts();
        parts.map_or_else(String::new, |(scheme, authority, _)| format!("{scheme}://{authority}"))
    }

    /// The last part of the path.
    pub(in crate::flink) fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The name of the directory around it, if it has one.
    pub(in crate::flink) fn around(&self) -> Option<&str> {
        self.0.rsplit('/').nth(1)
    }

    /// What is in it under that name.
    pub(in crate::flink) fn join(&self, name: &str) -> Self {
        Self(format!("{}/{name}", self.0.trim_end_matches('/')))
    }

    /// What all spellings of it have in common.
    pub(in crate::flink) fn key(&self) -> String {
        path_key(&self.0).into_owned()
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.local().is_some() {
            f.write_str("file:")?;
        }
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_path_has_many_spellings() {
        for path in [
            "/a/b",
            "file:/a/b",
            "file:///a/b",
            "file:/a/b/",
            "file:///a/b/_metadata",
        ] {
            let location = Location::of(path).unwrap();
            assert_eq!(location.local(), Some(Path::new("/a/b")), "{path}");
            assert_eq!(location.to_string(), "file:/a/b");
        }
        for path in ["file://host/b", "//host/b", "a/b", "s3:b", "", "s3://", "s3://a\nb"] {
            assert_eq!(Location::of(path), None, "{path:?}");
        }
        let here = std::env::current_dir().unwrap().join("b");
        assert_eq!(Location::typed("b/_metadata").unwrap().local(), Some(here.as_path()));
        assert_eq!(Location::typed("file://host/b"), None);
    }

    #[test]
    fn a_store_s_path_keeps_the_client_it_was_named_with() {
        let location = Location::of("s3a://bucket/a/chk-7/_metadata").unwrap();
        assert_eq!(location.to_string(), "s3a://bucket/a/chk-7");
        assert_eq!(location.key(), "s3://bucket/a/chk-7");
        assert_eq!(location.parts(), Some(("s3a", "bucket", "a/chk-7")));
        assert_eq!((location.name(), location.around()), ("chk-7", Some("a")));
        assert_eq!(location.join("_metadata").to_string(), "s3a://bucket/a/chk-7/_metadata");
        assert_eq!(
            Location::of("HDFS://nn:8020/").unwrap().parts(),
            Some(("hdfs", "nn:8020", ""))
        );
        assert_eq!(location.local(), None);
    }
}
