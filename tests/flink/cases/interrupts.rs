//! Ctrl-C and Ctrl-Z, in a terminal.

use rustix::process::Signal;

use crate::cluster::{Cluster, Service};
use crate::proxy::Proxy;
use crate::shell::Shell;
use crate::suite::cases;
use crate::witness::wait_for;
use crate::world::Pty;

cases! {
    jobs 1: ctrl_c_ends_a_query_before_it_says_so,
    jobs 1: ctrl_z_keeps_every_row,
    jobs 1: one_that_its_limit_does_not_end_says_so,
}

/// Ids from 1 on, up to an end.
fn source(end: u32) -> String {
    format!(
        "CREATE TEMPORARY TABLE gen (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '40', \
         'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '{end}');"
    )
}

/// A prompt at which jobs have that name and `gen` is there.
fn prompt(shell: &Shell, name: &str, end: u32) -> Pty {
    let mut prompt = shell.skep().with("--output csv").pty();
    prompt.wait_text("SQL Gateway");
    prompt.line(&format!("SET 'pipeline.name' = '{name}';"));
    prompt.wait_for("the name", |screen| screen.text.matches("ok · ").count() == 1);
    prompt.line(&source(end));
    prompt.wait_for("the table", |screen| screen.text.matches("ok · ").count() == 2);
    prompt
}

fn ctrl_c_ends_a_query_before_it_says_so(cluster: &Cluster) {
    let shell = Shell::sql(cluster);
    let mut prompt = prompt(&shell, "ended by Ctrl-C", 50_000);
    prompt.line("SELECT 'id ' || CAST(id AS STRING) FROM gen;");
    prompt.wait_text("id 3");
    let job = cluster.witness().wait_named("ended by Ctrl-C");
    prompt.send("\x03");
    prompt.wait_text(&format!("cancelled: job {}", &job[..8]));
    assert_eq!(cluster.witness().state(&job), "CANCELED");
    prompt.wait_text("is CANCELED");
    prompt.line("!jobs");
    prompt.wait_text("no jobs in this session");
    prompt.line("!quit");
    prompt.wait();
}

fn ctrl_z_keeps_every_row(cluster: &Cluster) {
    // It is still read when the key is pressed, though the rows may be seen late.
    const END: u32 = 1000;
    let shell = Shell::sql(cluster);
    let mut prompt = prompt(&shell, "left by Ctrl-Z", END);
    prompt.line("SELECT 'id ' || CAST(id AS STRING) FROM gen;");
    // More than a screen of them may come at a time.
    prompt.wait_for("row 30", |screen| ids(&screen.raw).last() >= Some(&30));
    prompt.send("\x1a");
    prompt.wait_text("detached");
    let job = cluster.witness().wait_named("left by Ctrl-Z");
    // The rows go on into the spool, while something else is done here.
    prompt.line("SHOW TABLES;");
    prompt.wait_text("gen");
    cluster.witness().wait_state(&job, "FINISHED");
    prompt.line("!fg %1");
    let screen = prompt.wait_for("the last row", |screen| ids(&screen.raw).last() == Some(&END));
    let ids = ids(&screen.raw);
    assert_eq!(ids, (1..=END).collect::<Vec<_>>());
    prompt.line("!quit");
    prompt.wait();
}

fn one_that_its_limit_does_not_end_says_so(cluster: &Cluster) {
    let shell = Shell::sql(cluster);
    let mut prompt = prompt(&shell, "limited", 50_000);
    // The generator can be told of a limit, and ends there, if nothing stands between.
    prompt.line("SELECT 'id ' || CAST(id AS STRING) FROM gen WHERE id > 0 LIMIT 3;");
    let job = cluster.witness().wait_named("limited");
    prompt.wait_text(&format!("LIMIT 3 is reached, and job {} runs on", &job[..8]));
    prompt.send("\x03");
    prompt.wait_text(&format!("cancelled: job {}", &job[..8]));
    let screen = prompt.wait_text("is CANCELED");
    assert_eq!(ids(&screen.raw), [1, 2, 3]);
    prompt.line("!quit");
    prompt.wait();
}

/// The ids that were shown, in order.
fn ids(raw: &str) -> Vec<u32> {
    // The terminal shows the key wherever it finds itself.
    let shown = raw.replace("^Z", "");
    // What was typed holds the word as well, before a quote.
    let shown = shown.split("id ").skip(1).filter_map(|rest| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    });
    shown.collect()
}

/// The JobManager does not answer, and so the gateway does not; the statement is on its way there.
pub(super) fn ctrl_c_while_a_statement_is_on_its_way(cluster: &Cluster) {
    let proxy = Proxy::before(&cluster.gateway());
    let shell = Shell::at(&format!("flink://{}", proxy.address()));
    for (run, statement) in ["INSERT INTO nowhere SELECT id FROM gen;", "SELECT id FROM gen;"]
        .iter()
        .enumerate()
    {
        let name = format!("taken back, {run}");
        let mut prompt = prompt(&shell, &name, 50_000);
        prompt.line("CREATE TEMPORARY TABLE nowhere (id BIGINT) WITH ('connector' = 'blackhole');");
        prompt.wait_for("the sink", |screen| screen.text.matches("ok · ").count() == 3);
        cluster.signal(Service::JobManager, Signal::STOP);
        prompt.line(statement);
        // What is asked before it is submitted, such as the definitions of its tables, is taken back in another way.
        let sent = || {
            let mut posts = proxy.seen("POST /*/statements");
            posts.retain(|post| post.body["statement"] == statement.trim_end_matches(';'));
            posts
        };
        wait_for("the statement", || if sent().len() == 1 { Ok(()) } else { Err(sent()) });
        let pages = proxy.seen("GET /*/result/0*").len();
        proxy.wait_seen("GET /*/result/0*", pages + 5);
        prompt.send("\x03");
        prompt.wait_text("will be cancelled as soon as the engine answers");
        proxy.wait_seen("POST /*/cancel", run + 1);
        cluster.signal(Service::JobManager, Signal::CONT);
        let screen = prompt.wait_for("its end", |screen| screen.line.ends_with("> ") && screen.editing);
        assert!(screen.text.contains("cancelled"), "{screen}");
        // Its job may come all the same, and does not stay.
        wait_for("no job that runs", || {
            let jobs = cluster.witness().named(&name);
            let ended = jobs.iter().all(|job| job.state == "CANCELED");
            ended.then_some(()).ok_or(jobs)
        });
        assert_eq!(sent().len(), 1);
        prompt.line("!quit");
        prompt.wait();
    }
}
