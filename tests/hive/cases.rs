//! The cases: each drives the executable from outside.

use std::fmt::Write as _;

use crate::LIMIT;
use crate::server::{Mode, Server};
use crate::world::{Program, World};

/// What is tried on a server.
pub type Case = fn(&Server);

/// The cases of a server of that sort. What the way to it can't touch is tried on one.
pub fn of(mode: Mode) -> Vec<(&'static str, Case)> {
    let mut cases: Vec<(&'static str, Case)> = vec![
        ("one_row", one_row),
        ("errors", errors),
        ("cancel", cancel),
        ("a_million_rows", a_million_rows),
    ];
    if mode == Mode::Sasl {
        cases.extend([
            ("types", types as Case),
            ("nothing", nothing),
            ("two_sessions", two_sessions),
            ("url", url),
            ("catalog", catalog),
            ("background", background),
            ("jobs", jobs),
        ]);
    }
    cases
}

struct Shell(World);

impl Shell {
    fn new() -> Self {
        Self(World::with_limit(LIMIT))
    }

    fn at(&self, url: &str) -> Program {
        self.0.skep().with("-u").arg(url)
    }

    fn csv(&self, server: &Server) -> Program {
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
    let shell = Shell::new();
    let sql = "SELECT id, CAST(id AS STRING) s, id * 0.5D d, CAST(id AS DECIMAL(18,2)) de, IF(id % 7 = 0, NULL, -id) n FROM \
               range(1000000) ORDER BY id;\n";
    let output = shell.csv(server).stdin(sql).run();
    let mut expected = String::from("id,s,d,de,n\n");
    for id in 0..1_000_000_u32 {
        let n = if id % 7 == 0 { String::new() } else { format!("-{id}") };
        let double = if id % 2 == 0 {
            format!("{}.0", id / 2)
        } else {
            format!("{}.5", id / 2)
        };
        writeln!(expected, "{id},{id},{double},{id}.00,{n}").unwrap();
    }
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert_eq!(output.stdout.lines().count(), 1_000_001);
    for (line, wanted) in output.stdout.lines().zip(expected.lines()) {
        assert_eq!(line, wanted);
    }
}

fn cancel(server: &Server) {
    let shell = Shell::new();
    let mut terminal = shell.at(&server.url()).pty();
    terminal.wait_text("> ");
    terminal.line("SELECT count(*) FROM range(100000000000) WHERE rand() < 0.5;");
    terminal.wait_text("rand() < 0.5;");
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

fn catalog(server: &Server) {
    let shell = Shell::new();
    let script = "CREATE TEMPORARY VIEW some_view AS SELECT 1 a;\n!tables some%\n";
    let output = shell.csv(server).stdin(script).run().expect_code(0);
    assert!(output.stdout.contains("some_view"), "{}", output.stdout);
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
