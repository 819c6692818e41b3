//! What a command is, as data: completion, `!help`, abbreviation, the one-shot form and the manual come from it.

/// The part of `!help` in which a command stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Category {
    /// Connections and the catalog.
    Connections,
    /// Running statements.
    Statements,
    /// Looking at jobs.
    Jobs,
    /// Savepoints, checkpoints, and the way back.
    Savepoints,
    /// The shell itself.
    Shell,
}

impl Category {
    /// All of them, in the order of `!help`.
    pub const ALL: [Self; 5] = [
        Self::Connections,
        Self::Statements,
        Self::Jobs,
        Self::Savepoints,
        Self::Shell,
    ];

    /// The heading.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Connections => "Connections",
            Self::Statements => "Statements",
            Self::Jobs => "Jobs",
            Self::Savepoints => "Savepoints",
            Self::Shell => "Shell",
        }
    }
}

/// What an argument means, so that it can be completed and checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A job: `%3`, an id or a prefix of it, a name.
    Reference,
    /// A saved state of a job: a path, a checkpoint id, `latest`, a label, `@time`.
    Which,
    /// A path of this machine.
    Path,
    /// Where a savepoint is to go: a path or a URI.
    Location,
    /// A URL to connect to.
    Url,
    /// A length of time, such as `30s` or `5m`.
    Duration,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A setting's name.
    Setting,
    /// A command's name.
    Command,
    /// Any word.
    Word,
    /// SQL up to the `;`.
    Sql,
}

/// How often a positional argument may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arity {
    /// Once.
    One,
    /// Once or not at all.
    Optional,
    /// Once or more.
    Some,
    /// Any number of times.
    Any,
}

/// A positional argument.
#[derive(Debug, Clone, Copy)]
pub struct Positional {
    /// Its name in the usage line.
    pub name: &'static str,
    /// What it means.
    pub kind: Kind,
    /// How often it stands.
    pub arity: Arity,
}

/// A flag.
#[derive(Debug, Clone, Copy)]
pub struct Flag {
    /// Its name, without the dashes.
    pub name: &'static str,
    /// A single letter for it.
    pub short: Option<char>,
    /// The name and meaning of its value, if it takes one.
    pub value: Option<(&'static str, Kind)>,
    /// One line of help.
    pub help: &'static str,
}

/// A command, as data.
#[derive(Debug, Clone, Copy)]
pub struct Spec {
    /// Its name, without the `!`.
    pub name: &'static str,
    /// Other names.
    pub aliases: &'static [&'static str],
    /// Where it stands in `!help`.
    pub category: Category,
    /// One line.
    pub summary: &'static str,
    /// A few lines more.
    pub help: &'static str,
    /// The positional arguments, in order. Only the last may repeat.
    pub positionals: &'static [Positional],
    /// The flags, beside `--json` and `--yes`, which every command takes.
    pub flags: &'static [Flag],
    /// A line to type.
    pub example: &'static str,
    /// Whether it makes sense as `skep NAME …` from the command line.
    pub one_shot: bool,
}

impl Spec {
    /// Whether its tail ends in SQL, so that it runs to the `;`: always, or only behind the word `AS`.
    pub fn sql_tail(&self) -> SqlTail {
        match self.positionals.iter().find(|positional| positional.kind == Kind::Sql) {
            None => SqlTail::Never,
            Some(positional) if positional.name.starts_with("AS ") => SqlTail::AfterAs,
            Some(_) if self.positionals.len() > 1 => SqlTail::AfterWord,
            Some(_) => SqlTail::Always,
        }
    }

    /// The usage line.
    pub fn usage(&self) -> String {
        let mut usage = format!("!{}", self.name);
        for flag in self.flags {
            let value = flag.value.map(|(name, _)| format!(" {name}")).unwrap_or_default();
            usage.push_str(&format!(" [--{}{value}]", flag.name));
        }
        for Positional { name, arity, .. } in self.positionals {
            usage.push_str(&match arity {
                Arity::One => format!(" {name}"),
                Arity::Optional => format!(" [{name}]"),
                Arity::Some => format!(" {name}…"),
                Arity::Any => format!(" [{name}…]"),
            });
        }
        usage
    }
}

/// Where SQL begins in a command's tail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SqlTail {
    /// Nowhere: the command ends with the line.
    Never,
    /// Behind the word `AS`, if it stands there.
    AfterAs,
    /// Behind the flags.
    Always,
    /// Behind the first word and the flags before and after it.
    AfterWord,
}
