//! What a prelude comes to: the objects, settings and resources that are there after its statements.

use std::collections::{BTreeMap, BTreeSet};

use skep_engine::Dialect;

use super::classifier::classify;
use super::cursor::Cursor;
use super::kind::{Kind, ObjectType, Scope};
use super::lexer::TokenKind;
use super::literal::unquote;
use super::normal;

/// The catalog that a session begins in, which is kept in memory: `table.builtin-catalog-name`, unless it is set.
const BUILT_IN: &str = "default_catalog";

/// What a session has been told, as far as it is in effect.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Definitions {
    objects: BTreeMap<Name, Object>,
    settings: BTreeMap<String, String>,
    /// Jars and modules, in order.
    resources: Vec<String>,
    /// Catalog and database, as `USE` has set them.
    current: Vec<String>,
    /// `USE CATALOG` has been said.
    has_left: bool,
}

/// What an object is called: its sort, and the parts of its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    sort: &'static str,
    parts: Vec<String>,
}

/// An object's definition.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Object {
    /// The statements that made it what it is: `CREATE`, and every `ALTER`.
    statements: Vec<String>,
}

/// Something that is not the same in two sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What it is, such as `table orders` or `SET 'a.b'`.
    pub what: String,
    /// It is an object, not a setting or resource.
    pub is_object: bool,
    /// Its definition before, in lines; empty if there was none.
    pub before: Vec<String>,
    /// Its definition after.
    pub after: Vec<String>,
}

