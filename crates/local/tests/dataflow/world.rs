//! A directory, some tables over it, and dataflows that are driven over them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::common::TableReference;
use datafusion::datasource::empty::EmptyTable;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::prelude::{SessionConfig, SessionContext};
use skep_engine::{Batch, EngineError, Position, Result, RowKind};
use skep_local::dataflow::{Dataflow, Part, Progress, State, Step, build, build_set};
use skep_local::table::{Computed, Table, TablePath, Watermark};

pub const TIMESTAMP: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);

/// A session with tables.
pub struct World {
    pub directory: tempfile::TempDir,
    pub context: SessionContext,
    pub tables: BTreeMap<String, Arc<Table>>,
    pub settings: BTreeMap<String, String>,
}

impl World {
    /// A session without tables.
    pub fn new() -> Self {
        let mut config = SessionConfig::new().with_target_partitions(1);
        config.options_mut().sql_parser.map_string_types_to_utf8view = false;
        let state = SessionStateBuilder::new()
            .with_default_features()
            .with_config(config)
            .build();
        Self {
            directory: tempfile::tempdir().unwrap(),
            context: SessionContext::new_with_state(state),
            tables: BTreeMap::new(),
            settings: BTreeMap::new(),
        }
    }

    /// The same, with bounded tables run as streams.
    pub fn streaming() -> Self {
        let mut world = Self::new();
        world.set("execution.runtime-mode", "streaming");
        world
    }

    pub fn set(&mut self, key: &str, value: &str) {
        self.settings.insert(key.into(), value.into());
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// A table over the directory `name`.
    pub fn csv_table(&mut self, name: &str, columns: &[(&str, DataType)]) -> TableBuilder<'_> {
        let path = self.path().join(name);
        std::fs::create_dir_all(&path).unwrap();
        self.table(name, columns)
            .option("connector", "filesystem")
            .option("format", "csv")
            .option("path", path.to_str().unwrap())
    }

    /// A table of any connector.
    pub fn table(&mut self, name: &str, columns: &[(&str, DataType)]) -> TableBuilder<'_> {
        let fields: Vec<Field> = columns
            .iter()
            .map(|(name, data_type)| Field::new(*name, data_type.clone(), true))
            .collect();
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let table = Table {
            path: TablePath {
                catalog: "c".into(),
                database: "d".into(),
                name: name.into(),
            },
            schema: schema.clone(),
            physical: schema,
            computed: Vec::new(),
            watermark: None,
            primary_key: Vec::new(),
            options: BTreeMap::new(),
            ddl: String::new(),
        };
        TableBuilder { world: self, table }
    }

    /// Registers a table that is not read as a source.
    pub fn memory_table(&self, name: &str, rows: RecordBatch) {
        let provider = MemTable::try_new(rows.schema(), vec![vec![rows]]).unwrap();
        self.context.register_table(name, Arc::new(provider)).unwrap();
    }

    pub fn state(&self) -> SessionState {
        self.context.state()
    }

    /// Plans a query as a dataflow.
    pub fn dataflow(&self, sql: &str) -> Result<Box<dyn Dataflow>> {
        let state = self.state();
        let plan = futures::executor::block_on(state.create_logical_plan(sql));
        let plan = plan.map_err(|error| EngineError::rejected(error.to_string()))?;
        let find = |name: &TableReference| self.tables.get(name.table()).cloned();
        build(&state, plan, &find, &self.settings)
    }

    /// Plans several queries as one dataflow; the first stands in line 1, and so on.
    pub fn together(&self, queries: &[&str]) -> Result<Box<dyn Dataflow>> {
        let state = self.state();
        let find = |name: &TableReference| self.tables.get(name.table()).cloned();
        let part = |(number, sql): (usize, &&str)| Part {
            plan: futures::executor::block_on(state.create_logical_plan(sql)).unwrap(),
            tables: &find,
            name: format!("INSERT INTO t{number}"),
            facts: BTreeMap::new(),
            position: Position {
                line: u32::try_from(number).unwrap() + 1,
                column: 1,
                length: 1,
            },
        };
        let parts = queries.iter().enumerate().map(part).collect();
        build_set(&state, parts, &self.settings)
    }

    /// The answer of DataFusion to the query over these rows at once.
    pub fn answer(&self, table: &str, rows: &[RecordBatch], sql: &str) -> Vec<String> {
        let context = SessionContext::new_with_state(self.state());
        let schema = self.tables[table].schema.clone();
        let provider: Arc<dyn TableProvider> = Arc::new(MemTable::try_new(schema, vec![rows.to_vec()]).unwrap());
        context.deregister_table(table).unwrap();
        context.register_table(table, provider).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let batches = runtime.block_on(async { context.sql(sql).await.unwrap().collect().await.unwrap() });
        context.deregister_table(table).unwrap();
        let schema = self.tables[table].schema.clone();
        context
            .register_table(table, Arc::new(EmptyTable::new(schema)))
            .unwrap();
        let mut lines: Vec<String> = batches.iter().flat_map(lines).collect();
        lines.sort();
        lines
    }

    /// All rows that the table's source gives now.
    pub fn scan(&self, table: &str) -> Result<RecordBatch> {
        use futures::StreamExt;
        let table = &self.tables[table];
        let stream = skep_local::dataflow::source::scan(&self.state(), table, None)?;
        let batches: Vec<_> = futures::executor::block_on(stream.collect::<Vec<_>>());
        let batches: std::result::Result<Vec<_>, _> = batches.into_iter().collect();
        let batches = batches.map_err(|error| EngineError::failed(error.to_string()))?;
        Ok(concat_batches(&table.schema, &batches).unwrap())
    }
}

