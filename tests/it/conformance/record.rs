//! Records what Flink answers.

use std::sync::Arc;

use serde_json::json;
use tokio::sync::Semaphore;

use super::gateway::Gateway;
use super::script::{Expected, Mode, Outcome, Script, filled};

/// Scripts that are recorded at once.
const AT_ONCE: usize = 6;

/// Rewrites the recordings with what a real Flink answers. It has to be on this machine, because the scripts read and
/// write files:
///
/// ```sh
/// SKEP_FLINK_GATEWAY=http://127.0.0.1:8083 cargo test --test it conformance::record -- --ignored
/// ```
#[test]
#[ignore = "needs a SQL Gateway: SKEP_FLINK_GATEWAY names it"]
fn record() {
    let gateway = std::env::var("SKEP_FLINK_GATEWAY").expect("SKEP_FLINK_GATEWAY is the gateway's http:// address");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let permits = Arc::new(Semaphore::new(AT_ONCE));
        let tasks: Vec<_> = super::scripts()
            .into_iter()
            .map(|script| {
                let (permits, gateway) = (Arc::clone(&permits), gateway.clone());
                tokio::spawn(async move {
                    let _permit = permits.acquire().await.unwrap();
                    record_script(script, &gateway).await;
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

async fn record_script(mut script: Script, gateway: &str) {
    let mut by_mode: Vec<Option<Vec<Outcome>>> = Vec::new();
    for mode in [Mode::Batch, Mode::Streaming] {
        by_mode.push(if script.modes.contains(&mode) {
            Some(run(&script, mode, gateway).await)
        } else {
            None
        });
    }
    let mut outcomes = by_mode.into_iter().map(|all| all.map(Vec::into_iter));
    let (mut batch, mut streaming) = (outcomes.next().unwrap(), outcomes.next().unwrap());
    for statement in script.statements_mut() {
        let next = |of: &mut Option<std::vec::IntoIter<Outcome>>| of.as_mut().map(|all| all.next().unwrap());
        statement.flink = Expected::from_outcomes(next(&mut batch), next(&mut streaming));
    }
    script.write();
}

async fn run(script: &Script, mode: Mode, gateway: &str) -> Vec<Outcome> {
    let dir = tempfile::tempdir().unwrap();
    let properties = json!({
        "execution.runtime-mode": mode.name(),
        "table.local-time-zone": "UTC",
        // An INSERT has ended when its answer is there.
        "table.dml-sync": "true",
        // A job that fails says so instead of starting again.
        "restart-strategy.type": "none",
        // Rows come when they are there, and not with the next checkpoint.
        "execution.checkpointing.mode": "AT_LEAST_ONCE",
    });
    let session = Gateway::open(gateway, properties).await;
    let mut outcomes = Vec::new();
    for statement in script.statements() {
        let mut outcome = session.run(&filled(&statement.text, dir.path())).await;
        if let Outcome::Rows { rows, .. } = &mut outcome
            && !(statement.is_sorted() && mode == Mode::Batch)
        {
            rows.sort();
        }
        if let Outcome::Failed(message) = &mut outcome {
            *message = message.replace(&dir.path().display().to_string(), "${dir}");
        }
        outcomes.push(outcome);
    }
    session.close().await;
    outcomes
}