impl Definitions {
    /// What these statements come to.
    pub fn of<'a>(prelude: impl IntoIterator<Item = &'a str>, dialect: &Dialect) -> Self {
        let mut definitions = Self::default();
        for statement in prelude {
            definitions.tell(statement, dialect);
        }
        definitions
    }

    /// Takes a statement that changes a session.
    pub fn tell(&mut self, text: &str, dialect: &Dialect) {
        let mut cursor = Cursor::new(text, dialect);
        match classify(text, dialect) {
            Kind::Set { key, value } => {
                self.settings.insert(key, value);
            }
            Kind::Reset { key: Some(key) } => {
                self.settings.remove(&key);
            }
            Kind::Reset { key: None } => self.settings.clear(),
            Kind::Use => {
                cursor.bump();
                let catalog = cursor.eat("CATALOG");
                let parts = cursor.name().unwrap_or_default();
                match (catalog, parts.len()) {
                    (false, 1) => {
                        self.current.truncate(usize::from(self.has_left));
                        self.current.extend(parts);
                    }
                    _ => {
                        self.has_left |= catalog || parts.len() > 1;
                        self.current = parts;
                    }
                }
            }
            Kind::AddJar | Kind::RemoveJar | Kind::LoadModule | Kind::UnloadModule | Kind::UseModules => {
                self.resources.push(normal::normal(text, dialect));
            }
            Kind::Create { object, .. } => {
                cursor.bump();
                let replaces = cursor.eat_all(&["OR", "REPLACE"]);
                if let Some((name, unless)) = self.name(&mut cursor, object)
                    && (replaces || !unless || !self.objects.contains_key(&name))
                {
                    let statements = vec![text.to_owned()];
                    self.objects.insert(name, Object { statements });
                }
            }
            Kind::Drop { object, .. } => {
                cursor.bump();
                if let Some((name, _)) = self.name(&mut cursor, object) {
                    self.objects.remove(&name);
                }
            }
            Kind::Alter { object, .. } => {
                cursor.bump();
                if let Some((name, _)) = self.name(&mut cursor, object)
                    && let Some(object) = self.objects.get_mut(&name)
                {
                    object.statements.push(text.to_owned());
                }
            }
            _ => {}
        }
    }

    /// The settings that are in effect.
    pub const fn settings(&self) -> &BTreeMap<String, String> {
        &self.settings
    }

    /// Whether a table or view of that name (as a statement writes it) is among them.
    pub fn holds_table(&self, parts: &[String]) -> bool {
        let parts = self.whole(parts.to_vec());
        let of = |sort| Name {
            sort,
            parts: parts.clone(),
        };
        self.objects.contains_key(&of("table")) || self.objects.contains_key(&of("view"))
    }

    /// A name as this session means it, with catalog and database as far as they have been said.
    pub fn full_name(&self, parts: Vec<String>) -> String {
        self.whole(parts).join(".")
    }

    /// Whether what the statement makes, alters or drops outlives the session: it lies in a catalog that this session has
    /// not made in memory.
    pub fn outlives(&self, text: &str, dialect: &Dialect) -> bool {
        let kind = classify(text, dialect);
        if kind.scope() != Scope::Catalog {
            return false;
        }
        let (Kind::Create { object, .. } | Kind::Drop { object, .. } | Kind::Alter { object, .. }) = kind else {
            return false;
        };
        let mut cursor = Cursor::new(text, dialect);
        cursor.bump();
        cursor.eat_all(&["OR", "REPLACE"]);
        let Some((name, _)) = self.name(&mut cursor, object) else {
            return false;
        };
        let catalog = match (object, name.parts.as_slice()) {
            (ObjectType::Database, [catalog, _]) | (_, [catalog, _, _]) => catalog,
            _ => match self.current.as_slice() {
                [catalog] | [catalog, _] if self.has_left => catalog,
                _ => return false,
            },
        };
        self.is_lasting(catalog, dialect)
    }

    fn is_lasting(&self, catalog: &str, dialect: &Dialect) -> bool {
        let name = Name {
            sort: "catalog",
            parts: vec![catalog.to_owned()],
        };
        match self.objects.get(&name) {
            Some(object) => !object.statements.iter().any(|text| {
                let text = normal::normal(text, dialect).to_ascii_lowercase();
                text.contains("'generic_in_memory'")
            }),
            // The catalog that every session begins in is its own.
            None => catalog != BUILT_IN,
        }
    }

    /// Reads the sort and the name of an object, and whether it is only made if it is not there.
    fn name(&self, cursor: &mut Cursor<'_>, object: ObjectType) -> Option<(Name, bool)> {
        let sort = match object {
            ObjectType::Table => "table",
            ObjectType::View => "view",
            ObjectType::Function => "function",
            ObjectType::Catalog => "catalog",
            ObjectType::Database => "database",
            ObjectType::Model => "model",
            ObjectType::MaterializedTable | ObjectType::Other => return None,
        };
        cursor.eat_any(&["TEMPORARY", "TEMP"]);
        cursor.eat("SYSTEM");
        cursor.bump();
        let unless = cursor.eat_all(&["IF", "NOT", "EXISTS"]);
        cursor.eat_all(&["IF", "EXISTS"]);
        let parts = cursor.name()?;
        let parts = match object {
            ObjectType::Catalog | ObjectType::Database => parts,
            _ => self.whole(parts),
        };
        Some((Name { sort, parts }, unless))
    }

    /// A name with the database, and the catalog, that it leaves out.
    fn whole(&self, parts: Vec<String>) -> Vec<String> {
        let missing = 3_usize.saturating_sub(parts.len());
        let mut whole: Vec<String> = self.current.iter().take(missing).cloned().collect();
        whole.extend(parts);
        whole
    }

    /// What a statement needs: the objects whose names stand in it, and those that these need.
    fn used(&self, statement: &str, dialect: &Dialect) -> BTreeSet<&Name> {
        let mut used = BTreeSet::new();
        let mut texts = vec![statement];
        while let Some(text) = texts.pop() {
            let names = identifiers(text, dialect);
            for (name, object) in &self.objects {
                if name.parts.last().is_some_and(|last| names.contains(last)) && used.insert(name) {
                    texts.extend(object.statements.iter().map(String::as_str));
                }
            }
        }
        used
    }

    /// What is not the same here as in `after`, of all that a statement before and the one after need.
    pub fn differences(&self, before: &str, after: (&Self, &str), dialect: &Dialect) -> Vec<Difference> {
        let (after, statement) = after;
        let mut names = self.used(before, dialect);
        names.extend(after.used(statement, dialect));
        let mut differences = Vec::new();
        for name in names {
            let lines = |definitions: &Self| {
                let object = definitions.objects.get(name);
                let statements = object.iter().flat_map(|object| &object.statements);
                statements
                    .flat_map(|statement| normal::lines(statement, dialect))
                    .collect()
            };
            note(&mut differences, name.to_string(), true, lines(self), lines(after));
        }
        let keys: BTreeSet<_> = self.settings.keys().chain(after.settings.keys()).collect();
        for key in keys {
            let line = |definitions: &Self| {
                let value = definitions.settings.get(key);
                value
                    .map(|value| format!("SET '{key}' = '{value}'"))
                    .into_iter()
                    .collect()
            };
            note(&mut differences, format!("SET '{key}'"), false, line(self), line(after));
        }
        note(
            &mut differences,
            "jars and modules".to_owned(),
            false,
            self.resources.clone(),
            after.resources.clone(),
        );
        differences
    }
}

fn note(differences: &mut Vec<Difference>, what: String, is_object: bool, before: Vec<String>, after: Vec<String>) {
    if before != after {
        differences.push(Difference {
            what,
            is_object,
            before,
            after,
        });
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.sort, self.parts.join("."))
    }
}

