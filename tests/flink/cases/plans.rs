//! Compiled plans: what runs one is a job like any other.

use skep::ledger::Outcome;

use super::uri;
use crate::cluster::Cluster;
use crate::proxy::Proxy;
use crate::shell::Shell;
use crate::suite::cases;

cases! {
    jobs 2: executed_ones_are_jobs,
}

fn executed_ones_are_jobs(cluster: &Cluster) {
    let proxy = Proxy::before(&cluster.gateway());
    let shell = Shell::at(&format!("flink://{}", proxy.address()));
    let name = "by a compiled plan";
    let [compiled, at_once] = ["compiled.json", "at-once.json"].map(|file| uri(&cluster.path(file)));
    let insert = "INSERT INTO nowhere SELECT id FROM gen";
    let script = format!(
        "SET 'pipeline.name' = '{name}';\n\
         CREATE TEMPORARY TABLE gen (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '5');\n\
         CREATE TEMPORARY TABLE nowhere (id BIGINT) WITH ('connector' = 'blackhole');\n\
         COMPILE PLAN '{compiled}' FOR {insert};\n\
         EXECUTE PLAN '{compiled}';\n\
         COMPILE AND EXECUTE PLAN '{at_once}' FOR {insert};\n\
         !jobs\n\
         !cancel --all\n"
    );
    let output = shell.script(&script).expect_code(0);
    assert!(cluster.path("compiled.json").is_file() && cluster.path("at-once.json").is_file());

    let posts = proxy.seen("POST /*/statements");
    let of = |beginning: &str| {
        let mut found = posts.iter().filter(|post| {
            let text = post.body["statement"].as_str().unwrap_or_default();
            text.starts_with(beginning)
        });
        let post = found.next().unwrap_or_else(|| panic!("{beginning}: {posts:?}"));
        assert!(found.next().is_none(), "{beginning} was sent twice");
        post.body["executionConfig"].clone()
    };
    assert!(of("COMPILE PLAN").get("$internal.pipeline.job-id").is_none());
    let mut chosen = Vec::new();
    for beginning in ["EXECUTE PLAN", "COMPILE AND EXECUTE PLAN"] {
        let settings = of(beginning);
        assert_eq!(settings["table.dml-sync"], "false");
        chosen.push(settings["$internal.pipeline.job-id"].as_str().unwrap().to_owned());
    }
    let mut started: Vec<String> = cluster.witness().named(name).into_iter().map(|job| job.id).collect();
    let ledger = shell.ledger();
    assert!(
        ledger.iter().all(|intent| intent.outcome == Outcome::Accepted),
        "{ledger:?}"
    );
    let mut intents: Vec<String> = ledger.iter().map(|intent| intent.job_id().to_string()).collect();
    for ids in [&mut chosen, &mut started, &mut intents] {
        ids.sort();
    }
    assert_eq!((&chosen, &chosen), (&started, &intents), "{output}");
    for job in &chosen {
        assert!(output.stdout.contains(&job[..8]), "{output}");
        assert_eq!(cluster.witness().state(job), "CANCELED", "{output}");
    }
}
