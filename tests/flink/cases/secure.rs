//! A cluster all of which is reached over TLS, by who shows a certificate.

use super::has_metadata;
use crate::cluster::Cluster;
use crate::shell::Shell;

/// What is wrong is said, with what would help.
pub(super) fn only_who_is_known_comes_in(cluster: &Cluster) {
    let tls = cluster.tls().unwrap();
    for (scheme, server) in [("flink", cluster.gateway()), ("flink-rest", cluster.rest())] {
        let at = |scheme: &str| Shell::at(&format!("{scheme}://{server}"));
        let secured = || at(&format!("{scheme}+https"));
        let [certificate, key] = &tls.stranger;
        for (shell, message, hint) in [
            (secured(), "signed by an authority that is not known", "--ca"),
            (secured().flag("--ca", &tls.ca), "wants a client certificate", "--cert"),
            (
                secured()
                    .flag("--ca", &tls.ca)
                    .flag("--cert", certificate)
                    .flag("--key", key),
                "does not accept the client certificate",
                "--cert",
            ),
            (at(scheme), &*server, "+https://"),
        ] {
            let output = shell.one_shot("jobs --all").expect(5, "");
            output.expect_stderr(message).expect_stderr(hint);
        }
    }
}

/// Gateway and JobManager, whose address is found in the session, get the certificate, for it is one host.
pub(super) fn all_is_done_over_tls(cluster: &Cluster) {
    let (shell, witness) = (Shell::sql(cluster), cluster.witness());
    let name = "over TLS";
    let output = shell
        .script(&format!(
            "SET 'pipeline.name' = '{name}';\n\
             CREATE TEMPORARY TABLE gen (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '5');\n\
             CREATE TEMPORARY TABLE nowhere (id BIGINT) WITH ('connector' = 'blackhole');\n\
             SELECT 'row ' || k FROM (VALUES ('a')) AS t (k);\n\
             INSERT INTO nowhere SELECT id FROM gen;\n\
             !savepoint %%\n"
        ))
        .expect_code(0);
    assert!(output.stdout.contains("row a"), "{output}");
    let saved = output.stdout.lines().last().unwrap();
    assert!(has_metadata(saved), "{output}");
    let job = shell.ledger().pop().unwrap().job_id().to_string();
    assert_eq!(witness.state(&job), "RUNNING");
    let stopped = Shell::rest(cluster).one_shot(&format!("stop {job}")).expect_code(0);
    assert!(has_metadata(stopped.stdout.trim_end()), "{stopped}");
    assert_eq!(witness.state(&job), "FINISHED");
}
