//! How an engine's SQL is to be read. Splitter, highlighter and completer ask; none of them names an engine.

/// What a double quote opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DoubleQuote {
    /// A quoted identifier, as in standard SQL.
    Identifier,
    /// A string, as in Hive and Spark.
    String,
}

/// The lexical rules of a SQL dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// Its name, for messages.
    pub name: &'static str,
    /// What `"` opens.
    pub double_quote: DoubleQuote,
    /// A backslash inside a string escapes the next character.
    pub backslash_escapes: bool,
    /// `/* /* */ */` is one comment.
    pub nested_comments: bool,
    /// `#` opens a comment that ends with the line.
    pub hash_comments: bool,
    /// `$tag$ … $tag$` is a string.
    pub dollar_quotes: bool,
    /// `EXECUTE STATEMENT SET BEGIN … END` and `BEGIN STATEMENT SET; … END` hold several statements.
    pub statement_sets: bool,
}

impl Dialect {
    /// Flink's: Calcite's lexical rules with backtick identifiers; doubled quotes and no backslash escapes.
    pub const FLINK: Self = Self {
        name: "Flink",
        double_quote: DoubleQuote::Identifier,
        backslash_escapes: false,
        nested_comments: false,
        hash_comments: false,
        dollar_quotes: false,
        statement_sets: true,
    };

    /// Hive's and Spark's: both quotes open strings, and a backslash escapes.
    pub const HIVE: Self = Self {
        name: "Hive",
        double_quote: DoubleQuote::String,
        backslash_escapes: true,
        nested_comments: false,
        hash_comments: false,
        dollar_quotes: false,
        statement_sets: false,
    };
}
