//! Catalogs, databases, tables and views of one session, all in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use skep_engine::{EngineError, ErrorKind, ObjectKind, Offered, Result, ShellTables};

use crate::plan::shell::ShellTable;
use crate::similar::most_similar;
use crate::table::{Table, TablePath};

/// Flink's name of the catalog that is there from the start.
pub(crate) const DEFAULT_CATALOG: &str = "default_catalog";
/// Flink's name of its database.
pub(crate) const DEFAULT_DATABASE: &str = "default_database";

/// A table as it was declared: [`Table`] and what only a person asks for.
#[derive(Debug)]
pub(crate) struct TableEntry {
    pub table: Arc<Table>,
    /// One for each column, in declared order.
    pub columns: Vec<Described>,
}

/// What DESCRIBE says of a column.
#[derive(Debug, Clone)]
pub(crate) struct Described {
    pub name: String,
    /// Flink's name of the type.
    pub type_name: String,
    pub nullable: bool,
    /// `AS expression` of a computed column.
    pub extras: Option<String>,
    pub comment: Option<String>,
}

/// A view.
#[derive(Debug)]
pub(crate) struct View {
    pub path: TablePath,
    /// The columns' names, if the statement gave them.
    pub columns: Vec<String>,
    /// The query as written.
    pub query: String,
    /// The catalog and database in which the query's names are looked up.
    pub catalog: String,
    pub database: String,
    pub comment: Option<String>,
    pub temporary: bool,
}

/// A table or a view.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    Table(Arc<TableEntry>),
    View(Arc<View>),
    /// A table of the shell's own.
    Shell(ShellTable),
}

impl Entry {
    /// Which of the two.
    pub const fn kind(&self) -> ObjectKind {
        match self {
            Self::Table(_) | Self::Shell(_) => ObjectKind::Table,
            Self::View(_) => ObjectKind::View,
        }
    }
}

type Database = BTreeMap<String, Entry>;

/// The objects of a session. A temporary object hides a lasting one of the same name, as in Flink.
#[derive(Debug, Clone)]
pub(crate) struct Catalog {
    catalogs: BTreeMap<String, BTreeMap<String, Database>>,
    temporary: BTreeMap<TablePath, Entry>,
    /// The shell's own database, which a person's of that name hides.
    shell: Option<(String, Database)>,
    /// The current catalog.
    pub current: String,
    /// The current database.
    pub database: String,
}

impl Default for Catalog {
    fn default() -> Self {
        let database = BTreeMap::from([(DEFAULT_DATABASE.to_owned(), Database::new())]);
        Self {
            catalogs: BTreeMap::from([(DEFAULT_CATALOG.to_owned(), database)]),
            temporary: BTreeMap::new(),
            shell: None,
            current: DEFAULT_CATALOG.to_owned(),
            database: DEFAULT_DATABASE.to_owned(),
        }
    }
}

impl Catalog {
    /// One with nothing in it but what the shell has.
    pub fn with(tables: Option<&Arc<dyn ShellTables>>) -> Self {
        let shell = tables.map(|tables| {
            let entry = |table: ShellTable| (table.name().to_owned(), Entry::Shell(table));
            let all = ShellTable::all(tables).map(entry).collect();
            (tables.database().to_owned(), all)
        });
        Self {
            shell,
            ..Self::default()
        }
    }

    /// A database that a person has made, or else the shell's.
    fn database(&self, catalog: &str, database: &str) -> Option<&Database> {
        let own = self.catalogs.get(catalog)?.get(database);
        own.or_else(|| self.shells(catalog, database))
    }

    /// The shell's database, if it has that name and is not hidden.
    fn shells(&self, catalog: &str, database: &str) -> Option<&Database> {
        let (name, tables) = self.shell.as_ref()?;
        let is_own = self.catalogs.get(catalog)?.contains_key(database);
        (!is_own && catalog == DEFAULT_CATALOG && name == database).then_some(tables)
    }

