//! Runs the hand-marked scripts of tests/data/splitter.txt, whole and cut at every character.

use skep_engine::Dialect;

use super::{Input, Open, Pending, Piece, Splitter};

const SCRIPTS: &str = include_str!("../../tests/data/splitter.txt");

/// A script as marked: its text, the pieces and what is open at its end.
struct Script {
    name: String,
    dialect: Dialect,
    text: String,
    pieces: Vec<Marked>,
    /// As `string 1:8`, or `none`.
    pending: Option<String>,
}

/// A marked piece.
#[derive(Debug)]
struct Marked {
    kind: char,
    background: bool,
    /// As `2:5`.
    place: Option<String>,
    source: String,
    /// Where the statement's text ends in it.
    text_end: Option<usize>,
}

fn read(script: &str) -> Script {
    let (head, body) = script.split_once('\n').unwrap();
    let body = body.strip_suffix('\n').unwrap_or(body);
    let body = body
        .replace('␍', "\r")
        .replace('␉', "\t")
        .replace('␌', "\u{c}")
        .replace('⍰', "\u{feff}");
    let (name, rules) = head.split_once(" [").unwrap_or((head, "]"));
    let dialect = match rules.strip_suffix(']').unwrap() {
        "" => Dialect::FLINK,
        "hive" => Dialect::HIVE,
        "nested" => Dialect {
            nested_comments: true,
            ..Dialect::FLINK
        },
        "hash" => Dialect {
            hash_comments: true,
            ..Dialect::FLINK
        },
        "dollar" => Dialect {
            dollar_quotes: true,
            ..Dialect::FLINK
        },
        other => panic!("{name}: there are no rules {other}"),
    };
    let mut script = Script {
        name: name.to_owned(),
        dialect,
        text: String::new(),
        pieces: Vec::new(),
        pending: None,
    };
    let mut parts = body.split('«');
    assert_eq!(parts.next(), Some(""), "{name}: text before the first mark");
    for part in parts {
        let (mark, source) = part.split_once('»').unwrap();
        if let Some(pending) = mark.strip_prefix('?') {
            assert_eq!(source.trim(), "", "{name}: text after the last mark");
            script.pending = Some(pending.to_owned());
            continue;
        }
        let (kind, place) = mark
            .split_once(' ')
            .map_or((mark, None), |(kind, place)| (kind, Some(place.to_owned())));
        let text_end = source.find('¦');
        let source = source.replace('¦', "");
        script.text.push_str(&source);
        let background = kind.ends_with('&');
        script.pieces.push(Marked {
            kind: kind.chars().next().unwrap(),
            background,
            place,
            source,
            text_end,
        });
    }
    script
}

fn scripts() -> Vec<Script> {
    let mut scripts = format!("\n{SCRIPTS}");
    if scripts.ends_with('\n') {
        scripts.pop();
    }
    // The line end before the next script's head belongs to neither.
    scripts
        .split("\n==== ")
        .skip(1)
        .map(|script| {
            if script.contains('\n') {
                read(script)
            } else {
                read(&format!("{script}\n«?none»"))
            }
        })
        .collect()
}

/// The bang-commands with SQL that the file names, in any abbreviation of two letters and more.
fn sql_tail(line: &str) -> Option<usize> {
    let name = &line[..line.find([' ', '\t', ';']).unwrap_or(line.len())];
    let is = |command: &str| name.len() > 1 && command.starts_with(name);
    let after_word = || {
        let rest = line[name.len()..].trim_start();
        line.len() - rest.len() + rest.find(' ').unwrap_or(rest.len())
    };
    match () {
        () if is("async") || is("all") || is("plan") => Some(name.len()),
        () if is("upgrade") || is("export") => Some(after_word()),
        () if is("restore") && line.ends_with(" AS") => Some(line.len()),
        () if is("restore") => line.find(" AS ").map(|at| at + 4),
        () => None,
    }
}

