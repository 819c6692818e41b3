//! The cases: each drives the executable from outside.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::value::RawValue;

use crate::LIMIT;
use crate::cluster::free_ports;
use crate::keeper::Keeper;
use crate::peer;
use crate::server::{Mode, Server};
use crate::world::{Program, World};

/// What is tried on a server.
#[derive(Clone, Copy)]
pub enum Case {
    /// Beside others.
    Shared(fn(&Server)),
    /// While nothing else is tried on it.
    Alone(fn(&Server)),
}

/// The cases of a server of that sort. What the way to it can't touch is tried on one.
pub fn of(mode: Mode) -> Vec<(&'static str, Case)> {
    use Case::{Alone, Shared};
    let mut cases = vec![
        ("one_row", Shared(one_row)),
        ("errors", Shared(errors)),
        ("cancel", Shared(cancel)),
    ];
    cases.extend(match mode {
        Mode::Sasl => vec![
            ("a_million_rows", Shared(a_million_rows)),
            ("types", Shared(types)),
            ("nothing", Shared(nothing)),
            ("two_sessions", Shared(two_sessions)),
            ("url", Shared(url)),
            ("variables", Shared(variables)),
            ("catalog", Shared(catalog)),
            ("background", Shared(background)),
            ("jobs", Shared(jobs)),
            ("timeout", Shared(timeout)),
            ("found_in_zookeeper", Shared(found_in_zookeeper)),
            ("peer_agrees", Shared(peer_agrees)),
            ("beeline_agrees", Shared(beeline_agrees)),
        ],
        Mode::NoSasl => vec![
            ("many_rows", Shared(many_rows)),
            ("trust", Shared(trust)),
            ("restarted", Alone(restarted)),
        ],
        Mode::Http => vec![("many_rows", Shared(many_rows)), ("restarted", Alone(restarted))],
    });
    if mode != Mode::NoSasl {
        cases.push(("another_door", Shared(another_door)));
    }
    cases
}

/// skep, in a home of its own.
pub struct Shell(World);

impl Shell {
    pub fn new() -> Self {
        Self(World::with_limit(LIMIT))
    }

    pub fn at(&self, url: &str) -> Program {
        self.0.skep().with("-u").arg(url)
    }

    /// Rows as JSON, a line each.
    fn json(&self, server: &Server) -> Program {
        self.at(&server.url()).with("-o jsonl")
    }

    pub fn csv(&self, server: &Server) -> Program {
        self.at(&server.url()).with("-o csv")
    }
}

fn one_row(server: &Server) {
    let shell = Shell::new();
    let output = shell
        .csv(server)
        .stdin("SELECT 1 AS one, 'a\\'b' AS s, \"t\" AS t;\n")
        .run();
    output.expect(0, "one,s,t\n1,a'b,t\n");
}

fn types(server: &Server) {
    let shell = Shell::new();
    let sql = "SELECT CAST(-128 AS TINYINT) ti, CAST(2 AS SMALLINT) si, 3 i, 9223372036854775807L bi, CAST(1.1 AS FLOAT) f, \
               2.5D d, CAST(12345.6789 AS DECIMAL(20,4)) de, TRUE b, 'tèxt 🐝' s, CAST('vc' AS VARCHAR(5)) v, \
               DATE '2024-02-29' dt, TIMESTAMP '2024-02-29 12:34:56.123456' ts, X'0AFF' bin, ARRAY(1,2,NULL) a, \
               MAP('k',1) m, STRUCT(1,'x') r, INTERVAL '1' DAY iv, NULL n;\n";
    let output = shell.csv(server).stdin(sql).run();
    output.expect(
        0,
        "ti,si,i,bi,f,d,de,b,s,v,dt,ts,bin,a,m,r,iv,n\n\
         -128,2,3,9223372036854775807,1.1,2.5,12345.6789,true,tèxt 🐝,vc,2024-02-29,2024-02-29 12:34:56.123456,0aff,\
         \"[1,2,null]\",\"{\"\"k\"\":1}\",\"{\"\"col1\"\":1,\"\"col2\"\":\"\"x\"\"}\",1 00:00:00.000000000,\n",
    );
}

fn nothing(server: &Server) {
    let shell = Shell::new();
    let script = "SELECT id FROM range(0);\nCREATE TEMPORARY VIEW v AS SELECT 1 a;\nSELECT a FROM v;\n\
                  SELECT CAST(NULL AS INT) i, CAST(NULL AS STRING) s FROM range(2);\n";
    let output = shell.csv(server).stdin(script).run();
    output.expect(0, "id\na\n1\ni,s\n,\n,\n");
}

