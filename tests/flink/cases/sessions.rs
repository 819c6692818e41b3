//! A session that the gateway does not have any more.

use crate::cluster::{Cluster, Service};
use crate::proxy::{Break, Proxy};
use crate::shell::Shell;
use crate::suite::cases;
use crate::witness::wait_for;
use crate::world::http::Fault;

cases! {
    jobs 1: one_that_was_dropped_is_opened_again,
    jobs 2: a_query_whose_shell_was_killed_is_ended_by_the_next,
}

/// The handle of the session that was used last.
fn handle(proxy: &Proxy) -> String {
    let posts = proxy.seen("POST /*/statements");
    let line = &posts.last().unwrap().line;
    line.split('/').nth(3).unwrap().to_owned()
}

fn one_that_was_dropped_is_opened_again(cluster: &Cluster) {
    let proxy = Proxy::before(&cluster.gateway());
    let shell = Shell::at(&format!("flink://{}", proxy.address()));
    let mut live = shell.skep().with("--output csv").start();
    live.send(
        "SET 'pipeline.name' = 'in a session opened again';\n\
         CREATE TEMPORARY TABLE gen (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '5');\n\
         CREATE TEMPORARY TABLE nowhere (id BIGINT) WITH ('connector' = 'blackhole');\n\
         SET 'table.local-time-zone' = 'Asia/Tokyo';\n",
    );
    proxy.wait_seen("DELETE /*/close", 4);

    cluster.witness().close_session(&handle(&proxy));
    live.send("SHOW TABLES;\nSET;\n");
    live.wait_err("the gateway had dropped the session: it was opened again and told the 4 statements");
    live.wait_out("Asia/Tokyo");
    let out = live.wait_out("in a session opened again");
    assert!(out.contains("gen") && out.contains("nowhere"), "{out}");

    // Neither is it sent twice that the session was found gone by what had to be asked before.
    cluster.witness().close_session(&handle(&proxy));
    live.send("INSERT INTO nowhere SELECT id FROM gen;\n");
    let job = cluster.witness().wait_named("in a session opened again");
    let output = live.wait().expect_code(0).expect_stderr(&job);
    assert_eq!(output.stderr.matches("it was opened again").count(), 2, "{output}");
    let carried_out = |beginning: &str| {
        let mut posts = proxy.seen("POST /*/statements");
        posts.retain(|post| post.status == Some(200));
        let texts = posts.iter().filter_map(|post| post.body["statement"].as_str());
        texts.filter(|text| text.starts_with(beginning)).count()
    };
    assert_eq!(carried_out("SHOW TABLES"), 1);
    assert_eq!(carried_out("INSERT"), 1);
    assert_eq!(cluster.witness().named("in a session opened again").len(), 1);
    cluster.witness().cancel(&job);
}

fn a_query_whose_shell_was_killed_is_ended_by_the_next(cluster: &Cluster) {
    let shell = Shell::sql(cluster);
    let mut live = shell.skep().with("--output csv").start();
    live.send(
        "CREATE TEMPORARY TABLE gen (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '5', \
         'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '50000');\n\
         CREATE TEMPORARY TABLE nowhere (id BIGINT) WITH ('connector' = 'blackhole');\n\
         SET 'pipeline.name' = 'written by a shell that was killed';\nINSERT INTO nowhere SELECT id FROM gen;\n\
         SET 'pipeline.name' = 'read by a shell that was killed';\nSELECT id FROM gen;\n",
    );
    live.wait_for_out("two rows", |out| out.lines().count() > 2);
    live.kill();
    let witness = cluster.witness();
    let [written, read] =
        ["written", "read"].map(|what| witness.wait_named(&format!("{what} by a shell that was killed")));
    witness.wait_running(&read);

    let next = shell.skep().start();
    let err = next.wait_err("nobody can read its rows any more · cancelled, it is CANCELED");
    assert!(err.contains(&format!("(job {})", &read[..8])), "{err}");
    assert_eq!(witness.state(&read), "CANCELED");
    witness.wait_running(&written);
    drop(next.wait().expect_code(0));
    witness.cancel(&written);
}

