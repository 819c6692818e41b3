//! A query's rows come before a checkpoint has secured them, for that query alone.

use serde_json::Value;

use crate::cluster::Cluster;
use crate::proxy::Proxy;
use crate::shell::Shell;
use crate::suite::cases;
use crate::witness::wait_for;

cases! {
    jobs 4: of_a_query_in_the_foreground,
}

/// With this interval a row that waits for a checkpoint comes too late for any test.
const INTERVAL: &str = "SET 'execution.checkpointing.interval' = '1 h';";

fn of_a_query_in_the_foreground(cluster: &Cluster) {
    let proxy = Proxy::before(&cluster.gateway());
    let shell = Shell::at(&format!("flink://{}", proxy.address()));
    let mut prompt = shell.skep().with("--output csv").pty();
    prompt.wait_text("SQL Gateway");
    for (told, statement) in [
        INTERVAL,
        "CREATE TEMPORARY TABLE gen (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '5', \
         'fields.id.kind' = 'sequence', 'fields.id.start' = '70001', 'fields.id.end' = '79999');",
        "CREATE TEMPORARY TABLE nowhere (id BIGINT) WITH ('connector' = 'blackhole');",
    ]
    .iter()
    .enumerate()
    {
        prompt.line(statement);
        proxy.wait_seen("DELETE /*/close", told + 1);
    }
    for run in 1..=2 {
        prompt.line("SELECT id FROM gen;");
        prompt.wait_for("a row", |screen| screen.raw.matches("+I,70001").count() == run);
        prompt.send("\x03");
        prompt.wait_for("its end", |screen| screen.raw.matches("is CANCELED").count() == run);
    }
    // Nothing stays behind in the session.
    prompt.line("SET;");
    let screen = prompt.wait_for("the settings, all of them", |screen| {
        screen.raw.contains("checkpointing.interval,") && screen.editing && screen.line.ends_with("> ")
    });
    assert!(!screen.raw.contains("pipeline.job-id"), "{screen}");
    assert!(!screen.raw.contains("checkpointing.mode,"), "{screen}");
    assert_eq!(screen.raw.matches("AT_LEAST_ONCE").count(), 1, "{screen}");

    prompt.line("INSERT INTO nowhere SELECT id FROM gen;");
    let insert = sent(&proxy, "INSERT", 1);
    prompt.wait_text(insert["$internal.pipeline.job-id"].as_str().unwrap());
    prompt.line("SET 'skep.select.at-least-once' = 'false';");
    proxy.wait_seen("DELETE /*/close", 8);
    prompt.line("SELECT id + 1 FROM gen;");
    let kept_back = sent(&proxy, "SELECT id + 1", 1);
    let query = sent(&proxy, "SELECT id FROM", 2);
    let mode = "execution.checkpointing.mode";
    assert_eq!(query[mode], "AT_LEAST_ONCE");
    assert_eq!((&insert[mode], &kept_back[mode]), (&Value::Null, &Value::Null));
    let job = |settings: &Value| settings["$internal.pipeline.job-id"].as_str().unwrap().to_owned();
    cluster.witness().cancel(&job(&insert));
    // What is taken back on its way may never become a job.
    let kept_back = job(&kept_back);
    wait_for("the job", || {
        let jobs = cluster.witness().jobs()?;
        let is_there = jobs.iter().any(|job| job.id == kept_back);
        is_there.then_some(()).ok_or_else(|| format!("{jobs:?}"))
    });
    prompt.send("\x03");
    prompt.wait_for("its end", |screen| screen.editing && screen.line.ends_with("> "));
    prompt.line("!quit");
    prompt.wait();
}

/// What was set for the `n`th statement that begins so.
#[track_caller]
fn sent(proxy: &Proxy, beginning: &str, n: usize) -> Value {
    wait_for(beginning, || {
        let mut posts = proxy.seen("POST /*/statements");
        posts.retain(|post| {
            post.body["statement"]
                .as_str()
                .is_some_and(|text| text.starts_with(beginning))
        });
        let found = posts.get(n - 1).map(|post| post.body["executionConfig"].clone());
        found.ok_or(posts.len())
    })
}
