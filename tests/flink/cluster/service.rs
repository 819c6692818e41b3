//! The processes that a cluster is made of.

use std::fmt;
use std::path::Path;
use std::process::Command;

use super::jars::Installation;

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    JobManager,
    TaskManager,
    Gateway,
    History,
}

/// Packages of the JDK that Flink looks into.
const OPENED: [&str; 12] = [
    "java.lang",
    "java.lang.reflect",
    "java.net",
    "java.io",
    "java.nio",
    "java.text",
    "java.time",
    "java.util",
    "java.util.concurrent",
    "java.util.concurrent.atomic",
    "java.util.concurrent.locks",
    "sun.nio.ch",
];

/// Packages of other modules that it calls.
const EXPORTED: [&str; 7] = [
    "jdk.compiler/com.sun.tools.javac.api",
    "jdk.compiler/com.sun.tools.javac.file",
    "jdk.compiler/com.sun.tools.javac.parser",
    "jdk.compiler/com.sun.tools.javac.tree",
    "jdk.compiler/com.sun.tools.javac.util",
    "java.rmi/sun.rmi.registry",
    "java.security.jgss/sun.security.krb5",
];

impl Service {
    /// All of them, as they are started.
    pub const ALL: [Self; 4] = [Self::JobManager, Self::TaskManager, Self::Gateway, Self::History];

    const fn main_class(self) -> &'static str {
        match self {
            Self::JobManager => "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint",
            Self::TaskManager => "org.apache.flink.runtime.taskexecutor.TaskManagerRunner",
            Self::Gateway => "org.apache.flink.table.gateway.SqlGateway",
            Self::History => "org.apache.flink.runtime.webmonitor.history.HistoryServer",
        }
    }

    /// The heap, which for the TaskManager is what `config.rs` gives to framework and tasks.
    const fn memory(self) -> &'static [&'static str] {
        match self {
            Self::JobManager | Self::Gateway => &["-Xmx512m"],
            Self::TaskManager => &["-Xmx640m", "-XX:MaxDirectMemorySize=256m", "-XX:MaxMetaspaceSize=384m"],
            Self::History => &["-Xmx192m"],
        }
    }

    /// How it is started in a cluster's directory.
    pub fn command(self, dir: &Path, installation: &Installation) -> Command {
        let mut java = Command::new(&installation.java);
        // Tests last for minutes: what is gained by compiling hard is never earned back on two cores.
        java.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]);
        java.args(self.memory());
        java.args(OPENED.map(|package| format!("--add-opens=java.base/{package}=ALL-UNNAMED")));
        java.args(EXPORTED.map(|package| format!("--add-exports={package}=ALL-UNNAMED")));
        let work = dir.display();
        java.arg(format!("-Djava.io.tmpdir={work}/tmp"));
        java.arg(format!("-Dlog.file={work}/log/{self}.log"));
        java.arg(format!("-Dlog4j.configurationFile=file:{work}/conf/log4j.properties"));
        java.arg("-cp").arg(installation.jars.join("*")).arg(self.main_class());
        // The gateway has it from the environment.
        if self != Self::Gateway {
            java.arg("--configDir").arg(dir.join("conf"));
        }
        java.current_dir(dir)
            .env("FLINK_HOME", dir)
            .env("FLINK_CONF_DIR", dir.join("conf"))
            .env("FLINK_LIB_DIR", &installation.jars)
            .env("FLINK_OPT_DIR", &installation.jars)
            .env("FLINK_PLUGINS_DIR", dir.join("plugins"))
            .env("FLINK_LOG_DIR", dir.join("log"));
        java
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::JobManager => "jobmanager",
            Self::TaskManager => "taskmanager",
            Self::Gateway => "gateway",
            Self::History => "history",
        })
    }
}
