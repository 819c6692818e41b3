//! A ZooKeeper, which comes with Spark.

use std::fs;
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::LIMIT;
use crate::cache::run;
use crate::cluster::{Process, free_ports};
use crate::server::{jdk, spark};
use crate::world::World;

/// A running ZooKeeper. It ends with its owner.
pub struct Keeper {
    port: u16,
    _process: Process,
    world: World,
}

impl Keeper {
    /// Starts one and waits until it takes connections.
    pub fn start() -> Result<Self, String> {
        let world = World::with_limit(LIMIT);
        let [port] = free_ports();
        let settings = format!(
            "dataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n",
            world.path("data").display()
        );
        let settings = world.write("zoo.cfg", &settings);
        let mut java = class("org.apache.zookeeper.server.quorum.QuorumPeerMain")?;
        java.arg(settings);
        let log = world.path("log");
        let mut process = Process::start(&java, &log).map_err(|error| format!("java: {error}"))?;
        let deadline = Instant::now() + LIMIT;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if !process.runs() || Instant::now() >= deadline {
                let said = fs::read_to_string(&log).unwrap_or_default();
                return Err(format!("ZooKeeper takes no connections; it says\n{said}"));
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(Self {
            port,
            _process: process,
            world,
        })
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Makes nodes, by ZooKeeper's own client: paths and what is in them.
    pub fn create(&self, nodes: &[(&str, &str)]) {
        let mut script = String::new();
        for (path, data) in nodes {
            let data = if data.is_empty() { "\"\"" } else { data };
            script.push_str(&format!("create {path} {data}\n"));
        }
        script.push_str("quit\n");
        let script = self.world.write("script", &script);
        let mut client = class("org.apache.zookeeper.ZooKeeperMain").unwrap();
        client.args(["-server", &format!("127.0.0.1:{}", self.port)]);
        client.stdin(fs::File::open(script).unwrap());
        run(&mut client).unwrap();
    }
}

fn class(name: &str) -> Result<Command, String> {
    let mut java = Command::new(jdk("java"));
    java.args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp"]);
    java.arg(spark()?.join("jars").join("*")).arg(name);
    Ok(java)
}
