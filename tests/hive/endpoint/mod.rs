//! Flink's own HiveServer2 endpoint: a SQL Gateway that speaks HiveServer2's protocol, in front of a metastore of Hive's. All of it
//! is real.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::LIMIT;
use crate::cases::Shell;
use crate::cluster::{Cluster, Installation, Kit, Options, Process, Service, Work, free_ports, tail};
use crate::kyuubi::FLINK;
use crate::server::{OPENS, spark};
use crate::world::Program;

/// Of the jars that come with Spark, by the beginnings of their names: Hadoop's client and what Hive's code looks for.
const FROM_SPARK: [&str; 11] = [
    "antlr-runtime-",
    "commons-codec-",
    "commons-compiler-",
    "commons-lang-2",
    "commons-logging-",
    "hadoop-client-api-",
    "hadoop-client-runtime-",
    "jakarta.servlet-api-",
    "janino-",
    "libfb303-",
    "scala-library-",
];

/// Flink's SQL, and jobs that are not waited for; the endpoint's sessions begin with Hive's, which has no quotes there.
const SQL: &str = "SET table.sql-dialect=default;\nSET 'execution.runtime-mode' = 'streaming';\nSET 'table.dml-sync' = \
                   'false';\n";

const TABLES: &str = "CREATE TEMPORARY TABLE src (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '5', \
                      'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '20000');\n\
                      CREATE TEMPORARY TABLE snk (id BIGINT) WITH ('connector' = 'blackhole');\n";

/// The gateway, its cluster and the metastore. They end with the tests.
pub struct Endpoint {
    port: u16,
    cluster: Cluster,
    work: Work,
    _processes: [Process; 2],
}

/// What is tried.
type Case = fn(&Arc<Endpoint>);

/// All cases.
pub fn cases() -> Vec<(&'static str, Case)> {
    vec![
        ("statements", statements),
        ("a_job", a_job),
        ("an_endless_query", an_endless_query),
    ]
}

impl Endpoint {
    /// Starts all of it and waits until sessions can be opened.
    ///
    /// # Errors
    /// What is missing, or why something does not start.
    pub fn start() -> Result<Self, String> {
        let work = Work::new().map_err(|error| error.to_string())?;
        let services = &[Service::JobManager, Service::TaskManager];
        let cluster = Cluster::start_only(services, FLINK, &work, "endpoint", Options::default())?;
        let kit = Kit {
            name: format!("flink-hive-{FLINK}"),
            pom: include_str!("hive.xml"),
            properties: vec![format!("-Dflink.version={FLINK}")],
        };
        let hive = Installation::prepare(&kit, &work.path("installation.log"))?.jars;
        let jars = spark()?.join("jars");
        let [metastore, port] = free_ports();
        let keeper = start_metastore(&work, &cluster, &jars, metastore)?;
        let gateway = start_gateway(&work, &cluster, [&hive, &jars], metastore, port)?;
        Ok(Self {
            port,
            cluster,
            work,
            _processes: [gateway, keeper],
        })
    }

    fn csv(&self, shell: &Shell) -> Program {
        let url = format!("jdbc:hive2://127.0.0.1:{}/default;auth=noSasl", self.port);
        shell.at(&url).with("-o csv")
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.cluster.stop();
        let _ = self.work.remove();
    }
}

/// Hive's metastore as Spark brings it, with its tables in memory.
fn start_metastore(work: &Work, cluster: &Cluster, spark: &Path, port: u16) -> Result<Process, String> {
    let place = work.path("metastore");
    fs::create_dir_all(&place).map_err(|error| error.to_string())?;
    let mut java = Command::new(&cluster.installation().java);
    java.current_dir(&place)
        .args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp"])
        .arg(spark.join("*"))
        .args(["org.apache.hadoop.hive.metastore.HiveMetaStore", "-p"])
        .arg(port.to_string());
    for conf in [
        "hive.async.log.enabled=false".to_owned(),
        "javax.jdo.option.ConnectionURL=jdbc:derby:memory:metastore;create=true".to_owned(),
        "datanucleus.schema.autoCreateAll=true".to_owned(),
        "hive.metastore.schema.verification=false".to_owned(),
        format!("hive.metastore.warehouse.dir={}", work.path("warehouse").display()),
    ] {
        java.arg("--hiveconf").arg(conf);
    }
    start(&java, &place.join("log"), port)
}

