//! A Spark Thrift Server, from PyPI's distribution of Spark.

use std::env;
use std::fmt;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::LIMIT;
use crate::process::Process;
use crate::world::World;

/// The version of Spark.
const VERSION: &str = "3.5.7";

/// What Spark's own launcher opens of the JDK.
const OPENS: [&str; 14] = [
    "java.base/java.lang",
    "java.base/java.lang.invoke",
    "java.base/java.lang.reflect",
    "java.base/java.io",
    "java.base/java.net",
    "java.base/java.nio",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/jdk.internal.ref",
    "java.base/sun.nio.ch",
    "java.base/sun.nio.cs",
    "java.base/sun.security.action",
    "java.base/sun.util.calendar",
];

/// How a server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// TCP and SASL.
    Sasl,
    /// TCP alone.
    NoSasl,
    /// HTTP.
    Http,
}

impl Mode {
    pub const ALL: [Self; 3] = [Self::Sasl, Self::NoSasl, Self::Http];
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sasl => "sasl",
            Self::NoSasl => "nosasl",
            Self::Http => "http",
        })
    }
}

/// A running server. It ends with the tests.
pub struct Server {
    mode: Mode,
    port: u16,
    _process: Process,
    /// Its directory.
    _world: World,
}

impl Server {
    /// Starts one and waits until it takes connections.
    pub fn start(mode: Mode) -> Result<Self, String> {
        let spark = distribution()?;
        let world = World::with_limit(LIMIT);
        let work = world.path("spark");
        fs::create_dir_all(&work).map_err(|error| error.to_string())?;
        let port = free_port();
        let (transport, authentication) = match mode {
            Mode::Sasl => ("binary", "NONE"),
            Mode::NoSasl => ("binary", "NOSASL"),
            Mode::Http => ("http", "NONE"),
        };
        let log = work.join("log");
        let mut java = Command::new(java());
        java.current_dir(&work)
            .env("SPARK_HOME", &spark)
            .env("SPARK_LOCAL_IP", "127.0.0.1")
            .arg("-Xmx2g")
            .args(OPENS.map(|package| format!("--add-opens={package}=ALL-UNNAMED")))
            .arg("-Djdk.reflect.useDirectMethodHandle=false")
            .arg("-cp")
            .arg(spark.join("jars").join("*"))
            .args([
                "org.apache.spark.deploy.SparkSubmit",
                "--master",
                "local[2]",
                "--name",
                "skep",
            ]);
        let metastore = format!(
            "jdbc:derby:;databaseName={};create=true",
            work.join("metastore").display()
        );
        for conf in [
            "spark.driver.bindAddress=127.0.0.1".to_owned(),
            "spark.driver.host=127.0.0.1".to_owned(),
            "spark.ui.enabled=false".to_owned(),
            "spark.sql.shuffle.partitions=2".to_owned(),
            "spark.sql.session.timeZone=UTC".to_owned(),
            "spark.sql.catalogImplementation=hive".to_owned(),
            format!("spark.sql.warehouse.dir={}", work.join("warehouse").display()),
            format!("spark.hadoop.javax.jdo.option.ConnectionURL={metastore}"),
        ] {
            java.args(["--conf", &conf]);
        }
        java.args([
            "--class",
            "org.apache.spark.sql.hive.thriftserver.HiveThriftServer2",
            "spark-internal",
        ]);
        for conf in [
            "hive.server2.thrift.bind.host=127.0.0.1".to_owned(),
            format!("hive.server2.transport.mode={transport}"),
            format!("hive.server2.authentication={authentication}"),
            format!("hive.server2.thrift.port={port}"),
            format!("hive.server2.thrift.http.port={port}"),
        ] {
            java.args(["--hiveconf", &conf]);
        }
        let mut process = Process::start(&java, &log).map_err(|error| format!("java: {error}"))?;
        let told = || {
            format!(
                "a server that takes connections; it says\n{}",
                fs::read_to_string(&log).unwrap_or_default()
            )
        };
        let deadline = Instant::now() + LIMIT;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                process.runs() && Instant::now() < deadline,
                "waited in vain for {}",
                told()
            );
            thread::sleep(Duration::from_millis(50));
        }
        Ok(Self {
            mode,
            port,
            _process: process,
            _world: world,
        })
    }

    /// Its URL.
    pub fn url(&self) -> String {
        let options = match self.mode {
            Mode::Sasl => "",
            Mode::NoSasl => ";auth=noSasl",
            Mode::Http => ";transportMode=http;httpPath=cliservice",
        };
        format!("jdbc:hive2://127.0.0.1:{}/default{options}", self.port)
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn java() -> PathBuf {
    match env::var_os("JAVA_HOME") {
        Some(home) => Path::new(&home).join("bin/java"),
        None => "java".into(),
    }
}

/// Spark's directory, which is got by pip if it is not there. It comes to its place in one piece, so that what is there is
/// whole.
fn distribution() -> Result<PathBuf, String> {
    let cache = match env::var_os("XDG_CACHE_HOME").filter(|dir| !dir.is_empty()) {
        Some(dir) => PathBuf::from(dir),
        None => PathBuf::from(env::var_os("HOME").ok_or("neither XDG_CACHE_HOME nor HOME is set")?).join(".cache"),
    };
    let cache = cache.join("skep-test");
    let place = cache.join(format!("spark-{VERSION}"));
    if place.join("jars").is_dir() {
        return Ok(place);
    }
    fs::create_dir_all(&cache).map_err(|error| error.to_string())?;
    let loading = tempfile::tempdir_in(&cache).map_err(|error| error.to_string())?;
    run(Command::new("python3")
        .args(["-m", "pip", "download", "--quiet", "--no-deps", "--dest"])
        .arg(loading.path())
        .arg(format!("pyspark=={VERSION}")))?;
    let archive = loading.path().join(format!("pyspark-{VERSION}.tar.gz"));
    run(Command::new("tar")
        .arg("-xzf")
        .arg(&archive)
        .arg("-C")
        .arg(loading.path()))?;
    let unpacked = loading.path().join(format!("pyspark-{VERSION}/deps"));
    match fs::rename(unpacked, &place) {
        // Another run was faster.
        Err(_) if place.join("jars").is_dir() => Ok(place),
        renamed => renamed.map(|()| place).map_err(|error| error.to_string()),
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| {
        format!("{error}: these tests need Python 3 with pip, and tar; SKEP_TEST_ENGINES=none leaves them out")
    })?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)))
}
