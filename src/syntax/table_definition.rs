//! A `CREATE TABLE` taken apart, as far as it is about columns and options.

use std::collections::BTreeMap;

use skep_engine::Dialect;

use super::TokenKind;
use super::cursor::Cursor;

/// What a table is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableDefinition {
    /// The columns that the connector fills: neither computed ones nor metadata.
    pub physical: Vec<String>,
    /// What stands behind `WITH`.
    pub options: BTreeMap<String, String>,
}

impl TableDefinition {
    /// Reads a `CREATE TABLE` that names its columns and options; none if it is anything else.
    pub fn read(text: &str, dialect: &Dialect) -> Option<Self> {
        let mut cursor = Cursor::new(text, dialect);
        if !cursor.eat("CREATE") {
            return None;
        }
        cursor.eat_any(&["TEMPORARY", "TEMP"]);
        if !cursor.eat("TABLE") {
            return None;
        }
        cursor.eat_all(&["IF", "NOT", "EXISTS"]);
        cursor.name()?;
        let mut definition = Self::default();
        if cursor.eat_symbol("(") {
            definition.physical = columns(&mut cursor)?;
        }
        while cursor.peek().is_some() {
            if cursor.eat("WITH") {
                definition.options = options(&mut cursor)?;
                return Some(definition);
            }
            cursor.skip();
        }
        Some(definition)
    }
}

/// Reads the items of a list up to its `)`, and gives the names of those that are physical columns.
fn columns(cursor: &mut Cursor<'_>) -> Option<Vec<String>> {
    let mut columns = Vec::new();
    loop {
        let is_quoted = cursor.peek().is_some_and(|token| token.kind == TokenKind::Identifier);
        let is_column = is_quoted || !cursor.at_any(&["WATERMARK", "CONSTRAINT", "PRIMARY", "UNIQUE", "PERIOD"]);
        let name = if is_column { Some(cursor.name()?.pop()?) } else { None };
        let mut is_physical = is_column && !cursor.at("AS");
        loop {
            if cursor.eat_symbol(")") {
                columns.extend(name.filter(|_| is_physical));
                return Some(columns);
            }
            if cursor.eat_symbol(",") {
                break;
            }
            is_physical &= !cursor.at("METADATA");
            // `<` and `>` of a type hold commas, too: ROW<a INT, b INT>.
            if cursor.peek_text() == "<" {
                angles(cursor)?;
            } else {
                cursor.skip()?;
            }
        }
        columns.extend(name.filter(|_| is_physical));
    }
}

/// Reads from a `<` to the `>` that ends it.
fn angles(cursor: &mut Cursor<'_>) -> Option<()> {
    let mut depth = 0_usize;
    loop {
        match cursor.peek_text() {
            "" => return None,
            "<" => depth += 1,
            ">" => depth -= 1,
            _ => {}
        }
        cursor.bump();
        if depth == 0 {
            return Some(());
        }
    }
}

fn options(cursor: &mut Cursor<'_>) -> Option<BTreeMap<String, String>> {
    let mut options = BTreeMap::new();
    if !cursor.eat_symbol("(") {
        return None;
    }
    while !cursor.eat_symbol(")") {
        let (key, _) = cursor.string()?;
        if !cursor.eat_symbol("=") {
            return None;
        }
        options.insert(key, cursor.string()?.0);
        cursor.eat_symbol(",");
    }
    Some(options)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn columns_and_options_are_read() {
        let text = "CREATE TEMPORARY TABLE `c`.`d`.`n` (\n  `id` BIGINT NOT NULL,\n  `m` MAP<STRING, ROW<a INT, b INT>>,\n  \
                    `pt` AS PROCTIME(),\n  `o` BIGINT METADATA FROM 'offset' VIRTUAL,\n  `watermark` DECIMAL(10, 2),\n  \
                    WATERMARK FOR `ts` AS `ts` - INTERVAL '1' SECOND,\n  CONSTRAINT `PK` PRIMARY KEY (`id`) NOT ENFORCED\n)\n\
                    COMMENT 'with ''it'''\nPARTITIONED BY (`id`)\nWITH (\n  'connector' = 'x',\n  'a' = 'it''s'\n)\n";
        let read = TableDefinition::read(text, &Dialect::FLINK).unwrap();
        assert_eq!(read.physical, ["id", "m", "watermark"]);
        let options: Vec<_> = read.options.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(options, ["a=it's", "connector=x"]);
        for other in [
            "CREATE VIEW v AS SELECT 1",
            "CREATE TABLE t (a INT",
            "",
            "CREATE TABLE t (a INT) WITH ('a')",
        ] {
            assert_eq!(TableDefinition::read(other, &Dialect::FLINK), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_one_or_not(text in "(CREATE TABLE t \\()?[a-z`'<>(),= ]{0,40}") {
            let _ = TableDefinition::read(&text, &Dialect::FLINK);
        }
    }
}
