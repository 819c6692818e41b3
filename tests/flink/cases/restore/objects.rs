//! What outlives a session: compared when a job is restored, told of if it is not as it was, and never touched.

use super::{COUNT, Run, Tables, restored_from};
use crate::cluster::Cluster;
use crate::proxy::Proxy;
use crate::shell::Shell;
use crate::suite::cases;
use crate::witness::{Session, wait_for};
use crate::world::Live;

cases! {
    jobs 2: a_table_that_somebody_else_has_changed_is_told_of_and_not_touched,
}

/// A shell by way of a proxy, and somebody else who works in its session: what that one makes is not the shell's own.
fn shared(cluster: &Cluster, proxy: &Proxy, shell: &Shell) -> (Live, Session) {
    let before = proxy.seen("GET /*/sessions/*").len();
    let mut live = shell.skep().start();
    live.send("!set\n");
    live.wait_out("restore");
    proxy.wait_seen("GET /*/sessions/*", before + 1);
    let opened = proxy.seen("GET /*/sessions/*").swap_remove(before);
    let handle = opened.line.split('/').nth(3).unwrap().to_owned();
    (live, cluster.witness().join(&handle))
}

fn a_table_that_somebody_else_has_changed_is_told_of_and_not_touched(cluster: &Cluster) {
    let name = "kept-table";
    let proxy = Proxy::before(&cluster.gateway());
    let run = Run {
        shell: Shell::at(&format!("flink://{}", proxy.address())),
        tables: Tables { cluster, name },
        insert: COUNT.to_owned(),
    };
    let [gen_table, counted, _] = run.tables.statements(20, 50_000);
    let (mut live, other) = shared(cluster, &proxy, &run.shell);
    other.run(&gen_table);
    other.run(&counted);
    live.send(format!("SET 'pipeline.name' = '{name}';\n{COUNT};\n"));
    run.wait_saved();
    let _ = live.wait().expect_code(0);
    let output = run.shell.one_shot(&format!("stop {name}")).expect_code(0);
    let path = output.stdout.trim_end().to_owned();

    // In the next session there are others of these names.
    let (mut live, other) = shared(cluster, &proxy, &run.shell);
    let faster = gen_table
        .replace("(id BIGINT)", "(id BIGINT, extra INT)")
        .replace("'20'", "'21'");
    other.run(&faster);
    other.run(&counted);
    let shown = other.show_create("gen");
    live.send(format!("!restore {name}\n"));
    let job = wait_for("the job to run again", || {
        let jobs = cluster.witness().named(name);
        let running = jobs.iter().find(|job| job.state == "RUNNING");
        running.map(|job| job.id.clone()).ok_or(jobs)
    });
    assert_eq!(restored_from(cluster, &job), path);
    assert_eq!(other.show_create("gen"), shown);
    cluster.witness().cancel(&job);
    let output = live.wait().expect_code(0);
    for line in [
        "gen is not defined as it was when the state was made; it is left as it is",
        "'rows-per-second' = '20'",
        "'rows-per-second' = '21'",
        "extra",
    ] {
        assert!(output.stderr.contains(line), "{line}: {output}");
    }
    assert!(!output.stderr.contains("counted is not defined"), "{output}");
    let sent = proxy.seen("POST /*/statements").into_iter();
    let sent = sent.map(|post| post.body["statement"].as_str().unwrap_or_default().to_owned());
    let touches = |text: &String| ["CREATE", "ALTER", "DROP"].iter().any(|word| text.starts_with(word));
    assert_eq!(sent.filter(touches).collect::<Vec<_>>(), [""; 0]);
}
