//! skep, connected to a cluster, in a home of its own.

use std::ffi::OsString;
use std::path::Path;

use serde_json::Value;
use skep::ledger::{JobFilter, JobRecord, Ledger, Part};

use crate::LIMIT;
use crate::cluster::Cluster;
use crate::witness::RUNTIME;
use crate::world::{Output, Program, World};

/// Somebody with an empty home who works with one cluster.
pub struct Shell {
    world: World,
    url: String,
    /// What is said on the command line of how to reach it.
    flags: Vec<OsString>,
}

impl Shell {
    /// On the cluster's REST interface alone, without SQL.
    pub fn rest(cluster: &Cluster) -> Self {
        Self::on(cluster, "flink-rest", &cluster.rest())
    }

    /// On its SQL Gateway.
    pub fn sql(cluster: &Cluster) -> Self {
        Self::on(cluster, "flink", &cluster.gateway())
    }

    /// Over TLS, with the client's certificate, where the cluster wants that.
    fn on(cluster: &Cluster, scheme: &str, server: &str) -> Self {
        let Some(tls) = cluster.tls() else {
            return Self::at(&format!("{scheme}://{server}"));
        };
        let [certificate, key] = &tls.client;
        Self::at(&format!("{scheme}+https://{server}"))
            .flag("--ca", &tls.ca)
            .flag("--cert", certificate)
            .flag("--key", key)
    }

    /// At that URL.
    pub fn at(url: &str) -> Self {
        Self {
            world: World::with_limit(LIMIT),
            url: url.to_owned(),
            flags: Vec::new(),
        }
    }

    /// With a flag that names a file.
    pub fn flag(mut self, name: &str, file: &Path) -> Self {
        self.flags.extend([OsString::from(name), file.into()]);
        self
    }

    /// With an option in the URL.
    pub fn option(mut self, name: &str, value: &str) -> Self {
        self.url.push_str(&format!(";{name}={value}"));
        self
    }

    /// Its home.
    pub const fn world(&self) -> &World {
        &self.world
    }

    /// skep, not yet told what to do.
    pub fn skep(&self) -> Program {
        let skep = self.world.skep().with("-u").arg(&self.url);
        self.flags.iter().fold(skep, |skep, flag| skep.arg(flag))
    }

    /// Everything that its ledger holds of statements, the newest first.
    #[track_caller]
    pub fn ledger(&self) -> Vec<JobRecord> {
        let ledger = Ledger::open(&self.world.path("data")).unwrap();
        let filter = JobFilter {
            part: Part::All,
            ..JobFilter::default()
        };
        RUNTIME.block_on(ledger.jobs(filter)).unwrap()
    }

    /// One command from the command line, its words parted by blanks.
    #[must_use = "an output that nobody looks at tests nothing"]
    pub fn one_shot(&self, command: &str) -> Output {
        self.skep().with(command).run()
    }

    /// A script on standard input.
    #[must_use = "an output that nobody looks at tests nothing"]
    pub fn script(&self, text: &str) -> Output {
        self.skep().stdin(text).run()
    }
}

/// What a command with `--json` wrote, an object a line.
#[track_caller]
pub fn objects(stdout: &str) -> Vec<Value> {
    stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The one object that a command with `--json` wrote.
#[track_caller]
pub fn object(stdout: &str) -> Value {
    let objects = objects(stdout);
    assert_eq!(objects.len(), 1, "{stdout}");
    objects.into_iter().next().unwrap()
}