/// A table being declared.
pub struct TableBuilder<'a> {
    world: &'a mut World,
    table: Table,
}

impl TableBuilder<'_> {
    pub fn option(mut self, key: &str, value: &str) -> Self {
        self.table.options.insert(key.into(), value.into());
        self
    }

    pub fn watermark(mut self, column: &str, expression: &str) -> Self {
        self.table.watermark = Some(Watermark {
            column: column.into(),
            expression: expression.into(),
        });
        self
    }

    pub fn computed(mut self, name: &str, expression: &str, data_type: DataType) -> Self {
        let mut fields: Vec<Field> = self
            .table
            .schema
            .fields()
            .iter()
            .map(|field| field.as_ref().clone())
            .collect();
        fields.push(Field::new(name, data_type, true));
        self.table.schema = Arc::new(Schema::new(fields));
        self.table.computed.push(Computed {
            name: name.into(),
            expression: expression.into(),
        });
        self
    }

    pub fn add(self) -> Arc<Table> {
        let table = Arc::new(self.table);
        let name = table.path.name.clone();
        let _ = self.world.context.deregister_table(&name);
        self.world
            .context
            .register_table(&name, Arc::new(EmptyTable::new(table.schema.clone())))
            .unwrap();
        self.world.tables.insert(name, table.clone());
        table
    }
}

/// What a run gave.
#[derive(Default)]
pub struct Output {
    /// Each row, with its kind before it if it is a changelog.
    pub rows: Vec<String>,
    pub late: u64,
    pub rows_in: u64,
    pub finished: bool,
}

impl Output {
    pub fn take(&mut self, step: Step) {
        self.late += step.late_rows;
        self.rows_in += step.rows_in;
        self.finished = step.progress == Progress::Finished;
        for batch in step.output.iter().flatten() {
            self.rows.extend(rows(batch));
        }
    }

    /// The rows that are left when the changelog is followed, sorted.
    pub fn table(&self) -> Vec<String> {
        let mut table: Vec<String> = Vec::new();
        for row in &self.rows {
            let (kind, row) = row.split_at(3);
            match kind {
                "+I " | "+U " => table.push(row.into()),
                _ => {
                    let at = table.iter().position(|known| known == row);
                    table.remove(at.unwrap_or_else(|| panic!("{row} is retracted but was not there: {table:?}")));
                }
            }
        }
        table.sort();
        table
    }

    pub fn sorted(&self) -> Vec<String> {
        let mut rows: Vec<String> = self.rows.iter().map(|row| row[3..].to_owned()).collect();
        rows.sort();
        rows
    }
}

/// Steps until nothing more comes: the input has ended, or is idle.
pub fn run(flow: &mut dyn Dataflow, output: &mut Output) -> Result<()> {
    loop {
        let step = flow.step()?;
        let progress = step.progress;
        output.take(step);
        if progress != Progress::More {
            return Ok(());
        }
    }
}

/// Runs a query to its end, or to where its input is idle.
pub fn run_all(world: &World, sql: &str) -> Result<Output> {
    let mut flow = world.dataflow(sql)?;
    let mut output = Output::default();
    run(flow.as_mut(), &mut output)?;
    Ok(output)
}

/// A state as it comes back from a file: nothing in it is shared with the dataflow it was taken from.
pub fn through_ipc(state: State) -> State {
    use datafusion::arrow::ipc::reader::StreamReader;
    use datafusion::arrow::ipc::writer::StreamWriter;
    let mut state = state;
    for operator in &mut state.operators {
        let Some(first) = operator.tables.first() else { continue };
        let mut writer = StreamWriter::try_new(Vec::new(), &first.schema()).unwrap();
        for table in &operator.tables {
            writer.write(table).unwrap();
        }
        let bytes = writer.into_inner().unwrap();
        operator.tables = StreamReader::try_new(bytes.as_slice(), None)
            .unwrap()
            .map(|batch| batch.unwrap())
            .collect();
        operator.meta = serde_json::from_str(&operator.meta.to_string()).unwrap();
    }
    state
}

/// A batch's rows as text, with their kinds.
pub fn rows(batch: &Batch) -> Vec<String> {
    let kind = |row: usize| {
        batch
            .kinds
            .as_ref()
            .map_or(RowKind::Insert, |kinds| kinds[row])
            .as_str()
    };
    lines(&batch.rows)
        .into_iter()
        .enumerate()
        .map(|(row, line)| format!("{} {line}", kind(row)))
        .collect()
}

/// Rows as text.
pub fn lines(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::new().with_null("NULL");
    let formatters: Vec<_> = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column, &options).unwrap())
        .collect();
    let line = |row: usize| {
        let mut line = String::new();
        for (index, formatter) in formatters.iter().enumerate() {
            let separator = if index > 0 { "|" } else { "" };
            write!(line, "{separator}{}", formatter.value(row)).unwrap();
        }
        line
    };
    (0..batch.num_rows()).map(line).collect()
}