fn errors(server: &Server) {
    let shell = Shell::new();
    let output = shell.csv(server).stdin("SELEC 1;\n").run().expect_code(1);
    output.expect_stderr("SQLSTATE 42601");
    let output = shell.csv(server).stdin("SELECT x FROM nosuch;\n").run().expect_code(1);
    output.expect_stderr("SQLSTATE 42P01");
    let output = shell
        .csv(server)
        .stdin("SELECT raise_error('boom');\n")
        .run()
        .expect_code(1);
    output.expect_stderr("boom");
}

fn a_million_rows(server: &Server) {
    read_rows(server, 1_000_000);
}

/// More than one page of them.
fn many_rows(server: &Server) {
    read_rows(server, 100_000);
}

fn read_rows(server: &Server, count: usize) {
    let shell = Shell::new();
    let sql = format!(
        "SELECT id, CAST(id AS STRING) s, id * 0.5D d, CAST(id AS DECIMAL(18,2)) de, IF(id % 7 = 0, NULL, -id) n FROM \
         range({count}) ORDER BY id;\n"
    );
    let output = shell.csv(server).stdin(sql).run();
    let mut expected = String::from("id,s,d,de,n\n");
    for id in 0..count {
        let n = if id % 7 == 0 { String::new() } else { format!("-{id}") };
        let double = if id % 2 == 0 {
            format!("{}.0", id / 2)
        } else {
            format!("{}.5", id / 2)
        };
        writeln!(expected, "{id},{id},{double},{id}.00,{n}").unwrap();
    }
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert_eq!(output.stdout.lines().count(), count + 1);
    for (line, wanted) in output.stdout.lines().zip(expected.lines()) {
        assert_eq!(line, wanted);
    }
}

fn cancel(server: &Server) {
    let shell = Shell::new();
    let mut terminal = shell.at(&server.url()).pty();
    terminal.wait_text("> ");
    terminal.line("SELECT count(*) FROM range(100000000000) WHERE rand() < 0.5;");
    // It runs: before, the key would be one that is typed ahead.
    terminal.wait_text("no row yet");
    terminal.send("\x03");
    terminal.wait_text("cancelled");
    terminal.line("SELECT 40 + 2 AS answer;");
    terminal.wait_text("42");
    terminal.line("!quit");
    terminal.wait();
}

fn two_sessions(server: &Server) {
    let shell = Shell::new();
    let output = shell
        .csv(server)
        .stdin(format!(
            "SET skep.test = 1;\nCREATE TEMPORARY VIEW mine AS SELECT 1 a;\n!connect {}\nSELECT a FROM mine;\n",
            server.url()
        ))
        .run()
        .expect_code(1);
    output.expect_stderr("42P01");
}

fn url(server: &Server) {
    let shell = Shell::new();
    let url = format!("{}?skep.test.setting=as it was said#who=bee", server.url());
    let output = shell
        .at(&url)
        .with("-o csv")
        .stdin("SELECT '${skep.test.setting}' AS s, '${who}' AS v;\n")
        .run();
    output.expect(0, "s,v\nas it was said,bee\n");
}

/// Whoever speaks otherwise is told how that server is spoken to.
fn another_door(server: &Server) {
    let (shell, place) = (Shell::new(), format!("127.0.0.1:{}", server.port()));
    let right = server.url();
    let wrong = match right.contains("transportMode=http") {
        true => [format!("hive2://{place}/"), format!("hive2://{place}/;auth=noSasl")],
        false => [
            format!("hive2://{place}/;transportMode=http"),
            format!("kyuubi+http://{place}/"),
        ],
    };
    let right = if right.contains("transportMode=http") {
        ";transportMode=http"
    } else {
        ""
    };
    for wrong in wrong {
        let output = shell.at(&wrong).stdin("SELECT 1;\n").run().expect_code(5);
        let output = output.expect_stderr("is spoken there, and not ");
        let hint = output
            .stderr
            .lines()
            .find(|line| line.contains("try "))
            .unwrap_or_default();
        assert!(hint.contains(&format!("://{place}/{right}")), "{output}");
    }
}