/// Its statement ends with the truth about its job.
pub(super) fn a_gateway_that_is_killed_within_a_result(cluster: &Cluster) {
    let shell = Shell::sql(cluster);
    let mut prompt = shell.skep().pty();
    prompt.wait_text("SQL Gateway");
    prompt.line("SET 'pipeline.name' = 'read in part';");
    prompt.wait_text("ok");
    prompt.line(
        "CREATE TEMPORARY TABLE gen (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '5', \
         'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '50000');",
    );
    prompt.wait_for("the table", |screen| screen.text.matches("ok").count() == 2);
    prompt.line("SELECT 'id ' || CAST(id AS STRING) AS told FROM gen;");
    prompt.wait_text("id 3");
    let job = cluster.witness().wait_named("read in part");

    cluster.kill(Service::Gateway);
    cluster.start_again(Service::Gateway);
    let state = cluster.witness().state(&job);
    let screen = prompt.wait_for("the truth", |screen| {
        screen.text.replace('\n', "").contains(&format!("job {job} is {state}"))
    });
    // One that takes longer to start than it is waited for has not answered yet.
    assert!(
        screen.has("was it restarted?") || screen.has("can't be reached"),
        "{screen}"
    );

    prompt.line("SHOW TABLES;");
    prompt.wait_text("it was opened again and told the 2 statements");
    prompt.wait_for("the table", |screen| screen.text.contains("│ gen"));
    prompt.line(&format!("!cancel {}", &job[..12]));
    prompt.wait_text("is CANCELED");
    assert_eq!(cluster.witness().state(&job), "CANCELED");
    assert_eq!(cluster.witness().named("read in part").len(), 1);
    prompt.line("!quit");
    assert_eq!(prompt.wait().code, 0);
}

/// The gateway closes a session that it has heard nothing of; the heart of a shell that waits at its prompt beats.
pub(super) fn one_that_was_idle_for_too_long(cluster: &Cluster) {
    let prelude = "SET 'table.local-time-zone' = 'Asia/Tokyo';\n\
                   CREATE TEMPORARY TABLE kept (id BIGINT) WITH ('connector' = 'blackhole');\n";
    let begin = || {
        let proxy = Proxy::before(&cluster.gateway());
        let shell = Shell::at(&format!("flink://{}", proxy.address()));
        let mut live = shell.skep().with("--output csv").start();
        live.send(prelude);
        proxy.wait_seen("DELETE /*/close", 2);
        (proxy, shell, live)
    };
    let (silent, _home, mut forgotten) = begin();
    silent.break_all("POST /*/heartbeat", Break::Before(Fault::Status(503, "")));
    let (heard, _other_home, mut waiting) = begin();
    // To ask the gateway for the session would be to use it: its log tells.
    let closed = format!("{} is closed", handle(&silent));
    wait_for(&closed, || {
        let log = std::fs::read_to_string(cluster.path("log/gateway.log")).unwrap();
        if log.contains(&closed) { Ok(()) } else { Err(()) }
    });
    assert!(!silent.seen("POST /*/heartbeat").is_empty() && !heard.seen("POST /*/heartbeat").is_empty());
    for live in [&mut forgotten, &mut waiting] {
        live.send("SHOW TABLES;\nSET;\n");
    }
    let output = forgotten.wait().expect_code(0);
    assert!(
        output.stdout.contains("kept") && output.stdout.contains("Asia/Tokyo"),
        "{output}"
    );
    let output = output.expect_stderr("it was opened again and told the 2 statements");
    assert_eq!(output.stderr.matches("it was opened again").count(), 1, "{output}");
    let output = waiting.wait().expect_code(0);
    assert!(
        output.stdout.contains("kept") && output.stdout.contains("Asia/Tokyo"),
        "{output}"
    );
    assert!(!output.stderr.contains("it was opened again"), "{output}");
}
