//! The JobManager's answers, as far as they are used. Fields that one of the versions lacks are optional; what else a
//! server sends is ignored.

use std::collections::BTreeMap;

use serde::Deserialize;

/// `GET /config`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Config {
    /// Milliseconds for which the server gives the same statistics again (`web.refresh-interval`).
    pub(super) refresh_interval: u64,
    pub(super) flink_version: String,
}

/// `GET /overview`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Overview {
    pub(super) taskmanagers: u32,
    pub(super) slots_total: u32,
    pub(super) slots_available: u32,
    pub(super) jobs_running: u32,
}

/// `GET /jobs/overview`: the jobs as they are now.
#[derive(Debug, Deserialize)]
pub(super) struct JobsOverview {
    pub(super) jobs: Vec<JobOverview>,
}

/// One job of the list. Times are milliseconds since 1970, -1 for none.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct JobOverview {
    pub(super) jid: String,
    pub(super) name: String,
    pub(super) state: String,
    pub(super) start_time: i64,
    pub(super) end_time: i64,
    pub(super) tasks: TaskCounts,
}

/// How many tasks (parallel instances) are in which state.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub(super) struct TaskCounts {
    pub(super) total: u32,
    /// They have no slot yet.
    pub(super) scheduled: u32,
    pub(super) running: u32,
    pub(super) finished: u32,
}

/// `GET /jobs/:id/status`: the state as it is now.
#[derive(Debug, Deserialize)]
pub(super) struct State {
    pub(super) status: String,
}

/// `GET /jobs/:id`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Job {
    pub(super) name: String,
    pub(super) state: String,
    pub(super) start_time: i64,
    pub(super) end_time: i64,
    /// The server's clock.
    pub(super) now: i64,
    pub(super) job_type: Option<String>,
    #[serde(rename = "schedulerType")]
    pub(super) scheduler_type: Option<String>,
    pub(super) vertices: Vec<Vertex>,
}

/// A vertex of the job.
#[derive(Debug, Deserialize)]
pub(super) struct Vertex {
    /// 32 hex digits, as those of a job.
    pub(super) id: skep_engine::JobId,
    pub(super) name: String,
    pub(super) parallelism: u32,
    pub(super) status: String,
    #[serde(default)]
    pub(super) tasks: BTreeMap<String, u32>,
    #[serde(default)]
    pub(super) metrics: VertexMetrics,
}

/// What a vertex has read from and written to other vertices.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct VertexMetrics {
    pub(super) read_records: i64,
    pub(super) read_records_complete: bool,
    pub(super) write_records: i64,
    pub(super) write_records_complete: bool,
}

/// `GET /jobs/:id/checkpoints`: statistics, up to [`Config::refresh_interval`] old.
#[derive(Debug, Deserialize)]
pub(super) struct Checkpoints {
    pub(super) counts: CheckpointCounts,
    pub(super) latest: LatestCheckpoints,
    /// The newest first; the length is `web.checkpoints.history`, 10 unless it is set.
    pub(super) history: Vec<Checkpoint>,
}

/// How many checkpoints there have been.
#[derive(Debug, Deserialize)]
pub(super) struct CheckpointCounts {
    pub(super) total: u64,
    pub(super) in_progress: u64,
    pub(super) completed: u64,
    pub(super) failed: u64,
}

/// The newest of each sort.
#[derive(Debug, Deserialize)]
pub(super) struct LatestCheckpoints {
    pub(super) completed: Option<Checkpoint>,
    pub(super) savepoint: Option<Checkpoint>,
    pub(super) failed: Option<Checkpoint>,
    pub(super) restored: Option<Restored>,
}

/// A checkpoint or savepoint. Times are milliseconds since 1970, -1 for none.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Checkpoint {
    pub(super) id: u64,
    pub(super) status: String,
    pub(super) is_savepoint: bool,
    /// `CHECKPOINT`, `SAVEPOINT`, `SYNC_SAVEPOINT` (of a stop), `UNALIGNED_CHECKPOINT`.
    pub(super) checkpoint_type: Option<String>,
    #[serde(default)]
    pub(super) trigger_timestamp: i64,
    pub(super) latest_ack_timestamp: i64,
    pub(super) state_size: i64,
    pub(super) end_to_end_duration: i64,
    pub(super) external_path: Option<String>,
    #[serde(default)]
    pub(super) discarded: bool,
    pub(super) failure_message: Option<String>,
}

/// What the job was restored from.
#[derive(Debug, Deserialize)]
pub(super) struct Restored {
    /// `false` once the job has claimed a savepoint as its own checkpoint.
    pub(super) is_savepoint: bool,
    pub(super) external_path: Option<String>,
}

/// `GET /jobs/:id/checkpoints/config`.
#[derive(Debug, Deserialize)]
pub(super) struct CheckpointConfig {
    pub(super) mode: String,
    /// Milliseconds; `i64::MAX` when there are none but those that are asked for.
    pub(super) interval: i64,
    pub(super) externalization: Externalization,
    pub(super) state_backend: Option<String>,
}

/// Which checkpoints outlive the job.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Externalization {
    pub(super) enabled: bool,
    pub(super) delete_on_cancellation: bool,
}

/// `GET /jobs/:id/exceptions`.
#[derive(Debug, Deserialize)]
pub(super) struct Exceptions {
    #[serde(rename = "exceptionHistory")]
    pub(super) history: ExceptionHistory,
}

/// The newest first.
#[derive(Debug, Deserialize)]
pub(super) struct ExceptionHistory {
    pub(super) entries: Vec<Exception>,
}

/// A failure of a task or of the whole job.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Exception {
    pub(super) stacktrace: String,
    pub(super) timestamp: i64,
    pub(super) task_name: Option<String>,
}

/// `GET /jobs/:id/metrics?get=…`.
#[derive(Debug, Deserialize)]
pub(super) struct Metric {
    pub(super) id: String,
    pub(super) value: String,
}

/// An accepted request for a savepoint, stop, checkpoint or disposal.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Triggered {
    pub(super) request_id: String,
}

/// How far such a request has come.
#[derive(Debug, Deserialize)]
pub(super) struct Operation {
    pub(super) status: OperationStatus,
    pub(super) operation: Option<Outcome>,
}

/// `IN_PROGRESS` or `COMPLETED`; the latter says nothing of success.
#[derive(Debug, Deserialize)]
pub(super) struct OperationStatus {
    pub(super) id: String,
}

/// What came of it.
#[derive(Debug, Deserialize)]
pub(super) struct Outcome {
    /// Of a savepoint or stop.
    pub(super) location: Option<String>,
    /// Of a checkpoint.
    #[serde(rename = "checkpointId")]
    pub(super) checkpoint_id: Option<u64>,
    /// If it failed.
    #[serde(rename = "failure-cause")]
    pub(super) failure_cause: Option<FailureCause>,
}

/// Why it failed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct FailureCause {
    pub(super) stack_trace: String,
}