/// They are told to the server, which puts them into statements itself: so a SET of the session's counts.
fn variables(server: &Server) {
    let shell = Shell::new();
    let output = shell
        .csv(server)
        .with("--hivevar who=bee --hivevar n=40 --hiveconf skep.test.setting=told")
        .stdin(
            "SELECT '${who}' AS v, ${hivevar:n} + 2 AS n, '${hiveconf:skep.test.setting}' AS s;\n\
             SET hivevar:who=wasp;\nSELECT '${hivevar:who}' AS v;\n",
        )
        .run()
        .expect_code(0);
    assert!(output.stdout.starts_with("v,n,s\nbee,42,told\n"), "{output}");
    assert!(output.stdout.ends_with("v\nwasp\n"), "{output}");
}

fn catalog(server: &Server) {
    let shell = Shell::new();
    let script = "CREATE TEMPORARY VIEW some_view AS SELECT 1 a, 'x' b;\n!tables some%\n!describe some_view\n\
                  CREATE DATABASE a_b;\nCREATE DATABASE aXb;\nUSE a_b;\nCREATE TABLE t_1 (i INT, s STRING) USING parquet;\n\
                  CREATE TABLE aXb.t_1 (wrong INT) USING parquet;\n!tables t%\n!describe t_1\n!describe aXb.t_1\n\
                  DROP DATABASE a_b CASCADE;\nDROP DATABASE aXb CASCADE;\n!describe t_1\n";
    let output = shell.csv(server).stdin(script).run().expect_code(1);
    let words: Vec<_> = output.stdout.split_whitespace().collect();
    let columns = |of: &[[&str; 2]]| of.iter().all(|pair| words.windows(2).any(|words| words == pair));
    assert!(
        columns(&[["some_view", "view"], ["a", "INT"], ["b", "STRING"], ["t_1", "table"]]),
        "{}",
        output.stdout
    );
    assert!(
        columns(&[["i", "INT"], ["s", "STRING"], ["wrong", "INT"]]),
        "{}",
        output.stdout
    );
    assert_eq!(
        words.iter().filter(|word| **word == "wrong").count(),
        1,
        "{}",
        output.stdout
    );
    output.expect_stderr("there is no table t_1");
}

fn background(server: &Server) {
    let shell = Shell::new();
    let script = "SELECT id FROM range(3) ORDER BY id &;\n!fg %%\nSELEC 1 &;\n!fg %%\n";
    let output = shell.csv(server).stdin(script).run().expect_code(1);
    assert!(output.stdout.contains("id\n0\n1\n2\n"), "{}", output.stdout);
    output.expect_stderr("42601");
}

fn jobs(server: &Server) {
    let shell = Shell::new();
    let output = shell
        .csv(server)
        .stdin("SELECT 1 &;\n!savepoint %1\n")
        .run()
        .expect_code(1);
    output.expect_stderr("has no");
}

fn timeout(server: &Server) {
    let shell = Shell::new();
    let script = "SET spark.sql.thriftServer.queryTimeout = 1;\n\
                  SELECT count(*) FROM range(100000000000) WHERE rand() < 0.5;\n";
    let output = shell.csv(server).stdin(script).run().expect_code(1);
    output.expect_stderr("longer than the server gives it");
}

fn peer_agrees(server: &Server) {
    let queries = [
        "SELECT CAST(-128 AS TINYINT) ti, CAST(32767 AS SMALLINT) si, -2147483648 i, 9223372036854775807L bi, \
         CAST(1.1 AS FLOAT) f, 2.5D d, CAST(12345.6789 AS DECIMAL(20,4)) de, TRUE b, 'tèxt 🐝' s, CAST('c' AS CHAR(3)) c, \
         CAST('vc' AS VARCHAR(5)) v, DATE '2024-02-29' dt, TIMESTAMP '2024-02-29 12:34:56.1234' ts, \
         TIMESTAMP_NTZ '2024-02-29 12:34:56' tn, X'0AFF' bin, ARRAY(1,2,NULL) a, MAP('k',1,'n',NULL) m, \
         STRUCT(1,'x',DATE '2024-01-01') r, INTERVAL '1' DAY iv, INTERVAL '3' MONTH im, NULL n",
        "SELECT id, IF(id % 3 = 0, NULL, id) n, IF(id % 5 = 0, NULL, CAST(id AS STRING)) s, (id - 500) / 7 d, \
         CAST(id / 7 AS FLOAT) f, CAST(id / 7 AS DECIMAL(18, 6)) de, id % 2 = 0 b, \
         IF(id % 11 = 0, NULL, id % 2 = 0) nb, exp(id - 500) e, DATE_ADD(DATE '1969-12-31', CAST(id AS INT)) dt, \
         timestamp_micros(id * 123456789) ts FROM range(1000) ORDER BY id",
        "SELECT * FROM VALUES (double('NaN'), ''), (double('Infinity'), NULL), (double('-Infinity'), ' x '), (-0.0D, '\\n'), \
         (1.0E7D, '\\t'), (9999999D, '\\u0001'), (1.0E-3D, '\"'), (4.9E-324D, '\\\\') AS t(d, s)",
        "SELECT id, id AS also FROM range(0)",
        "SHOW DATABASES",
        "SET spark.sql.shuffle.partitions",
    ];
    let theirs = peer::read(server.port(), &queries);
    assert_eq!(theirs.len(), queries.len());
    let shell = Shell::new();
    for (query, [columns, rows]) in queries.iter().zip(theirs) {
        let output = shell.json(server).stdin(format!("{query};\n")).run().expect_code(0);
        let ours: Vec<_> = output.stdout.lines().collect();
        let rows = rows.as_array().unwrap();
        assert_eq!(ours.len(), rows.len(), "{query}");
        for (ours, theirs) in ours.iter().zip(rows) {
            let ours: BTreeMap<String, Box<RawValue>> = serde_json::from_str(ours).unwrap();
            assert_eq!(ours.len(), columns.as_array().unwrap().len(), "{query}");
            for (column, theirs) in columns.as_array().unwrap().iter().zip(theirs.as_array().unwrap()) {
                let ours = &ours[column.as_str().unwrap()];
                assert!(
                    peer::agree(ours, theirs),
                    "{query}\n{column}: {ours} here, {theirs} there"
                );
            }
        }
    }
}