fn start_gateway(
    work: &Work,
    cluster: &Cluster,
    [hive, spark]: [&Path; 2],
    metastore: u16,
    port: u16,
) -> Result<Process, String> {
    let conf = work.path("hive-conf");
    let text = |error: std::io::Error| error.to_string();
    fs::create_dir_all(&conf).map_err(text)?;
    let site = format!(
        "<configuration><property><name>hive.metastore.uris</name><value>thrift://127.0.0.1:{metastore}</value></property>\
         </configuration>\n"
    );
    fs::write(conf.join("hive-site.xml"), site).map_err(text)?;
    let flink = cluster.installation();
    // hive-exec has an old Calcite in it: the planner, which has its own, comes first. The loader's planner does not find
    // Hive's parser.
    let mut path: Vec<PathBuf> = vec![hive.join(format!("flink-table-planner_2.12-{FLINK}.jar"))];
    for jar in fs::read_dir(&flink.jars).map_err(text)? {
        let jar = jar.map_err(text)?;
        if !jar
            .file_name()
            .to_string_lossy()
            .starts_with("flink-table-planner-loader")
        {
            path.push(jar.path());
        }
    }
    path.push(hive.join("*"));
    for jar in fs::read_dir(spark).map_err(text)? {
        let jar = jar.map_err(text)?;
        let name = jar.file_name().to_string_lossy().into_owned();
        if FROM_SPARK.iter().any(|start| name.starts_with(start)) {
            path.push(jar.path());
        }
    }
    let path: Vec<_> = path.iter().map(|jar| jar.display().to_string()).collect();
    let place = cluster.path("");
    let mut java = Command::new(&flink.java);
    java.current_dir(&place)
        .env("FLINK_HOME", &place)
        .env("FLINK_CONF_DIR", cluster.path("conf"))
        .env("FLINK_LIB_DIR", &flink.jars)
        .env("FLINK_OPT_DIR", &flink.jars)
        .env("FLINK_PLUGINS_DIR", cluster.path("plugins"))
        .args(["-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"])
        .args(OPENS.map(|package| format!("--add-opens={package}=ALL-UNNAMED")))
        .arg(format!("-Dlog.file={}", cluster.path("log/endpoint.log").display()))
        .arg(format!(
            "-Dlog4j.configurationFile=file:{}",
            cluster.path("conf/log4j.properties").display()
        ))
        .arg("-cp")
        .arg(path.join(":"))
        .arg("org.apache.flink.table.gateway.SqlGateway");
    for (key, value) in [
        ("type", "hiveserver2".to_owned()),
        ("hiveserver2.catalog.hive-conf-dir", conf.display().to_string()),
        ("hiveserver2.thrift.host", "127.0.0.1".to_owned()),
        ("hiveserver2.thrift.port", port.to_string()),
    ] {
        java.arg(format!("-Dsql-gateway.endpoint.{key}={value}"));
    }
    start(&java, &cluster.path("log/endpoint.out"), port)
}

/// Starts a process and waits until it takes connections.
fn start(command: &Command, log: &Path, port: u16) -> Result<Process, String> {
    let mut process = Process::start(command, log).map_err(|error| format!("java: {error}"))?;
    let deadline = Instant::now() + LIMIT;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if !process.runs() || Instant::now() >= deadline {
            return Err(format!("nobody takes connections; there is\n{}", tail(log, 60)));
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(process)
}

/// Hive's SQL, in which a session begins, and Flink's.
fn statements(endpoint: &Arc<Endpoint>) {
    let shell = Shell::new();
    let output = endpoint.csv(&shell).stdin("SELECT 1 AS one;\n").run();
    assert!(output.stdout.starts_with("one\n1\n"), "{output}");
    let script =
        format!("{SQL}{TABLES}SHOW TABLES;\nSELECT CAST(NULL AS STRING) AS n, 2 AS d;\n!tables s%\nSELEC 1;\n");
    let output = endpoint.csv(&shell).stdin(script).run().expect_code(1);
    assert!(output.stdout.starts_with("table name\nsnk\nsrc\nn,d\n,2\n"), "{output}");
    output.expect_stderr("Non-query expression encountered in illegal context");
}

/// An INSERT is stopped with a savepoint and brought back from it.
fn a_job(endpoint: &Arc<Endpoint>) {
    let shell = Shell::new();
    let script = format!(
        "{SQL}{TABLES}SET 'pipeline.name' = 'by way of hive';\nINSERT INTO snk SELECT id FROM src;\n!stop %1\n!restore %1\n\
         !cancel 'by way of hive'\n"
    );
    let output = endpoint.csv(&shell).stdin(script).run().expect_code(0);
    assert!(output.stdout.contains("/savepoint-"), "{output}");
    let mut states: Vec<_> = endpoint
        .cluster
        .witness()
        .named("by way of hive")
        .into_iter()
        .map(|job| job.state)
        .collect();
    states.sort();
    assert_eq!(states, ["CANCELED", "FINISHED"], "{output}");
}

/// Rows come while the query runs, Ctrl-C ends its job, and the session goes on.
fn an_endless_query(endpoint: &Arc<Endpoint>) {
    let shell = Shell::new();
    let mut prompt = endpoint.csv(&shell).pty();
    prompt.wait_text("> ");
    for line in format!("{SQL}{TABLES}SET 'pipeline.name' = 'endless by hive';\nSELECT id FROM src;").lines() {
        prompt.line(line);
    }
    prompt.wait_for("two rows", |screen| screen.text.lines().any(|line| line.trim() == "2"));
    prompt.send("\x03");
    prompt.wait_text("cancelled");
    let [job] = &endpoint.cluster.witness().named("endless by hive")[..] else {
        panic!("{:?}", endpoint.cluster.witness().jobs())
    };
    assert_eq!(job.state, "CANCELED");
    prompt.line("SELECT 7 AS after;");
    prompt.wait_for("the next", |screen| screen.text.lines().any(|line| line.trim() == "7"));
    prompt.line("!quit");
    prompt.wait();
}
