//! A directory for a host and its tables.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use skep_engine::{Format, JobControl, JobId, JobStatus, Restore, SavepointRequest, StopRequest};
use skep_local::dataflow::Dataflow;
use skep_local::runtime::{Host, JobSpec, SinkSpec, Started};
use skep_local::table::{Table, TablePath};

use crate::flow::schema;

/// A job id that no other test of this process has.
pub fn new_id() -> JobId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
    bytes[8..12].copy_from_slice(&std::process::id().to_be_bytes());
    JobId::from_bytes(bytes)
}

pub fn table_path(name: &str) -> TablePath {
    TablePath {
        catalog: "default_catalog".to_owned(),
        database: "default_database".to_owned(),
        name: name.to_owned(),
    }
}

pub fn table(name: &str, primary_key: &[&str], options: &[(&str, &str)]) -> Arc<Table> {
    Arc::new(Table {
        path: table_path(name),
        schema: schema(),
        physical: schema(),
        computed: Vec::new(),
        watermark: None,
        primary_key: primary_key.iter().map(|s| (*s).to_owned()).collect(),
        options: options
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect(),
        ddl: String::new(),
    })
}

pub fn csv_table(dir: &Path) -> Arc<Table> {
    let path = dir.to_str().unwrap();
    table(
        "out",
        &[],
        &[("connector", "filesystem"), ("path", path), ("format", "csv")],
    )
}

pub fn blackhole() -> SinkSpec {
    SinkSpec::Tables(vec![table("hole", &[], &[("connector", "blackhole")])])
}

pub fn spec(sink: SinkSpec) -> JobSpec {
    JobSpec {
        job_id: new_id(),
        name: "numbers".to_owned(),
        sql: "INSERT INTO out SELECT k, v FROM numbers".to_owned(),
        prelude: vec!["CREATE TABLE out (k BIGINT, v BIGINT)".to_owned()],
        settings: settings(&[("execution.checkpointing.interval", "0")]),
        restore: None,
        sink,
    }
}

pub fn settings(settings: &[(&str, &str)]) -> BTreeMap<String, String> {
    settings
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect()
}

pub fn restore(path: &str) -> Option<Restore> {
    Some(Restore {
        path: path.to_owned(),
        job_id: None,
        allow_non_restored: false,
        fork: false,
        claim: skep_engine::ClaimMode::NoClaim,
    })
}

pub fn savepoint() -> SavepointRequest {
    SavepointRequest {
        trigger: new_id(),
        dir: None,
        format: Format::Canonical,
        numbered: false,
    }
}

pub fn stop(drain: bool) -> StopRequest {
    StopRequest {
        savepoint: savepoint(),
        drain,
    }
}

/// A host and a directory for a sink.
pub struct World {
    pub temp: tempfile::TempDir,
    pub host: Arc<Host>,
    pub out: PathBuf,
}

impl World {
    pub fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let host = Host::open(temp.path().join("local")).unwrap();
        let out = temp.path().join("out");
        Self { temp, host, out }
    }

    /// Another host of the same directory, which knows nothing of the first one's jobs: as another process sees it.
    pub fn other_process(&self) -> Arc<Host> {
        Host::open(self.host.dir()).unwrap()
    }

    pub fn csv(&self) -> SinkSpec {
        SinkSpec::Tables(vec![csv_table(&self.out)])
    }

    pub async fn start(&self, spec: JobSpec, flow: impl Dataflow + 'static) -> Started {
        self.host.start(spec, Box::new(flow)).await.unwrap()
    }

    /// Waits until the job's status is such.
    pub async fn until(&self, job: &JobId, is: impl FnMut(&JobStatus) -> bool) -> JobStatus {
        until(&self.host, job, is).await
    }

    pub async fn until_ended(&self, job: &JobId) -> JobStatus {
        self.until(job, |status| status.state.is_terminal()).await
    }

    /// The visible rows of the sink's directory, sorted.
    pub fn rows(&self) -> Vec<(i64, i64)> {
        visible_rows(&self.out)
    }

    pub fn hidden_parts(&self) -> usize {
        let names = fs::read_dir(&self.out).unwrap().map(|e| e.unwrap().file_name());
        names
            .filter(|name| name.to_string_lossy().ends_with(".inprogress"))
            .count()
    }
}

pub async fn until(host: &Arc<Host>, job: &JobId, mut is: impl FnMut(&JobStatus) -> bool) -> JobStatus {
    let mut watch = Arc::clone(host).watch(*job);
    let found = watch.wait_for(|watched| watched.status.as_ref().is_some_and(&mut is));
    let found = tokio::time::timeout(Duration::from_secs(60), found).await;
    found.expect("the status came in time").unwrap().status.clone().unwrap()
}

pub fn visible_rows(dir: &Path) -> Vec<(i64, i64)> {
    let mut rows = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with('.') {
            continue;
        }
        for line in fs::read_to_string(&path).unwrap().lines() {
            let (k, v) = line.split_once(',').unwrap();
            rows.push((k.parse().unwrap(), v.parse().unwrap()));
        }
    }
    rows.sort_unstable();
    rows
}
