//! What holds for any text: laws of the lexer and the splitter.

use proptest::prelude::*;
use skep_engine::{Dialect, DoubleQuote};

use super::{Input, Lexer, Open, Pending, Piece, Splitter};

/// Every rule on at once, against the two real dialects.
const EVERYTHING: Dialect = Dialect {
    name: "everything",
    double_quote: DoubleQuote::String,
    backslash_escapes: true,
    nested_comments: true,
    hash_comments: true,
    dollar_quotes: true,
    statement_sets: true,
};

fn sql_tail(line: &str) -> Option<usize> {
    let name = line.split_whitespace().next().unwrap_or_default();
    match name {
        "async" | "all" => Some(name.len()),
        "restore" => line.find(" AS ").map(|at| at + 4),
        _ => None,
    }
}

fn drain(splitter: &mut Splitter, pieces: &mut Vec<Piece>) {
    while let Some(piece) = splitter.next_piece() {
        pieces.push(piece);
    }
}

fn split<'a>(dialect: Dialect, chunks: impl IntoIterator<Item = &'a str>) -> (Vec<Piece>, Option<Pending>) {
    let mut splitter = Splitter::with_sql_tails(dialect, sql_tail);
    let mut pieces = Vec::new();
    for chunk in chunks {
        splitter.feed(chunk);
        drain(&mut splitter, &mut pieces);
    }
    let pending = splitter.pending();
    splitter.finish();
    drain(&mut splitter, &mut pieces);
    (pieces, pending)
}

fn dialects() -> impl Strategy<Value = Dialect> {
    prop_oneof![Just(Dialect::FLINK), Just(Dialect::HIVE), Just(EVERYTHING)]
}

/// Fragments that mean something to the splitter, in any order, with a little of anything between them.
fn scripts() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        ";",
        ";",
        "; ",
        "\n",
        "\r\n",
        " ",
        "\t",
        "'",
        "''",
        "\"",
        "`",
        "``",
        "\\",
        "--",
        "-",
        "/*",
        "/*+",
        "*/",
        "/",
        "*",
        "#",
        "$",
        "$$",
        "$t$",
        "${",
        "}",
        "&",
        "& ",
        "!",
        "\n!",
        "!jobs -a",
        "!async ",
        "\n!restore %1 AS ",
        "SELECT 1",
        "BEGIN",
        " STATEMENT SET",
        "EXECUTE STATEMENT SET BEGIN ",
        "COMPILE PLAN 'p' FOR ",
        "EXPLAIN ",
        "END",
        "END;",
        "CASE WHEN a THEN b END",
        "ADD JAR ",
        "SET ",
        "a=b",
        "hdfs://a/b--c.jar",
        "\u{feff}",
        "ä",
        "漢字",
        "1.5e3",
        "(",
        ")",
    ]);
    prop::collection::vec(
        prop_oneof![9 => known.prop_map(str::to_owned), 1 => any::<String>()],
        0..24,
    )
    .prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn tokens_tile_the_text(text in scripts(), dialect in dialects()) {
        let mut end = 0;
        for token in Lexer::new(&text, &dialect) {
            prop_assert_eq!(token.span.start, end);
            prop_assert!(token.span.end > end);
            prop_assert!(text.is_char_boundary(token.span.end));
            end = token.span.end;
        }
        prop_assert_eq!(end, text.len());
    }

    #[test]
    fn pieces_tile_the_text(text in scripts(), dialect in dialects()) {
        let (pieces, _) = split(dialect, [text.as_str()]);
        let mut end = 0;
        for piece in &pieces {
            prop_assert_eq!(piece.span.start, end);
            prop_assert!(piece.span.end > end);
            prop_assert_eq!(piece.place, super::Place::of(&text, piece.span.start));
            let source = piece.span.of(&text);
            match &piece.input {
                Input::Trivia => {}
                Input::Sql { text, .. } => prop_assert!(source.starts_with(text.as_str())),
                Input::Bang { name, tail, tail_place, .. } => {
                    let rest = source.strip_prefix('!').and_then(|rest| rest.strip_prefix(name.as_str()));
                    prop_assert!(rest.is_some());
                    prop_assert!(text[tail_place.offset..].starts_with(tail.as_str()));
                    prop_assert_eq!(*tail_place, super::Place::of(&text, tail_place.offset));
                }
            }
            end = piece.span.end;
        }
        prop_assert_eq!(end, text.len());
        prop_assert!(pieces.windows(2).all(|pair| pair[0].input != Input::Trivia || pair[1].input != Input::Trivia));
    }

    #[test]
    fn where_the_input_is_cut_makes_no_difference(text in scripts(), dialect in dialects(), cut in any::<prop::sample::Index>()) {
        let whole = split(dialect, [text.as_str()]);
        let bytes = text.char_indices().map(|(at, c)| &text[at..at + c.len_utf8()]);
        prop_assert_eq!(&split(dialect, bytes), &whole);
        let (head, tail) = text.split_at(text.floor_char_boundary(cut.index(text.len() + 1)));
        prop_assert_eq!(&split(dialect, [head, tail]), &whole);
    }

    #[test]
    fn a_piece_split_again_is_itself(text in scripts(), dialect in dialects()) {
        for piece in split(dialect, [text.as_str()]).0 {
            let again = split(dialect, [piece.span.of(&text)]).0;
            prop_assert_eq!(again.len(), 1, "{:?} became {:?}", piece, again);
            match (&piece.input, &again[0].input) {
                (Input::Bang { name, tail, background, .. }, Input::Bang { name: name2, tail: tail2, background: background2, .. }) => {
                    prop_assert_eq!((name, tail, background), (name2, tail2, background2));
                }
                (one, two) => prop_assert_eq!(one, two),
            }
        }
    }

    #[test]
    fn a_statement_without_its_end_is_pending(text in scripts(), dialect in dialects()) {
        let (pieces, pending) = split(dialect, [text.as_str(), "\n"]);
        let last = pieces.iter().rev().find(|piece| piece.input != Input::Trivia);
        if let Some(Piece { span, input: Input::Sql { text: statement, .. }, .. }) = last {
            // A statement that has its end is longer than its text; one ended by the input may have an `&`, too.
            if span.len() == statement.len() {
                prop_assert!(pending.is_some());
            }
        }
    }
}

