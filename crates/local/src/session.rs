//! A SQL session of the embedded engine.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::arrow::array::RecordBatch;
use skep_engine::{
    Column, Dialect, EngineError, LogRing, Object, ObjectKind, Offered, Operation, OperationId, Result, Rows,
    ShellTables, Sql, Submit, Trial, Trials, Tried, async_trait,
};

use crate::batch::{Done, Ready};
use crate::catalog::{Catalog, Described, Entry, View};
use crate::plan::{Mode, Planner};
use crate::runtime::Host;
use crate::sql::ddl::{CreateTable, CreateView};
use crate::sql::statement::{Drop as DropStatement, DropKind, Show};
use crate::sql::{Reader, Statement, absolute};
use crate::table::{Table, TablePath};
use crate::{compute, define, function, run, setting, show};

/// A session: settings, and catalogs in memory. Jobs are its host's and outlive it.
pub(crate) struct Session {
    inner: Arc<Inner>,
}

/// What a session's statements share.
pub(crate) struct Inner {
    pub host: Arc<Host>,
    properties: BTreeMap<String, String>,
    /// What the shell has.
    tables: Option<Arc<dyn ShellTables>>,
    data: Mutex<Data>,
    operations: AtomicU64,
}

struct Data {
    catalog: Arc<Catalog>,
    settings: BTreeMap<String, String>,
}

impl Session {
    /// A session with nothing in it but what the shell has.
    pub fn new(host: Arc<Host>, properties: BTreeMap<String, String>, tables: Option<Arc<dyn ShellTables>>) -> Self {
        let data = Data {
            catalog: Arc::new(Catalog::with(tables.as_ref())),
            settings: BTreeMap::new(),
        };
        Self {
            inner: Arc::new(Inner {
                host,
                properties,
                tables,
                data: Mutex::new(data),
                operations: AtomicU64::new(1),
            }),
        }
    }
}

#[async_trait]
impl Sql for Session {
    fn dialect(&self) -> Dialect {
        Dialect::FLINK
    }

    async fn submit(&self, statement: Submit) -> Result<Operation> {
        let inner = Arc::clone(&self.inner);
        compute::run(async move { inner.submit(statement).await }).await
    }

    fn as_recorded(&self, text: &str) -> String {
        absolute(text)
    }

    async fn fresh(&self) -> Result<Arc<dyn Sql>> {
        let inner = &self.inner;
        Ok(Arc::new(Self::new(
            Arc::clone(&inner.host),
            inner.properties.clone(),
            inner.tables.clone(),
        )))
    }

    async fn setting(&self, key: &str) -> Result<Option<String>> {
        Ok(self.inner.settings(&BTreeMap::new()).remove(key))
    }

    async fn objects(&self) -> Result<Vec<Object>> {
        let catalog = self.inner.catalog();
        let listed = catalog.list(&catalog.current, &catalog.database);
        let object = |(name, kind)| Object {
            catalog: catalog.current.clone(),
            database: catalog.database.clone(),
            name,
            kind,
        };
        Ok(listed.into_iter().map(object).collect())
    }

    fn reads_states(&self) -> bool {
        true
    }

