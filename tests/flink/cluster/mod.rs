//! A Flink cluster of the tests' own: JobManager, TaskManager, SQL Gateway and History Server.

mod config;
mod jars;
mod process;
mod service;
mod tls;
mod toolchain;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::witness::{Witness, plain};
use config::Ports;
pub use config::free_ports;
pub use jars::{Installation, Kit};
pub use process::Process;
pub use service::Service;
pub use tls::Tls;
pub use work::Work;

/// The versions that are tested.
pub const VERSIONS: [&str; 2] = ["2.3.0", "1.20.3"];

/// No service takes longer than this to answer, not even on a machine that is busy.
const START: Duration = Duration::from_secs(180);

/// Task slots: jobs that may run at a time, at parallelism 1.
const SLOTS: usize = 16;

/// What a cluster of a case's own shall be other than usual.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Lines of its configuration.
    pub settings: &'static [(&'static str, &'static str)],
    /// All of it but the TaskManager is reached over TLS alone, by clients that show a certificate.
    pub tls: bool,
}

/// A running cluster. It ends with the value, and with the tests in whatever way they end.
#[derive(Debug)]
pub struct Cluster {
    version: &'static str,
    services: &'static [Service],
    dir: PathBuf,
    ports: Ports,
    installation: Installation,
    tls: Option<Tls>,
    processes: Mutex<BTreeMap<Service, Process>>,
    /// Jobs of JobManagers that are no more.
    seen: Mutex<BTreeSet<String>>,
    witness: Witness,
}

impl Cluster {
    /// Starts one and waits until all of it answers. `name` is its own below the run's work directory.
    ///
    /// # Errors
    /// What is missing, or why it does not start, with the end of the log that tells.
    pub fn start(version: &'static str, work: &Work, name: &str, options: Options) -> Result<Self, String> {
        Self::start_only(&Service::ALL, version, work, name, options)
    }

    /// The same with these services alone.
    ///
    /// # Errors
    /// As for [`Self::start`].
    pub fn start_only(
        services: &'static [Service],
        version: &'static str,
        work: &Work,
        name: &str,
        options: Options,
    ) -> Result<Self, String> {
        let installation = Installation::prepare(&Kit::flink(version), &work.path("installation.log"))?;
        let mut tries = 0;
        loop {
            tries += 1;
            let dir = work.path(&format!("{name}-{tries}"));
            let ports = Ports::find();
            let tls = options
                .tls
                .then(|| Tls::make(&dir.join("tls"), &installation))
                .transpose()?;
            let own = options.settings.iter().map(|(key, value)| (*key, (*value).to_owned()));
            let settings: Vec<_> = own.chain(tls.iter().flat_map(Tls::settings)).collect();
            let written = config::write(&dir, ports, SLOTS, &settings);
            written.map_err(|error| format!("{}: {error}", dir.display()))?;
            let witness = match &tls {
                Some(tls) => Witness::new(tls.http(), "https", ports.rest, ports.gateway),
                None => Witness::new(plain(), "http", ports.rest, ports.gateway),
            };
            let cluster = Self {
                version,
                services,
                dir,
                ports,
                installation: installation.clone(),
                tls,
                processes: Mutex::default(),
                seen: Mutex::default(),
                witness,
            };
            match cluster.start_services() {
                Ok(()) => return Ok(cluster),
                // Somebody else took one of the ports in between, or the machine was too busy for one of Flink's limits.
                Err(_) if tries < 3 => {}
                Err(why) => return Err(format!("Flink {version}: {why}")),
            }
        }
    }

    fn start_services(&self) -> Result<(), String> {
        for service in self.services {
            self.launch(*service)?;
        }
        self.services.iter().try_for_each(|service| self.wait_healthy(*service))
    }

