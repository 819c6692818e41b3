//! The versions of the gateway's interface: each that a server offers is spoken, the newest where nothing is said.

use crate::cluster::Cluster;
use crate::proxy::{Break, Proxy};
use crate::shell::Shell;
use crate::suite::cases;
use crate::world::http::Fault;

cases! {
    jobs 6: each_is_spoken,
}

fn each_is_spoken(cluster: &Cluster) {
    let offered = cluster.witness().ask(&cluster.gateway(), "/api_versions");
    let offered = offered.unwrap()["versions"].clone();
    let offered: Vec<&str> = offered.as_array().unwrap().iter().filter_map(|v| v.as_str()).collect();
    assert!(offered.contains(&"V1") && offered.contains(&"V3"), "{offered:?}");
    let all = [
        ("V1", r#"{"versions": ["V1"]}"#),
        ("V2", r#"{"versions": ["V2"]}"#),
        ("V3", r#"{"versions": ["V3"]}"#),
        ("V4", r#"{"versions": ["V4"]}"#),
    ];
    assert!(
        offered
            .iter()
            .all(|version| all.iter().any(|(known, _)| known == version)),
        "{offered:?}"
    );
    let newest = offered.iter().max().unwrap().to_lowercase();
    for (version, alone) in all.into_iter().filter(|(version, _)| offered.contains(version)) {
        speaks(cluster, &version.to_lowercase(), Some(alone));
    }
    speaks(cluster, &newest, None);

    // One that offers what is to come, or nothing.
    for unknown in [r#"{"versions": ["V9"]}"#, r#"{"versions": []}"#] {
        let proxy = Proxy::before(&cluster.gateway());
        proxy.break_next("GET /api_versions", Break::Before(Fault::Status(200, unknown)));
        let shell = Shell::at(&format!("flink://{}", proxy.address()));
        let output = shell.script("SELECT 1;\n").expect(5, "");
        output.expect_stderr("skep speaks V1 to V4");
        assert_eq!(proxy.seen("*").len(), 1);
    }
}

/// That version is spoken and no other, if the gateway says that it has only that.
fn speaks(cluster: &Cluster, version: &str, alone: Option<&'static str>) {
    let proxy = Proxy::before(&cluster.gateway());
    if let Some(versions) = alone {
        proxy.break_all("GET /api_versions", Break::Before(Fault::Status(200, versions)));
    }
    let name = format!(
        "over {version}, {}",
        if alone.is_some() { "alone" } else { "by choice" }
    );
    let shell = Shell::at(&format!("flink://{}", proxy.address()));
    let script = format!(
        "CREATE TEMPORARY TABLE gen (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '5');\n\
         CREATE TEMPORARY TABLE nowhere (id BIGINT) WITH ('connector' = 'blackhole');\n\
         SHOW TABLES;\n\
         SET 'pipeline.name' = '{name}';\n\
         SELECT k, SUM(v) AS total, CAST('12345678901234567890.12' AS DECIMAL(38, 2)) AS amount\n\
           FROM (VALUES ('a', 1), ('b', 2), ('a', 3)) AS t (k, v) GROUP BY k;\n\
         INSERT INTO nowhere SELECT id FROM gen;\n\
         !cancel %%\n"
    );
    let output = shell.skep().with("-o jsonl").stdin(script).run().expect_code(0);
    for row in [
        r#"{"table name":"gen"}"#,
        r#"{"op":"+U","k":"a","total":4,"amount":12345678901234567890.12}"#,
        r#"{"op":"+I","k":"b","total":2,"amount":12345678901234567890.12}"#,
    ] {
        assert!(output.stdout.lines().any(|line| line == row), "{row}\n{output}");
    }
    let mut jobs = cluster.witness().named(&name);
    jobs.retain(|job| job.state == "CANCELED");
    assert_eq!(jobs.len(), 1, "{output}");
    let chosen = shell.ledger().pop().unwrap().job_id().to_string();
    assert_eq!(jobs[0].id, chosen);
    let all = proxy.seen("*");
    let own = format!(" /{version}/");
    let others: Vec<_> = all.iter().filter(|seen| !seen.line.contains(&own)).collect();
    assert!(others.iter().all(|seen| seen.line == "GET /api_versions"), "{others:?}");
    assert!(all.len() > others.len() + 10, "{all:?}");
}
