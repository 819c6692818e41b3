//! A Kyuubi server with Flink's SQL engine, and the Flink cluster that this runs its jobs on: a real one, or what stands in for
//! it. The cluster is a real one in either case.

use std::env;
use std::fmt;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::LIMIT;
use crate::cluster::{Cluster, Installation, Kit, Options, Process, Service, Work, free_ports, tail};
use crate::peer;
use crate::witness::Witness;
use crate::world::World;

/// The version of Flink that Kyuubi's engine of today speaks to.
pub const FLINK: &str = "1.20.3";

/// Where a Kyuubi distribution is unpacked, as its own scripts call it.
const HOME: &str = "KYUUBI_HOME";

/// After so many seconds without use a session is closed: longer than an engine takes to start.
const IDLE: (u32, u32) = (10, 60);

/// Packages of the JDK that the engine looks into.
const OPENED: [&str; 12] = [
    "java.lang",
    "java.lang.reflect",
    "java.util",
    "java.util.concurrent",
    "java.util.concurrent.atomic",
    "java.util.concurrent.locks",
    "java.net",
    "java.io",
    "java.nio",
    "java.text",
    "java.time",
    "sun.nio.ch",
];

const LOGGING: &str = "\
<Configuration status=\"WARN\"><Appenders><Console name=\"c\" target=\"SYSTEM_OUT\"><PatternLayout \
pattern=\"%d{yyyy-MM-dd HH:mm:ss.SSS} %p %t %c: %m%n%ex\"/></Console></Appenders><Loggers><Root level=\"INFO\">\
<AppenderRef ref=\"c\"/></Root></Loggers></Configuration>
";

/// What is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What stands in for Kyuubi: `standin/`.
    StandIn,
    /// The distribution that `KYUUBI_HOME` names.
    Real,
}

impl Kind {
    pub const ALL: [Self; 2] = [Self::StandIn, Self::Real];

    /// What there must be for it, if it is not there.
    pub fn misses(self) -> Option<&'static str> {
        (self == Self::Real && home().is_none()).then_some("needs KYUUBI_HOME")
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StandIn => "kyuubi",
            Self::Real => "kyuubi-live",
        })
    }
}

fn home() -> Option<PathBuf> {
    env::var_os(HOME).filter(|home| !home.is_empty()).map(PathBuf::from)
}

/// The server. It ends with the tests, and its engines with it.
pub struct Kyuubi {
    kind: Kind,
    /// Of HiveServer2, REST and ZooKeeper.
    ports: [u16; 3],
    cluster: Cluster,
    work: Work,
    world: World,
    process: Mutex<Option<Process>>,
}