/// Beeline prints the same cells: floating-point numbers to the letter. A decimal it may print in another spelling of the same
/// number (`0E-18`), where the server has sent all digits.
fn beeline_agrees(server: &Server) {
    let queries = [
        "SELECT d FROM VALUES (1.0E10D), (1.0E-5D), (double('NaN')), (double('Infinity')), (double('-Infinity')), (-0.0D), (0.0D), \
         (1.7976931348623157E308D), (4.9E-324D), (2.2250738585072014E-308D), (1.0E7D), (9999999.0D), (9999999.999D), (1.0E-3D), \
         (9.99E-4D), (0.1D), (100D), (123456789012D), (1.0E16D), (-1.5E300D), (1.0E22D), (1D / 3) AS t(d)",
        "SELECT CAST(d AS FLOAT) f FROM VALUES (1.0E10D), (1.0E-5D), (double('NaN')), (double('Infinity')), (-0.0D), \
         (3.4028235E38D), (1.4E-45D), (2.8E-45D), (1.1D), (16777216D), (1.0E-3D), (0.3D), (1.0E-4D) AS t(d)",
        "SELECT id, CAST(id AS TINYINT) t, CAST(id AS BIGINT) b, id % 2 = 0 e, CAST(id / 7 AS DECIMAL(18,6)) de, \
         id * 0.25D d, DATE_ADD(DATE '1969-12-31', CAST(id AS INT)) dt FROM range(100) ORDER BY id",
        "SELECT CAST(0 AS DECIMAL(38,18)) a, CAST('0.000000000000000001' AS DECIMAL(38,18)) b, \
         CAST('-12345678901234567890.123456789012345678' AS DECIMAL(38,18)) c, CAST(1 AS DECIMAL(10,0)) d, \
         CAST('12345678901234567890123456789012345678' AS DECIMAL(38,0)) e, CAST('0.0000001' AS DECIMAL(7,7)) f, \
         CAST(100 AS DECIMAL(10,2)) g, CAST('-0.00' AS DECIMAL(5,2)) h",
    ];
    let shell = Shell::new();
    let mut script = queries.join(";\n");
    script.push_str(";\n");
    let ours = shell.csv(server).stdin(&script).run().expect_code(0);
    let theirs = peer::beeline(server, &script);
    let lines: [Vec<&str>; 2] =
        [&ours.stdout, &theirs].map(|text| text.lines().filter(|line| !line.is_empty()).collect());
    assert_eq!(lines[0].len(), lines[1].len(), "{theirs}");
    assert_eq!(lines[0].len(), 140);
    let mut spelled_otherwise = 0;
    for (ours, theirs) in lines[0].iter().zip(&lines[1]) {
        let cells: [Vec<&str>; 2] = [ours, theirs].map(|line| line.split(',').collect());
        assert_eq!(cells[0].len(), cells[1].len(), "{ours} here, {theirs} there");
        for (ours, theirs) in cells[0].iter().zip(&cells[1]) {
            let same = ours == theirs
                || theirs
                    .split_once("E-")
                    .is_some_and(|scientific| same_decimal(ours, scientific));
            assert!(same, "{ours} here, {theirs} there");
            spelled_otherwise += usize::from(ours != theirs);
        }
    }
    assert_eq!(spelled_otherwise, 3);
}