fn split<'a>(dialect: Dialect, chunks: impl Iterator<Item = &'a str>) -> (Vec<Piece>, Option<Pending>) {
    let mut splitter = Splitter::with_sql_tails(dialect, sql_tail);
    let mut pieces = Vec::new();
    for chunk in chunks {
        splitter.feed(chunk);
        pieces.extend(std::iter::from_fn(|| splitter.next_piece()));
    }
    let pending = splitter.pending();
    splitter.finish();
    pieces.extend(std::iter::from_fn(|| splitter.next_piece()));
    (pieces, pending)
}

fn shown(pending: Option<Pending>) -> String {
    let Some(Pending { open, place }) = pending else {
        return "none".to_owned();
    };
    let open = match open {
        Open::String => "string",
        Open::Identifier => "identifier",
        Open::Comment => "comment",
        Open::StatementSet => "statement set",
        Open::Statement => "statement",
    };
    format!("{open} {}:{}", place.line, place.column)
}

fn check(name: &str, marked: &Marked, piece: &Piece, text: &str) {
    assert_eq!(piece.span.of(text), marked.source, "{name}");
    if let Some(place) = &marked.place {
        assert_eq!(
            &format!("{}:{}", piece.place.line, piece.place.column),
            place,
            "{name}: {}",
            marked.source
        );
    }
    // What stands for the statement: without the `;` and the `&` around it.
    let end = |c: char| c.is_whitespace() || c == ';' || (marked.background && c == '&');
    let stripped = match marked.text_end {
        Some(end) => &marked.source[..end],
        None => marked.source.trim_end_matches(end),
    };
    match &piece.input {
        Input::Trivia => assert_eq!(marked.kind, 't', "{name}: {}", marked.source),
        Input::Sql { text, background } => {
            assert_eq!(
                ('s', marked.background),
                (marked.kind, *background),
                "{name}: {}",
                marked.source
            );
            assert_eq!(text, stripped, "{name}");
        }
        Input::Bang {
            name: command,
            tail,
            background,
            ..
        } => {
            assert_eq!(
                ('b', marked.background),
                (marked.kind, *background),
                "{name}: {}",
                marked.source
            );
            let (head, rest) =
                stripped[1..].split_at(stripped[1..].find([' ', '\n', ';']).unwrap_or(stripped.len() - 1));
            assert_eq!((command.as_str(), tail.as_str()), (head, rest.trim()), "{name}");
        }
    }
}

#[test]
fn two_hundred_scripts_are_split_as_counted_by_hand() {
    let scripts = scripts();
    assert!(scripts.len() >= 200);
    let mut wrong = Vec::new();
    for script in &scripts {
        let Script {
            name,
            dialect,
            text,
            pieces,
            pending,
        } = script;
        let (found, found_pending) = split(*dialect, std::iter::once(text.as_str()));
        let sources: Vec<&str> = found.iter().map(|piece| piece.span.of(text)).collect();
        let marked: Vec<&str> = pieces.iter().map(|piece| piece.source.as_str()).collect();
        if sources != marked {
            wrong.push(format!("{name}: marked {marked:?}, found {sources:?}"));
            continue;
        }
        for (marked, piece) in pieces.iter().zip(&found) {
            check(name, marked, piece, text);
        }
        if let Some(pending) = pending {
            assert_eq!(&shown(found_pending), pending, "{name}");
        }
        let characters = text.char_indices().map(|(at, c)| &text[at..at + c.len_utf8()]);
        assert_eq!(split(*dialect, characters), (found, found_pending), "{name}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_two_scripts_have_the_same_name_or_text() {
    let scripts = scripts();
    let mut names: Vec<&str> = scripts.iter().map(|script| script.name.as_str()).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    let mut texts: Vec<(&str, Dialect)> = scripts
        .iter()
        .map(|script| (script.text.as_str(), script.dialect))
        .collect();
    texts.sort_by_key(|(text, dialect)| (*text, format!("{dialect:?}")));
    for pair in texts.windows(2) {
        assert!(pair[0] != pair[1], "{:?}", pair[0]);
    }
}
