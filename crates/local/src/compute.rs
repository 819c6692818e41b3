//! Threads of the engine's own: whatever computes runs here, and the caller's threads stay free for the prompt.

use std::future::Future;
use std::sync::OnceLock;

use skep_engine::{EngineError, Result};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

/// Planning walks deep trees by recursion.
pub(crate) const STACK: usize = 64 << 20;

/// The engine's threads, started when the first statement needs them.
///
/// # Errors
/// The operating system gives no thread.
pub(crate) fn handle() -> Result<Handle> {
    static RUNTIME: OnceLock<Option<Runtime>> = OnceLock::new();
    let start = || {
        Builder::new_multi_thread()
            .worker_threads(2)
            .thread_stack_size(STACK)
            .thread_name("skep-local")
            .enable_all()
            .build()
            .ok()
    };
    match RUNTIME.get_or_init(start) {
        Some(runtime) => Ok(runtime.handle().clone()),
        None => Err(EngineError::failed("the embedded engine could not start its threads")),
    }
}

/// Runs the work on the engine's threads. It goes on if the caller stops waiting. A panic becomes an error.
pub(crate) async fn run<T, F>(work: F) -> Result<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    finished(handle()?.spawn(work).await)
}

/// The outcome of a task.
pub(crate) fn finished<T>(outcome: Result<Result<T>, tokio::task::JoinError>) -> Result<T> {
    outcome.unwrap_or_else(|error| Err(broken(error)))
}

/// Waits for a task that only ends by itself or is aborted.
pub(crate) async fn ended(task: JoinHandle<()>) -> Result<()> {
    match task.await {
        Err(error) if error.is_panic() => Err(broken(error)),
        _ => Ok(()),
    }
}

fn broken(error: tokio::task::JoinError) -> EngineError {
    if !error.is_panic() {
        return EngineError::new(skep_engine::ErrorKind::Cancelled, "the statement was cancelled");
    }
    let payload = error.into_panic();
    let text = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    EngineError::failed("an internal error of the embedded engine: this statement is too much for it")
        .trace(format!("panic: {text}"))
}