    /// The shell's tables, unless they are hidden.
    pub fn offered(&self) -> Offered {
        let tables = self.shell.as_ref().and_then(|(name, _)| {
            let tables = self.shells(&self.current, name)?;
            Some((name.clone(), tables))
        });
        let names = |entry: &Entry| match entry {
            Entry::Shell(table) => table
                .schema()
                .fields()
                .iter()
                .map(|field| field.name().clone())
                .collect(),
            Entry::Table(_) | Entry::View(_) => Vec::new(),
        };
        let of = |tables: &Database| {
            tables
                .iter()
                .map(|(name, entry)| (name.clone(), names(entry)))
                .collect()
        };
        tables.into_iter().map(|(name, tables)| (name, of(tables))).collect()
    }

    /// The names of all catalogs.
    pub fn catalogs(&self) -> Vec<String> {
        self.catalogs.keys().cloned().collect()
    }

    /// The names of the current catalog's databases.
    pub fn databases(&self) -> Vec<String> {
        self.catalogs
            .get(&self.current)
            .map(|databases| databases.keys().cloned().collect())
            .unwrap_or_default()
    }

    /// A table or view.
    pub fn get(&self, path: &TablePath) -> Option<&Entry> {
        self.temporary.get(path).or_else(|| self.lasting(path))
    }

    fn lasting(&self, path: &TablePath) -> Option<&Entry> {
        self.database(&path.catalog, &path.database)?.get(&path.name)
    }

    /// A table or view, or an error that names what is similar.
    pub fn find(&self, path: &TablePath) -> Result<&Entry> {
        self.get(path).ok_or_else(|| self.missing(path, "table or view"))
    }

    /// The error for an object that is not there.
    pub fn missing(&self, path: &TablePath, what: &str) -> EngineError {
        let shown = self.shown(path);
        if !self.catalogs.contains_key(&path.catalog) {
            return EngineError::new(ErrorKind::Rejected, format!("there is no catalog {}", path.catalog));
        }
        if !self.has_database(&path.catalog, &path.database) {
            return EngineError::new(
                ErrorKind::Rejected,
                format!("there is no database {} in the catalog {}", path.database, path.catalog),
            );
        }
        let error = EngineError::rejected(format!("there is no {what} {shown}"));
        let names: Vec<String> = self.list(&path.catalog, &path.database).into_keys().collect();
        match most_similar(&path.name, names.iter().map(String::as_str)) {
            Some(name) => error.hint(format!("did you mean {name}?")),
            None if names.is_empty() => error.hint("there are no tables yet: CREATE TABLE makes one"),
            None => error.hint("SHOW TABLES lists what there is"),
        }
    }

    /// The path as short as it may be written now.
    pub fn shown(&self, path: &TablePath) -> String {
        if path.catalog != self.current {
            format!("{}.{}.{}", path.catalog, path.database, path.name)
        } else if path.database != self.database {
            format!("{}.{}", path.database, path.name)
        } else {
            path.name.clone()
        }
    }

    /// The objects of a database, by name.
    pub fn list(&self, catalog: &str, database: &str) -> BTreeMap<String, ObjectKind> {
        let lasting = self.database(catalog, database).into_iter().flatten();
        let temporary = self
            .temporary
            .iter()
            .filter(|(path, _)| path.catalog == catalog && path.database == database);
        lasting
            .map(|(name, entry)| (name.clone(), entry.kind()))
            .chain(temporary.map(|(path, entry)| (path.name.clone(), entry.kind())))
            .collect()
    }

    /// Whether a database is there.
    pub fn has_database(&self, catalog: &str, database: &str) -> bool {
        self.database(catalog, database).is_some()
    }

