//! The words that a completer offers and a highlighter colours.

use std::sync::LazyLock;

use sqlparser::keywords::ALL_KEYWORDS;

/// Flink's words that sqlparser does not have.
const FLINK_KEYWORDS: [&str; 37] = [
    "CATALOGS",
    "CHANGELOG_MODE",
    "COMPILE",
    "CUMULATE",
    "DATABASES",
    "DESCRIPTOR",
    "DISTRIBUTED",
    "DRAIN",
    "ENFORCED",
    "ESTIMATED_COST",
    "FRESHNESS",
    "HOP",
    "JAR",
    "JARS",
    "JOB",
    "JOBS",
    "JSON_EXECUTION_PLAN",
    "METADATA",
    "MODELS",
    "MODIFY",
    "MODULE",
    "MODULES",
    "OVERWRITE",
    "OVERWRITING",
    "PLAN",
    "PLAN_ADVICE",
    "PROCEDURES",
    "SAVEPOINT",
    "SAVEPOINTS",
    "SESSION",
    "STATEMENT",
    "STOP",
    "TUMBLE",
    "UNLOAD",
    "VIRTUAL",
    "WATERMARK",
    "WATERMARKS",
];

static KEYWORDS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let mut all: Vec<&str> = ALL_KEYWORDS.iter().chain(&FLINK_KEYWORDS).copied().collect();
    all.sort_unstable();
    all.dedup();
    all
});

/// `word` is a keyword, in any case.
pub fn is_keyword(word: &str) -> bool {
    KEYWORDS.binary_search(&word.to_ascii_uppercase().as_str()).is_ok()
}

/// The keywords that begin with `prefix`, in alphabetical order and upper case.
pub fn keywords_with_prefix(prefix: &str) -> &'static [&'static str] {
    let prefix = prefix.to_ascii_uppercase();
    let start = KEYWORDS.partition_point(|word| *word < prefix.as_str());
    let count = KEYWORDS[start..].partition_point(|word| word.starts_with(&prefix));
    &KEYWORDS[start..start + count]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_found_in_any_case() {
        for word in ["select", "Select", "WATERMARK", "savepoint", "zone", "abs"] {
            assert!(is_keyword(word), "{word}");
        }
        for word in ["", "selec", "flights", "sélect"] {
            assert!(!is_keyword(word), "{word}");
        }
    }

    #[test]
    fn a_prefix_gives_all_that_begin_with_it() {
        assert_eq!(keywords_with_prefix("waterm"), ["WATERMARK", "WATERMARKS"]);
        assert_eq!(keywords_with_prefix("xqz"), Vec::<&str>::new());
        assert_eq!(keywords_with_prefix("").len(), KEYWORDS.len());
        assert!(keywords_with_prefix("sel").contains(&"SELECT"));
    }
}
