//! A Spark Thrift Server, from PyPI's distribution of Spark.

use std::env;
use std::fmt;
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::LIMIT;
use crate::cache::{self, run};
use crate::cluster::{Process, free_ports};
use crate::world::World;

/// The version of Spark.
const VERSION: &str = "3.5.7";

/// What Spark's own launcher opens of the JDK.
pub const OPENS: [&str; 14] = [
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

/// It guards nothing: the key is made for one run.
const PASSWORD: &str = "of-this-run";

/// How a server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// TCP and SASL.
    Sasl,
    /// TCP alone, and TLS.
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
    process: Mutex<Option<Process>>,
    world: World,
}

impl Server {
    /// Starts one and waits until it takes connections.
    pub fn start(mode: Mode) -> Result<Self, String> {
        let [port] = free_ports();
        let server = Self {
            mode,
            port,
            process: Mutex::default(),
            world: World::with_limit(LIMIT),
        };
        fs::create_dir_all(server.world.path("spark")).map_err(|error| error.to_string())?;
        if mode == Mode::NoSasl {
            server.make_keystore()?;
        }
        server.launch()?;
        Ok(server)
    }

    /// Kills it and starts it again, at the same port.
    pub fn restart(&self) {
        let running = self.process.lock().unwrap_or_else(PoisonError::into_inner).take();
        running.unwrap().kill();
        self.launch().unwrap();
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its URL.
    pub fn url(&self) -> String {
        let plain = self.url_without_trust();
        match self.mode {
            Mode::NoSasl => format!("{plain};sslTrustStore={}", self.authority().display()),
            _ => plain,
        }
    }

    /// Its URL without a word whom to trust.
    pub fn url_without_trust(&self) -> String {
        let options = match self.mode {
            Mode::Sasl => "",
            Mode::NoSasl => ";auth=noSasl;ssl=true",
            Mode::Http => ";transportMode=http;httpPath=cliservice",
        };
        format!("jdbc:hive2://127.0.0.1:{}/default{options}", self.port)
    }

    /// Whom to trust, as PEM.
    pub fn authority(&self) -> PathBuf {
        self.world.path("authority.pem")
    }

    /// The server's own key and certificate, as Java has them.
    pub fn keystore(&self) -> PathBuf {
        self.world.path("keystore.p12")
    }

    fn make_keystore(&self) -> Result<(), String> {
        let keytool = |arguments: &str| {
            let mut command = Command::new(jdk("keytool"));
            command.args(arguments.split(' ')).arg("-keystore").arg(self.keystore());
            command.args(["-storepass", PASSWORD]);
            command
        };
        let names = "SAN=ip:127.0.0.1,dns:localhost";
        run(&mut keytool(&format!(
            "-genkeypair -alias own -keyalg RSA -keysize 2048 -dname CN=server -ext {names} -validity 30 -storetype PKCS12"
        )))?;
        run(keytool("-exportcert -rfc -alias own")
            .arg("-file")
            .arg(self.authority()))?;
        Ok(())
    }

    /// Starts the process and waits until it takes connections.
    fn launch(&self) -> Result<(), String> {
        let log = self.world.path("spark/log");
        let mut process = Process::start(&self.command()?, &log).map_err(|error| format!("java: {error}"))?;
        let deadline = Instant::now() + LIMIT;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if !process.runs() || Instant::now() >= deadline {
                let said = fs::read_to_string(&log).unwrap_or_default();
                return Err(format!("no server takes connections; it says\n{said}"));
            }
            thread::sleep(Duration::from_millis(50));
        }
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(process);
        Ok(())
    }

    fn command(&self) -> Result<Command, String> {
        let spark = spark()?;
        let work = self.world.path("spark");
        let (transport, authentication) = match self.mode {
            Mode::Sasl => ("binary", "NONE"),
            Mode::NoSasl => ("binary", "NOSASL"),
            Mode::Http => ("http", "NONE"),
        };
        let mut java = Command::new(jdk("java"));
        java.current_dir(&work)
            .env("SPARK_HOME", &spark)
            .env("SPARK_LOCAL_IP", "127.0.0.1")
            // A server lives for a minute: it is to be up soon.
            .args(["-Xmx2g", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"])
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
        for conf in [
            "spark.driver.bindAddress=127.0.0.1".to_owned(),
            "spark.driver.host=127.0.0.1".to_owned(),
            "spark.ui.enabled=false".to_owned(),
            "spark.sql.shuffle.partitions=2".to_owned(),
            "spark.sql.session.timeZone=UTC".to_owned(),
            "spark.sql.catalogImplementation=hive".to_owned(),
            format!("spark.sql.warehouse.dir={}", work.join("warehouse").display()),
            "spark.hadoop.javax.jdo.option.ConnectionURL=jdbc:derby:memory:metastore;create=true".to_owned(),
        ] {
            java.args(["--conf", &conf]);
        }
        java.args([
            "--class",
            "org.apache.spark.sql.hive.thriftserver.HiveThriftServer2",
            "spark-internal",
        ]);
        let mut settings = vec![
            "hive.server2.thrift.bind.host=127.0.0.1".to_owned(),
            format!("hive.server2.transport.mode={transport}"),
            format!("hive.server2.authentication={authentication}"),
            format!("hive.server2.thrift.port={}", self.port),
            format!("hive.server2.thrift.http.port={}", self.port),
        ];
        if self.mode == Mode::NoSasl {
            settings.extend([
                "hive.server2.use.SSL=true".to_owned(),
                format!("hive.server2.keystore.path={}", self.keystore().display()),
                format!("hive.server2.keystore.password={PASSWORD}"),
            ]);
        }
        for conf in settings {
            java.args(["--hiveconf", &conf]);
        }
        Ok(java)
    }
}

/// Spark's directory.
pub fn spark() -> Result<PathBuf, String> {
    cache::fill(&format!("spark-{VERSION}"), unpack)
}

/// A program of the JDK.
pub fn jdk(name: &str) -> PathBuf {
    match env::var_os("JAVA_HOME") {
        Some(home) => Path::new(&home).join("bin").join(name),
        None => name.into(),
    }
}

/// Spark, out of the archive that pip has.
fn unpack(place: &Path) -> Result<PathBuf, String> {
    run(Command::new("python3")
        .args(["-m", "pip", "download", "--quiet", "--no-deps", "--dest"])
        .arg(place)
        .arg(format!("pyspark=={VERSION}")))?;
    let archive = place.join(format!("pyspark-{VERSION}.tar.gz"));
    run(Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(place))?;
    Ok(place.join(format!("pyspark-{VERSION}/deps")))
}