/// Every word and quoted identifier of a statement, without quotes.
fn identifiers(text: &str, dialect: &Dialect) -> BTreeSet<String> {
    let tokens = super::lexer::significant(text, dialect);
    let names = tokens.filter(|token| matches!(token.kind, TokenKind::Word | TokenKind::Identifier));
    names
        .map(|token| unquote(token.span.of(text), dialect).into_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIALECT: Dialect = Dialect::FLINK;

    fn definitions(statements: &[&str]) -> Definitions {
        Definitions::of(statements.iter().copied(), &DIALECT)
    }

    fn differ(before: &[&str], after: &[&str], statement: &str) -> Vec<String> {
        let (before, after) = (definitions(before), definitions(after));
        let found = before.differences(statement, (&after, statement), &DIALECT);
        found.into_iter().map(|difference| difference.what).collect()
    }

    #[test]
    fn only_what_the_statement_needs_counts() {
        let gen_table = "CREATE TABLE gen (id BIGINT) WITH ('connector' = 'datagen')";
        let view = "CREATE VIEW v AS SELECT id FROM gen";
        let changed = "CREATE TABLE gen (id BIGINT) WITH ('connector' = 'kafka')";
        let query = "INSERT INTO t SELECT * FROM v";
        assert_eq!(differ(&[gen_table, view], &[changed, view], query), ["table gen"]);
        assert_eq!(
            differ(
                &[gen_table, view],
                &[gen_table, view, "CREATE TABLE other (a INT)"],
                query
            ),
            [""; 0]
        );
        assert_eq!(
            differ(&[gen_table, view], &[changed, view], "INSERT INTO t SELECT 1"),
            [""; 0]
        );
        assert_eq!(
            differ(
                &[gen_table],
                &["create  table gen(id BIGINT) with ('connector'='datagen')"],
                "SELECT * FROM gen"
            ),
            [""; 0]
        );
        let altered = [gen_table, "ALTER TABLE gen SET ('x' = 'y')"];
        assert_eq!(differ(&[gen_table], &altered, "SELECT * FROM gen"), ["table gen"]);
    }

    #[test]
    fn what_was_taken_back_is_not_there() {
        let table = "CREATE TABLE t (a INT)";
        let dropped = definitions(&[table, "DROP TABLE IF EXISTS t", "SET 'a' = '1'", "RESET 'a'"]);
        assert_eq!(dropped, Definitions::default());
        let again = definitions(&[table, "CREATE TABLE IF NOT EXISTS t (b INT)"]);
        assert_eq!(again, definitions(&[table]));
        assert_eq!(
            differ(&["SET 'a' = '1'"], &["SET 'a' = '2'", "SET b = 'c'"], "SELECT 1"),
            ["SET 'a'", "SET 'b'"]
        );
        assert_eq!(differ(&["ADD JAR 'a.jar'"], &[], "SELECT 1"), ["jars and modules"]);
    }

    #[test]
    fn what_lies_in_a_lasting_catalog_outlives_the_session() {
        let outlives = |before: &[&str], text: &str| definitions(before).outlives(text, &DIALECT);
        let memory = "CREATE CATALOG m WITH ('type' = 'generic_in_memory')";
        let lasting = "CREATE CATALOG l WITH ('type' = 'jdbc')";
        assert!(!outlives(&[], "CREATE TABLE t (a INT)"));
        assert!(!outlives(&["USE d"], "CREATE TABLE t (a INT)"));
        assert!(!outlives(&[memory, "USE CATALOG m"], "CREATE TABLE t (a INT)"));
        assert!(!outlives(
            &["USE CATALOG other", "USE CATALOG default_catalog"],
            "DROP TABLE t"
        ));
        assert!(outlives(&[lasting, "USE CATALOG l"], "CREATE TABLE t (a INT)"));
        assert!(outlives(
            &["USE CATALOG preconfigured", "USE d"],
            "ALTER TABLE t SET ('a' = 'b')"
        ));
        assert!(outlives(&[lasting], "DROP TABLE IF EXISTS l.d.t"));
        assert!(outlives(&[lasting], "CREATE DATABASE l.d"));
        assert!(!outlives(
            &[lasting, "USE CATALOG l"],
            "CREATE TEMPORARY TABLE t (a INT)"
        ));
        assert!(!outlives(&[lasting, "USE CATALOG l"], "SET 'a' = 'b'"));
    }

    #[test]
    fn a_name_is_seen_from_where_it_was_used() {
        let there = definitions(&["USE CATALOG c", "USE d", "CREATE TABLE t (a INT)"]);
        let named = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
        assert!(
            there.holds_table(&named("t")) && there.holds_table(&named("c.d.t")) && there.holds_table(&named("d.t"))
        );
        assert!(!there.holds_table(&named("e.t")) && !there.holds_table(&named("u")));
    }
}