#[test]
fn clearing_forgets_what_is_pending_and_keeps_the_places() {
    let mut splitter = Splitter::new(Dialect::FLINK);
    splitter.feed("SELECT 'a\nb");
    assert_eq!(splitter.next_piece(), None);
    let open = splitter.pending().unwrap();
    assert_eq!((open.open, open.place.line, open.place.column), (Open::String, 1, 8));
    splitter.clear();
    assert_eq!(splitter.pending(), None);
    splitter.feed("\nSELECT 2;\n");
    let mut pieces = Vec::new();
    drain(&mut splitter, &mut pieces);
    assert_eq!(pieces.len(), 2);
    assert_eq!((pieces[1].place.line, pieces[1].place.column), (3, 1));
    assert_eq!(
        pieces[1].input,
        Input::Sql {
            text: "SELECT 2".to_owned(),
            background: false
        }
    );
}

#[test]
fn a_dialect_may_change_between_pieces() {
    let mut splitter = Splitter::new(Dialect::FLINK);
    splitter.feed("!connect hive2://h\nSELECT 'a\\';';\n");
    let connect = splitter.next_piece().unwrap();
    assert!(matches!(connect.input, Input::Bang { .. }));
    splitter.set_dialect(Dialect::HIVE);
    assert_eq!(splitter.next_piece().unwrap().input, Input::Trivia);
    let select = splitter.next_piece().unwrap();
    assert_eq!(
        select.input,
        Input::Sql {
            text: "SELECT 'a\\';'".to_owned(),
            background: false
        }
    );
}

#[test]
fn a_long_statement_in_small_chunks_takes_linear_work() {
    // A rescan of what has come would be some 2^40 bytes of work: hours, not seconds.
    let chunk = "x, 'a;b', -- c\n /* d */ ".repeat(40);
    let mut splitter = Splitter::new(Dialect::FLINK);
    let mut size = "SELECT ".len();
    splitter.feed("SELECT ");
    for _ in 0..20_000 {
        splitter.feed(&chunk);
        size += chunk.len();
        assert_eq!(splitter.next_piece(), None);
        assert_eq!(splitter.pending().unwrap().open, Open::Statement);
    }
    splitter.feed("1;\n");
    let piece = splitter.next_piece().unwrap();
    assert_eq!(piece.span.len(), size + 2);
}

#[test]
fn what_has_been_taken_is_not_kept() {
    let mut splitter = Splitter::new(Dialect::FLINK);
    for _ in 0..20_000 {
        splitter.feed("SELECT 'something of a certain length'; -- and a comment\n");
        while splitter.next_piece().is_some() {}
        assert!(splitter.kept() < 1 << 17);
    }
}