/// Whether a decimal in full is the one-digit number with that exponent below zero.
fn same_decimal(full: &str, (digit, exponent): (&str, &str)) -> bool {
    let zeros = exponent.parse::<usize>().unwrap_or(0).saturating_sub(1);
    full == format!("0.{}{digit}", "0".repeat(zeros))
}

fn trust(server: &Server) {
    let shell = Shell::new();
    let plain = server.url_without_trust();
    let refused = |url: &str, what: &str| {
        let output = shell.at(url).stdin("SELECT 1;\n").run();
        assert_ne!(output.code, 0, "{url}");
        output.expect_stderr(what);
    };
    refused(&plain, "--ca FILE");
    refused(
        &format!("{plain};sslTrustStore={}", server.keystore().display()),
        "PEM is needed",
    );
    refused(&plain.replace(";ssl=true", ""), "ssl=true");
    let output = shell
        .at(&plain)
        .with("-o csv --ca")
        .arg(server.authority())
        .stdin("SELECT 1 AS one;\n")
        .run();
    output.expect(0, "one\n1\n");
}

/// The server is killed while a statement runs, and comes back: the session is opened again with what it was told.
fn restarted(server: &Server) {
    let shell = Shell::new();
    let mut live = shell.csv(server).with("--force").start();
    live.send("SET skep.kept = yes;\nCREATE TEMPORARY VIEW kept AS SELECT 7 AS seven;\nSELECT seven FROM kept;\n");
    live.wait_out("seven\n7\n");
    live.send("SELECT count(*) FROM range(100000000000) WHERE rand() < 0.5 &;\n");
    live.wait_err("[1]");
    server.restart();
    live.send("!wait %1\nSELECT seven, '${skep.kept}' AS said FROM kept;\n");
    live.wait_out("seven,said\n7,yes\n");
    let said = live.wait_err("it was opened again and told the 2 statements that had changed it");
    // The one that ran is not run again.
    assert_eq!(said.matches("opened again").count(), 1, "{said}");
    live.send("!jobs -a\n!quit\n");
    let output = live.wait();
    assert!(output.stdout.contains("FAILED"), "{}", output.stdout);
}

/// A server that has registered in a real ZooKeeper is found, beside one that is gone; one that speaks otherwise is told of.
fn found_in_zookeeper(server: &Server) {
    let keeper = Keeper::start().unwrap();
    let url = |namespace: &str| {
        format!(
            "jdbc:hive2://127.0.0.1:{},127.0.0.1:{}/default;serviceDiscoveryMode=zooKeeper;zooKeeperNamespace={namespace}",
            keeper.port(),
            keeper.port()
        )
    };
    let [nobody] = free_ports();
    let gone = format!("serverUri=127.0.0.1:{nobody};version=3.5.7;sequence=0000000000");
    let here = format!(
        "hive.server2.thrift.bind.host=127.0.0.1;hive.server2.transport.mode=binary;hive.server2.thrift.port={}",
        server.port()
    );
    keeper.create(&[
        ("/servers", ""),
        (&format!("/servers/{gone}"), ""),
        (
            "/servers/serverUri=elsewhere:1;version=3.5.7;sequence=0000000001",
            &here,
        ),
        ("/servers/leader", "nobody:1"),
        ("/http", ""),
        (
            "/http/serverUri=a:1;version=3.1.3;sequence=0000000001",
            "hive.server2.thrift.bind.host=a;hive.server2.transport.mode=http;hive.server2.thrift.http.port=1;\
             hive.server2.thrift.http.path=gate",
        ),
        ("/nobody", ""),
    ]);
    let shell = Shell::new();
    let output = shell
        .at(&url("servers"))
        .with("-o csv")
        .stdin("SELECT 1 AS one;\n")
        .run();
    output.expect(0, "one\n1\n");
    for (namespace, word) in [
        ("http", "transportMode=http;httpPath=gate"),
        ("nobody", "no server is registered"),
        ("nothing", "there is no node /nothing"),
    ] {
        let output = shell.at(&url(namespace)).stdin("SELECT 1;\n").run();
        assert_ne!(output.code, 0, "{output}");
        output.expect_stderr(word);
    }
}