    /// Adds an object. Says `false` if it was there already and `keep` allows that.
    pub fn add(&mut self, path: TablePath, entry: Entry, temporary: bool, keep: bool) -> Result<bool> {
        let shown = self.shown(&path);
        let missing = match self.shells(&path.catalog, &path.database) {
            Some(_) => shells_own(&path.database),
            None => self.missing(&path, "database"),
        };
        let Some(database) = self
            .catalogs
            .get_mut(&path.catalog)
            .and_then(|databases| databases.get_mut(&path.database))
        else {
            return Err(missing);
        };
        let there = if temporary {
            self.temporary.contains_key(&path)
        } else {
            database.contains_key(&path.name)
        };
        if there {
            return if keep {
                Ok(false)
            } else {
                Err(
                    EngineError::rejected(format!("there is a table or view {shown} already"))
                        .hint(format!("DROP it first, or say CREATE … IF NOT EXISTS {shown}")),
                )
            };
        }
        if temporary {
            self.temporary.insert(path, entry);
        } else {
            database.insert(path.name, entry);
        }
        Ok(true)
    }

    /// Drops a table or view.
    pub fn drop_object(&mut self, path: &TablePath, kind: ObjectKind, temporary: bool, if_exists: bool) -> Result<()> {
        let word = match kind {
            ObjectKind::Table => "table",
            ObjectKind::View => "view",
        };
        let found = match self.temporary.get(path) {
            Some(entry) => Some(entry),
            None if temporary => None,
            None => self.lasting(path),
        };
        if let Some(Entry::Shell(_)) = found {
            return Err(shells_own(&path.database));
        }
        match found.map(Entry::kind) {
            None if if_exists => Ok(()),
            None => Err(self.missing(path, word)),
            Some(other) if other != kind => {
                let shown = self.shown(path);
                let (is, drop) = match other {
                    ObjectKind::Table => ("table", "TABLE"),
                    ObjectKind::View => ("view", "VIEW"),
                };
                Err(EngineError::rejected(format!("{shown} is a {is}, not a {word}"))
                    .hint(format!("DROP {drop} {shown}")))
            }
            Some(_) => {
                if self.temporary.remove(path).is_none()
                    && let Some(database) = self
                        .catalogs
                        .get_mut(&path.catalog)
                        .and_then(|databases| databases.get_mut(&path.database))
                {
                    database.remove(&path.name);
                }
                Ok(())
            }
        }
    }

    /// Makes a database.
    pub fn create_database(&mut self, catalog: &str, name: &str, keep: bool) -> Result<()> {
        let Some(databases) = self.catalogs.get_mut(catalog) else {
            return Err(EngineError::rejected(format!("there is no catalog {catalog}")));
        };
        if databases.contains_key(name) && !keep {
            return Err(EngineError::rejected(format!("there is a database {name} already")));
        }
        databases.entry(name.to_owned()).or_default();
        Ok(())
    }

    /// Drops a database.
    pub fn drop_database(&mut self, catalog: &str, name: &str, if_exists: bool, cascade: bool) -> Result<()> {
        if self.shells(catalog, name).is_some() && !if_exists {
            return Err(shells_own(name));
        }
        let is_own = self
            .catalogs
            .get(catalog)
            .is_some_and(|databases| databases.contains_key(name));
        if !is_own {
            return if if_exists {
                Ok(())
            } else {
                Err(EngineError::rejected(format!("there is no database {name}")))
            };
        }
        if catalog == self.current && name == self.database {
            return Err(EngineError::refused(format!("{name} is the current database")).hint("USE another one first"));
        }
        if !cascade && !self.list(catalog, name).is_empty() {
            return Err(EngineError::refused(format!("the database {name} is not empty"))
                .hint(format!("DROP DATABASE {name} CASCADE drops what is in it too")));
        }
        if let Some(databases) = self.catalogs.get_mut(catalog) {
            databases.remove(name);
        }
        self.temporary
            .retain(|path, _| path.catalog != catalog || path.database != name);
        Ok(())
    }
}

/// Why nothing is made or dropped in the shell's database.
fn shells_own(database: &str) -> EngineError {
    EngineError::refused(format!(
        "the database {database} is the shell's own, and can only be read"
    ))
    .hint(format!("CREATE DATABASE {database} makes one of yours, which hides it"))
}