impl Kyuubi {
    /// Starts cluster and server and waits until sessions can be opened.
    ///
    /// # Errors
    /// What is missing, or why it does not start.
    pub fn start(kind: Kind) -> Result<Self, String> {
        let services: &[Service] = match kind {
            // Its engine is a SQL Gateway.
            Kind::StandIn => &[Service::JobManager, Service::TaskManager, Service::Gateway],
            Kind::Real => &[Service::JobManager, Service::TaskManager],
        };
        let work = Work::new().map_err(|error| error.to_string())?;
        let cluster = Cluster::start_only(services, FLINK, &work, "kyuubi", Options::default())?;
        let server = Self {
            kind,
            ports: free_ports(),
            cluster,
            work,
            world: World::with_limit(LIMIT),
            process: Mutex::default(),
        };
        if kind == Kind::Real {
            server.make_flink_home()?;
            server.configure().map_err(|error| error.to_string())?;
        }
        server.launch()?;
        Ok(server)
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The URL of its HiveServer2.
    pub fn url(&self) -> String {
        let [port, ..] = self.ports;
        match self.kind {
            Kind::StandIn => format!("jdbc:kyuubi://127.0.0.1:{port}/;auth=noSasl"),
            Kind::Real => format!("jdbc:kyuubi://127.0.0.1:{port}/"),
        }
    }

    /// The URL of its REST API.
    pub fn rest_url(&self) -> String {
        format!("kyuubi+http://127.0.0.1:{}/", self.rest_port())
    }

    /// The port of its REST API.
    pub fn rest_port(&self) -> u16 {
        self.ports[1]
    }

    /// Closes a session behind the back of who has it.
    pub fn close_session(&self, id: &str) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.rest_port())).unwrap();
        write!(stream, "DELETE /api/v1/sessions/{id} HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains(" 200 "), "{answer}");
    }

    /// The port of its HiveServer2.
    pub fn port(&self) -> u16 {
        self.ports[0]
    }

    /// After so many seconds without use a session is certainly closed.
    pub fn rest(&self) -> u32 {
        match self.kind {
            Kind::StandIn => IDLE.0 + 5,
            Kind::Real => IDLE.1 + 15,
        }
    }

    /// Who says what really happens on the cluster.
    pub fn witness(&self) -> &Witness {
        self.cluster.witness()
    }

    /// Kills the server with SIGKILL; engines and jobs live on.
    pub fn kill(&self) {
        let running = self.process.lock().unwrap_or_else(PoisonError::into_inner).take();
        running.unwrap().kill();
    }

    /// Sends the server a signal, such as SIGSTOP.
    pub fn signal(&self, signal: Signal) {
        let process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        process.as_ref().unwrap().signal(signal);
    }

    /// Waits until the server has ended by itself.
    pub fn wait_dead(&self) {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let deadline = Instant::now() + LIMIT;
        while process.as_mut().is_some_and(Process::runs) {
            assert!(Instant::now() < deadline, "the server goes on");
            thread::sleep(Duration::from_millis(20));
        }
        *process = None;
    }

    /// Starts the server again, at the same ports.
    pub fn start_again(&self) {
        self.launch().unwrap();
    }

    /// What the stand-in was asked for. Nobody knows what a real one was.
    pub fn journal(&self) -> Option<Vec<Value>> {
        let journal = self.world.read("journal");
        let lines = journal.lines();
        (self.kind == Kind::StandIn).then(|| lines.map(|line| serde_json::from_str(line).unwrap()).collect())
    }

    fn launch(&self) -> Result<(), String> {
        let log = self.world.path("log");
        // What an earlier one has said does not count.
        let _ = fs::remove_file(&log);
        let command = match self.kind {
            Kind::StandIn => self.stand_in()?,
            Kind::Real => self.real()?,
        };
        let mut process = Process::start(&command, &log).map_err(|error| format!("Kyuubi: {error}"))?;
        let deadline = Instant::now() + LIMIT;
        while !self.is_up(&log) {
            if !process.runs() || Instant::now() >= deadline {
                return Err(format!("Kyuubi does not start; it says\n{}", tail(&log, 60)));
            }
            thread::sleep(Duration::from_millis(50));
        }
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(process);
        Ok(())
    }

    /// Its ports answer a moment before sessions can be opened, which a real one says.
    fn is_up(&self, log: &Path) -> bool {
        let [thrift, rest, _] = self.ports;
        let answers = |port: u16| TcpStream::connect(("127.0.0.1", port)).is_ok();
        match self.kind {
            Kind::StandIn => answers(thrift) && answers(rest),
            Kind::Real => {
                let said = fs::read(log).unwrap_or_default();
                String::from_utf8_lossy(&said).contains("Service[KyuubiServer] is started")
                    && answers(thrift)
                    && answers(rest)
            }
        }
    }

    fn stand_in(&self) -> Result<Command, String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hive/standin/main.py");
        let mut python = peer::python()?;
        python.env("PYTHONDONTWRITEBYTECODE", "1").arg(script);
        python.arg("--thrift").arg(self.ports[0].to_string());
        python.arg("--rest").arg(self.ports[1].to_string());
        python.arg("--journal").arg(self.world.path("journal"));
        python.arg("--gateway").arg(self.cluster.gateway());
        python.arg("--idle").arg(IDLE.0.to_string());
        Ok(python)
    }

    // What follows is as Kyuubi's own scripts do it, on ports of this run's.

    fn flink_home(&self) -> PathBuf {
        self.work.path("flink-home")
    }

    /// What Kyuubi's launcher looks for in a Flink distribution.
    fn make_flink_home(&self) -> Result<(), String> {
        let home = self.flink_home();
        let failed = |error: std::io::Error| format!("{}: {error}", home.display());
        for part in ["lib", "opt", "conf", "bin"] {
            fs::create_dir_all(home.join(part)).map_err(failed)?;
        }
        let kit = Kit {
            name: format!("kyuubi-flink-{FLINK}"),
            pom: include_str!("flink_home.xml"),
            properties: vec![format!("-Dflink.version={FLINK}")],
        };
        let lib = Installation::prepare(&kit, &self.work.path("installation.log"))?.jars;
        for jar in fs::read_dir(lib).map_err(failed)? {
            let jar = jar.map_err(failed)?;
            symlink(jar.path(), home.join("lib").join(jar.file_name())).map_err(failed)?;
        }
        for name in ["client", "gateway"] {
            let name = format!("flink-sql-{name}-{FLINK}.jar");
            let jar = self.cluster.installation().jars.join(&name);
            symlink(jar, home.join("opt").join(name)).map_err(failed)?;
        }
        let conf = self.cluster.path("conf/config.yaml");
        fs::copy(conf, home.join("conf/config.yaml")).map_err(failed)?;
        let logging = "rootLogger.level = INFO\nrootLogger.appenderRef.c.ref = C\nappender.c.name = C\nappender.c.type = \
                       CONSOLE\nappender.c.layout.type = PatternLayout\nappender.c.layout.pattern = %d %-5p %c{1} - %m%n\n";
        fs::write(home.join("conf/log4j.properties"), logging).map_err(failed)?;
        // It is asked for, and run for clusters of other kinds only.
        fs::write(home.join("bin/flink"), "#!/bin/sh\nexit 0\n").map_err(failed)
    }

    fn configure(&self) -> std::io::Result<()> {
        let work = self.work.path("kyuubi");
        for part in ["conf", "work"] {
            fs::create_dir_all(work.join(part))?;
        }
        let [thrift, rest, zookeeper] = self.ports;
        let idle = IDLE.1;
        let (flink, state) = (self.flink_home(), work.join("work"));
        let (flink, state) = (flink.display(), state.display());
        let opens = opens().join(" ");
        let settings = format!(
            "\
kyuubi.authentication NONE
kyuubi.frontend.bind.host 127.0.0.1
kyuubi.frontend.protocols THRIFT_BINARY,REST
kyuubi.frontend.thrift.binary.bind.port {thrift}
kyuubi.frontend.rest.bind.port {rest}
kyuubi.server.administrators admin
kyuubi.engine.type FLINK_SQL
kyuubi.engine.share.level USER
kyuubi.session.idle.timeout PT{idle}S
kyuubi.session.check.interval PT5S
kyuubi.zookeeper.embedded.client.port {zookeeper}
kyuubi.zookeeper.embedded.client.port.address 127.0.0.1
kyuubi.zookeeper.embedded.data.dir {state}/zk
kyuubi.zookeeper.embedded.data.log.dir {state}/zk-log
kyuubi.metadata.store.jdbc.database.type SQLITE
kyuubi.metadata.store.jdbc.url jdbc:sqlite:{state}/kyuubi_state_store.db
kyuubi.metrics.enabled false
kyuubi.engineEnv.FLINK_HOME {flink}
flink.execution.target remote
kyuubi.engine.flink.memory 1g
kyuubi.engine.flink.java.options {opens}
"
        );
        fs::write(work.join("conf/kyuubi-defaults.conf"), settings)?;
        fs::write(work.join("conf/log4j2.xml"), LOGGING)
    }

    fn real(&self) -> Result<Command, String> {
        let home = home().ok_or("KYUUBI_HOME is not set")?;
        let jars = home.join("jars");
        if !jars.is_dir() {
            return Err(format!("KYUUBI_HOME={}: there is no jars/ in it", home.display()));
        }
        let work = self.work.path("kyuubi");
        let java = &self.cluster.installation().java;
        let mut command = Command::new(java);
        command
            .current_dir(work.join("work"))
            .env("JAVA_HOME", java.parent().and_then(Path::parent).unwrap_or(java))
            .env(HOME, &home)
            .env("KYUUBI_CONF_DIR", work.join("conf"))
            .env("KYUUBI_WORK_DIR_ROOT", work.join("work"))
            .env("FLINK_HOME", self.flink_home())
            .env("KYUUBI_SCALA_VERSION", "2.12")
            .arg("-Xmx1g")
            .args(opens())
            .arg(format!("-Djava.io.tmpdir={}", work.join("work").display()))
            .arg("-cp")
            .arg(format!("{}:{}", work.join("conf").display(), jars.join("*").display()))
            .arg("org.apache.kyuubi.server.KyuubiServer");
        Ok(command)
    }
}

fn opens() -> Vec<String> {
    OPENED
        .map(|package| format!("--add-opens=java.base/{package}=ALL-UNNAMED"))
        .into()
}

impl Drop for Kyuubi {
    fn drop(&mut self) {
        drop(self.process.lock().unwrap_or_else(PoisonError::into_inner).take());
        // A server that was killed has left its engines, which nobody is the parent of: they have this directory in their
        // class path.
        let home = self.flink_home();
        let home = home.as_os_str().as_encoded_bytes();
        for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let command = fs::read(process.path().join("cmdline")).unwrap_or_default();
            let has = |part: &[u8]| command.windows(part.len()).any(|window| window == part);
            let pid = process.file_name().to_str().and_then(|name| name.parse().ok());
            if has(b"FlinkSQLEngine")
                && has(home)
                && let Some(pid) = pid.and_then(Pid::from_raw)
            {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        self.cluster.stop();
        let _ = self.work.remove();
    }
}