    fn opened_with(&self) -> BTreeMap<String, String> {
        let own = self.inner.properties.iter();
        let lasting = own.filter(|(key, _)| !key.starts_with("local.") && !setting::is_for_one_submission(key));
        lasting.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    fn trials(&self) -> Option<Trials> {
        Some(Trials::Here)
    }

    async fn try_out(&self, trial: Trial) -> Result<Tried> {
        let inner = Arc::clone(&self.inner);
        compute::run(async move { run::try_out(&inner, trial).await }).await
    }

    fn offered(&self) -> Offered {
        self.inner.catalog().offered()
    }

    async fn columns(&self, table: &str) -> Result<Vec<Column>> {
        let inner = Arc::clone(&self.inner);
        let table = table.to_owned();
        compute::run(async move {
            let name = Reader::new(&table)?.name("a table's name", 3)?;
            let catalog = inner.catalog();
            let path = name.resolve(&catalog.current, &catalog.database);
            let (columns, _) = inner.described(&path, &BTreeMap::new())?;
            let column = |c: Described| Column {
                name: c.name,
                data_type: c.type_name,
            };
            Ok(columns.into_iter().map(column).collect())
        })
        .await
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Data> {
        // Each change is one assignment: a panic in between leaves the old value.
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The catalog as it is now.
    pub fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.lock().catalog)
    }

    /// The connection's properties, what SET has set, what holds for one statement: the last one wins.
    pub fn settings(&self, own: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let mut settings = self.properties.clone();
        settings.extend(self.lock().settings.clone());
        settings.extend(own.clone());
        settings
    }

    /// A planner over the session as it is now.
    pub fn planner(&self, settings: &BTreeMap<String, String>) -> Result<Planner> {
        Ok(Planner {
            catalog: self.catalog(),
            host: Arc::clone(&self.host),
            zone: setting::time_zone(settings)?,
        })
    }

    fn change<T>(&self, change: impl FnOnce(&mut Catalog) -> Result<T>) -> Result<T> {
        let mut data = self.lock();
        let mut catalog = Catalog::clone(&data.catalog);
        let outcome = change(&mut catalog)?;
        data.catalog = Arc::new(catalog);
        Ok(outcome)
    }

    /// An operation that has ended with its reply.
    fn done(&self, rows: Option<RecordBatch>) -> Operation {
        Operation {
            id: self.operation_id(),
            job: None,
            rows: rows.map(|batch| Box::new(Ready::new(batch)) as Box<dyn Rows>),
            notes: Vec::new(),
            log: LogRing::default(),
            handle: Arc::new(Done),
        }
    }

    /// The next operation's id.
    pub fn operation_id(&self) -> OperationId {
        OperationId(self.operations.fetch_add(1, Ordering::Relaxed).to_string())
    }

    async fn submit(&self, submit: Submit) -> Result<Operation> {
        let statement = Statement::read(&submit.text)?;
        let starts_job = matches!(
            statement,
            Statement::Query(_) | Statement::Insert(_) | Statement::Inserts(_)
        );
        if submit.restore.is_some() && !starts_job {
            return Err(EngineError::rejected(
                "only a statement that starts a job can be restored",
            ));
        }
        match statement {
            Statement::Query(query) => run::query(self, query, submit).await,
            Statement::Insert(insert) => run::insert(self, insert, submit).await,
            Statement::Inserts(inserts) => run::set(self, &inserts, submit).await,
            Statement::Explain(inner) => {
                let text = run::explain(self, *inner, &submit).await?;
                Ok(self.done(Some(show::list("result", [text])?)))
            }
            Statement::CreateTable(create) => {
                self.create_table(&create, &submit)?;
                Ok(self.done(None))
            }
            Statement::CreateView(create) => {
                self.create_view(create, &submit)?;
                Ok(self.done(None))
            }
            Statement::CreateDatabase { name, if_not_exists } => {
                self.change(|catalog| {
                    let path = name.resolve(&catalog.current, &catalog.current);
                    let of = if name.parts.len() == 2 {
                        path.database
                    } else {
                        catalog.current.clone()
                    };
                    catalog.create_database(&of, &path.name, if_not_exists)
                })
                .map_err(|e| e.at(name.position()))?;
                Ok(self.done(None))
            }
            Statement::Drop(drop) => {
                self.drop_object(&drop).map_err(|e| e.at(drop.name.position()))?;
                Ok(self.done(None))
            }
            Statement::Use(name) => {
                self.change(|catalog| {
                    let path = name.resolve(&catalog.current, &catalog.current);
                    let of = if name.parts.len() == 2 {
                        path.database
                    } else {
                        catalog.current.clone()
                    };
                    if !catalog.has_database(&of, &path.name) {
                        return Err(EngineError::rejected(format!("there is no database {name}"))
                            .at(name.position())
                            .hint("SHOW DATABASES lists what there is"));
                    }
                    catalog.current = of;
                    catalog.database = path.name;
                    Ok(())
                })?;
                Ok(self.done(None))
            }
            Statement::UseCatalog(name) => {
                self.change(|catalog| {
                    let wanted = name.to_string();
                    if !catalog.catalogs().contains(&wanted) {
                        return Err(EngineError::rejected(format!("there is no catalog {wanted}"))
                            .at(name.position())
                            .hint("SHOW CATALOGS lists what there is"));
                    }
                    if catalog.current != wanted {
                        catalog.current = wanted;
                        catalog.database = crate::catalog::DEFAULT_DATABASE.to_owned();
                    }
                    Ok(())
                })?;
                Ok(self.done(None))
            }
            Statement::Set(None) => {
                let settings = setting::shown(self.settings(&submit.settings));
                Ok(self.done(Some(show::pairs(["key", "value"], &settings)?)))
            }
            Statement::Set(Some((key, value))) => {
                let note = setting::check(&key, &value)?;
                self.lock().settings.insert(key, value);
                let mut done = self.done(None);
                done.notes.extend(note);
                Ok(done)
            }
            Statement::Reset(key) => {
                match key {
                    Some(key) => {
                        self.lock().settings.remove(&key);
                    }
                    None => self.lock().settings.clear(),
                }
                Ok(self.done(None))
            }
            Statement::Show(what) => Ok(self.done(Some(self.show(&what, &submit)?))),
            Statement::Describe(name) => {
                let catalog = self.catalog();
                let path = name.resolve(&catalog.current, &catalog.database);
                let (columns, table) = self
                    .described(&path, &submit.settings)
                    .map_err(|e| e.at(name.position()))?;
                Ok(self.done(Some(show::describe(&columns, table.as_deref(), None)?)))
            }
        }
    }

    fn show(&self, what: &Show, submit: &Submit) -> Result<RecordBatch> {
        let catalog = self.catalog();
        let resolve = |name: &crate::sql::statement::Name| name.resolve(&catalog.current, &catalog.database);
        match what {
            Show::Catalogs => show::list("catalog name", catalog.catalogs()),
            Show::CurrentCatalog => show::list("current catalog name", [catalog.current.clone()]),
            Show::Databases => show::list("database name", catalog.databases()),
            Show::CurrentDatabase => show::list("current database name", [catalog.database.clone()]),
            Show::Tables(listing) => show::tables(&catalog, listing),
            Show::Views => show::views(&catalog),
            Show::Functions => {
                let zone = setting::time_zone(&self.settings(&submit.settings))?;
                show::list(
                    "function name",
                    function::names(&crate::plan::session_state(Mode::Batch, &zone)),
                )
            }
            Show::Modules => show::list("module name", ["core".to_owned()]),
            Show::Jars => show::list("jars", []),
            Show::CreateTable(name) | Show::CreateView(name) => {
                let path = resolve(name);
                let kind = match what {
                    Show::CreateView(_) => ObjectKind::View,
                    _ => ObjectKind::Table,
                };
                let entry = catalog.find(&path).map_err(|e| e.at(name.position()))?;
                show::create(entry, kind, &path).map_err(|e| e.at(name.position()))
            }
            Show::Columns(name, pattern) => {
                let (columns, table) = self
                    .described(&resolve(name), &submit.settings)
                    .map_err(|e| e.at(name.position()))?;
                show::describe(&columns, table.as_deref(), pattern.as_ref())
            }
        }
    }

    /// The columns of a table or view.
    fn described(
        &self,
        path: &TablePath,
        own: &BTreeMap<String, String>,
    ) -> Result<(Vec<Described>, Option<Arc<Table>>)> {
        let catalog = self.catalog();
        match catalog.find(path)? {
            Entry::Table(entry) => Ok((entry.columns.clone(), Some(Arc::clone(&entry.table)))),
            Entry::Shell(table) => Ok((show::described(table.schema()), None)),
            Entry::View(view) => {
                let text = format!("SELECT * FROM {}", view.path);
                let Statement::Query(query) = Statement::read(&text)? else {
                    return Err(EngineError::failed("a view has no query"));
                };
                let planned = self
                    .planner(&self.settings(own))?
                    .plan(query, Mode::Batch)
                    .map_err(|mut e| {
                        e.position = None;
                        e
                    })?;
                Ok((show::described(planned.plan.schema().as_arrow()), None))
            }
        }
    }

    fn create_table(&self, create: &CreateTable, submit: &Submit) -> Result<()> {
        let planner = self.planner(&self.settings(&submit.settings))?;
        let path = create.name.resolve(&planner.catalog.current, &planner.catalog.database);
        let entry = define::table(create, path.clone(), &planner)?;
        self.change(|catalog| {
            catalog.add(
                path,
                Entry::Table(Arc::new(entry)),
                create.temporary,
                create.if_not_exists,
            )
        })
        .map_err(|e| e.at(create.name.position()))?;
        Ok(())
    }

    fn create_view(&self, create: CreateView, submit: &Submit) -> Result<()> {
        let planner = self.planner(&self.settings(&submit.settings))?;
        // Planned once now, so that what is wrong with it is said here and not at its first use.
        let planned = planner.plan(create.query, Mode::Batch)?;
        crate::plan::planner::rename(planned.plan, &create.columns)?;
        let catalog = &planner.catalog;
        let path = create.name.resolve(&catalog.current, &catalog.database);
        let view = View {
            path: path.clone(),
            columns: create.columns,
            query: create.text,
            catalog: catalog.current.clone(),
            database: catalog.database.clone(),
            comment: create.comment,
            temporary: create.temporary,
        };
        self.change(|catalog| {
            catalog.add(
                path,
                Entry::View(Arc::new(view)),
                create.temporary,
                create.if_not_exists,
            )
        })
        .map_err(|e| e.at(create.name.position()))?;
        Ok(())
    }

    fn drop_object(&self, drop: &DropStatement) -> Result<()> {
        let dropped = self.change(|catalog| match drop.kind {
            DropKind::Database => {
                let path = drop.name.resolve(&catalog.current, &catalog.current);
                let of = if drop.name.parts.len() == 2 {
                    path.database
                } else {
                    catalog.current.clone()
                };
                catalog
                    .drop_database(&of, &path.name, drop.if_exists, drop.cascade)
                    .map(|()| None)
            }
            DropKind::Table | DropKind::View => {
                let path = drop.name.resolve(&catalog.current, &catalog.database);
                let kind = if drop.kind == DropKind::Table {
                    ObjectKind::Table
                } else {
                    ObjectKind::View
                };
                catalog.drop_object(&path, kind, drop.temporary, drop.if_exists)?;
                Ok((kind == ObjectKind::Table).then_some(path))
            }
        })?;
        if let Some(path) = dropped {
            self.host.drop_memory_table(&path);
        }
        Ok(())
    }
}