    /// Its version, as `2.3.0`.
    pub const fn version(&self) -> &'static str {
        self.version
    }

    /// The JobManager's `host:port`.
    pub fn rest(&self) -> String {
        format!("127.0.0.1:{}", self.ports.rest)
    }

    /// The SQL Gateway's `host:port`.
    pub fn gateway(&self) -> String {
        format!("127.0.0.1:{}", self.ports.gateway)
    }

    /// The History Server's `host:port`.
    pub fn history(&self) -> String {
        format!("127.0.0.1:{}", self.ports.history)
    }

    /// Its jars, and the Java that runs them.
    #[allow(dead_code, reason = "the tests on Kyuubi make its home from it")]
    pub const fn installation(&self) -> &Installation {
        &self.installation
    }

    /// The certificates, if it is reached over TLS.
    pub const fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// A path below the cluster's directory, which all its processes see.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Who says what really happens on it.
    pub const fn witness(&self) -> &Witness {
        &self.witness
    }

    /// Every job that the cluster has seen since it was first started.
    pub fn jobs_seen(&self) -> usize {
        let mut seen = self.seen.lock().unwrap();
        // A JobManager that has been killed was asked before.
        if let Ok(jobs) = self.witness.jobs() {
            seen.extend(jobs.into_iter().map(|job| job.id));
        }
        seen.len()
    }

    /// Kills a service with SIGKILL.
    pub fn kill(&self, service: Service) {
        if service == Service::JobManager {
            self.jobs_seen();
        }
        let process = self.processes().remove(&service);
        process.unwrap_or_else(|| panic!("{service} does not run")).kill();
    }

    /// Kills all of it with SIGKILL.
    pub fn kill_all(&self) {
        self.jobs_seen();
        self.processes().clear();
    }

    /// Starts all of it again on the old ports, and waits until it answers.
    pub fn start_all_again(&self) {
        self.start_services().unwrap();
    }

    /// Lets a service write no more than so many bytes into any file, or as many as it likes.
    pub fn limit_files(&self, service: Service, bytes: Option<u64>) {
        self.processes()[&service].limit_files(bytes);
    }

    /// Starts a service that was killed, on its old ports, and waits until it answers.
    pub fn start_again(&self, service: Service) {
        self.launch(service).unwrap();
        self.wait_healthy(service).unwrap();
    }

    /// Sends a service a signal, such as SIGSTOP.
    pub fn signal(&self, service: Service, signal: Signal) {
        self.processes()[&service].signal(signal);
    }

    /// Ends it.
    pub fn stop(&self) {
        self.processes().clear();
    }

    fn processes(&self) -> MutexGuard<'_, BTreeMap<Service, Process>> {
        self.processes.lock().unwrap()
    }

    fn launch(&self, service: Service) -> Result<(), String> {
        let command = service.command(&self.dir, &self.installation);
        let started = Process::start(&command, &self.dir.join(format!("log/{service}.out")));
        let process = started.map_err(|error| format!("{service} can't be started: {error}"))?;
        self.processes().insert(service, process);
        Ok(())
    }

    fn wait_healthy(&self, service: Service) -> Result<(), String> {
        let deadline = Instant::now() + START;
        while !self.is_healthy(service) {
            let runs = self.processes().get_mut(&service).is_some_and(Process::runs);
            if runs && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(100));
                continue;
            }
            let why = if runs { "does not answer" } else { "has ended by itself" };
            let log = |end: &str| tail(&self.dir.join(format!("log/{service}.{end}")), 30);
            return Err(format!("the {service} {why}\n{}{}", log("out"), log("log")));
        }
        Ok(())
    }

    fn is_healthy(&self, service: Service) -> bool {
        let answer = |server: String, path: &str| self.witness.ask(&server, path);
        match service {
            Service::JobManager => answer(self.rest(), "/v1/overview").is_ok(),
            Service::TaskManager => {
                let overview = answer(self.rest(), "/v1/overview");
                overview.is_ok_and(|overview| overview["slots-total"].as_u64() == Some(SLOTS as u64))
            }
            Service::Gateway => answer(self.gateway(), "/v1/info").is_ok(),
            Service::History => answer(self.history(), "/config").is_ok(),
        }
    }
}

/// The last lines of a file, each as long as is good to read.
pub fn tail(path: &Path, lines: usize) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let short = |line: &str| line.chars().take(400).collect::<String>();
    let all: Vec<String> = text.lines().map(short).collect();
    let last = &all[all.len().saturating_sub(lines)..];
    format!("--- {}\n{}\n", path.display(), last.join("\n"))
}

/// A word to who runs the tests: some of this takes minutes the first time.
#[allow(clippy::print_stderr, reason = "there is no other way to say it while tests run")]
fn say(text: &str) {
    eprintln!("flink: {text}");
}
