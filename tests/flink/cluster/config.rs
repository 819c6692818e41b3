//! What a cluster is told.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

/// The ports that a cluster listens on, all on the loopback interface.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    pub rest: u16,
    pub rpc: u16,
    pub gateway: u16,
    pub history: u16,
}

/// So many free ports. They lie below those which a system gives to outgoing connections, so that a service that was killed
/// finds its own again.
pub fn free_ports<const N: usize>() -> [u16; N] {
    let mut held = Vec::new();
    while held.len() < N {
        let port = rand::random_range(12_000..32_000);
        held.extend(TcpListener::bind((Ipv4Addr::LOCALHOST, port)));
    }
    let mut ports = held.iter().map(|held| held.local_addr().unwrap().port());
    [(); N].map(|()| ports.next().unwrap())
}

impl Ports {
    /// Ports that are free.
    pub fn find() -> Self {
        let [rest, rpc, gateway, history] = free_ports();
        Self {
            rest,
            rpc,
            gateway,
            history,
        }
    }
}

const LOGGING: &str = "\
rootLogger.level = INFO
rootLogger.appenderRef.f.ref = F
appender.f.name = F
appender.f.type = FILE
appender.f.fileName = ${sys:log.file}
appender.f.append = true
appender.f.layout.type = PatternLayout
appender.f.layout.pattern = %d{HH:mm:ss,SSS} %-5p %c{1} - %m%n
";

/// Writes `config.yaml` and `log4j.properties` into `dir`/conf. `settings` win over what stands here.
///
/// The distribution's shell scripts work out the memory of a TaskManager; without them every figure must be given.
pub fn write(dir: &Path, ports: Ports, slots: usize, settings: &[(&str, String)]) -> io::Result<()> {
    let Ports {
        rest,
        rpc,
        gateway,
        history,
    } = ports;
    let work = dir.display();
    let text = format!(
        "\
jobmanager.rpc.address: 127.0.0.1
jobmanager.rpc.port: {rpc}
jobmanager.bind-host: 127.0.0.1
rest.address: 127.0.0.1
rest.bind-address: 127.0.0.1
rest.port: {rest}
rest.bind-port: \"{rest}\"
web.tmpdir: {work}/tmp
web.upload.dir: {work}/tmp
blob.server.port: \"0\"
io.tmp.dirs: {work}/tmp
taskmanager.host: 127.0.0.1
taskmanager.bind-host: 127.0.0.1
taskmanager.rpc.port: \"0\"
taskmanager.numberOfTaskSlots: {slots}
taskmanager.cpu.cores: 2.0
taskmanager.memory.framework.heap.size: 128m
taskmanager.memory.task.heap.size: 512m
taskmanager.memory.framework.off-heap.size: 128m
taskmanager.memory.task.off-heap.size: 0m
taskmanager.memory.managed.size: 128m
taskmanager.memory.network.min: 128m
taskmanager.memory.network.max: 128m
taskmanager.memory.jvm-metaspace.size: 384m
taskmanager.memory.jvm-overhead.min: 192m
taskmanager.memory.jvm-overhead.max: 192m
pekko.startup-timeout: 120 s
parallelism.default: 1
execution.target: remote
state.backend.type: hashmap
execution.checkpointing.interval: 2s
execution.checkpointing.dir: file://{work}/checkpoints
execution.checkpointing.savepoint-dir: file://{work}/savepoints
execution.checkpointing.num-retained: 3
execution.checkpointing.externalized-checkpoint-retention: RETAIN_ON_CANCELLATION
jobmanager.archive.fs.dir: file://{work}/archive
historyserver.archive.fs.dir: file://{work}/archive
historyserver.archive.fs.refresh-interval: 1000
historyserver.web.address: 127.0.0.1
historyserver.web.port: {history}
historyserver.web.tmpdir: {work}/web-history
sql-gateway.endpoint.rest.address: 127.0.0.1
sql-gateway.endpoint.rest.bind-address: 127.0.0.1
sql-gateway.endpoint.rest.port: {gateway}
sql-gateway.endpoint.rest.bind-port: \"{gateway}\"
"
    );
    let set = |line: &&str| {
        let key = line.split(':').next();
        !settings.iter().any(|(known, _)| key == Some(*known))
    };
    let mut lines: Vec<String> = text.lines().filter(set).map(str::to_owned).collect();
    lines.extend(settings.iter().map(|(key, value)| format!("{key}: {value}")));
    for part in [
        "conf",
        "log",
        "tmp",
        "checkpoints",
        "savepoints",
        "archive",
        "plugins",
        "web-history",
    ] {
        fs::create_dir_all(dir.join(part))?;
    }
    fs::write(dir.join("conf/config.yaml"), lines.join("\n") + "\n")?;
    fs::write(dir.join("conf/log4j.properties"), LOGGING)
}
