//! The list of cases, the clusters that they share, and the count at the end.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use libtest_mimic::{Failed, Trial};

use crate::cluster::{Cluster, Options, VERSIONS, Work};

/// Something that is to be so on every version.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// `file::function`.
    pub name: &'static str,
    /// How many jobs it starts on its cluster, at least.
    pub jobs: usize,
    /// The function, which fails by panicking.
    pub run: fn(&Cluster),
    /// It has a cluster of its own, like this, because it does to it what the others would not bear.
    pub own: Option<Options>,
}

/// Declares a file's cases: `jobs N: function` for those which use the cluster that all share, `own N: function` for
/// those which need one for themselves, with `N` jobs that each starts at least.
macro_rules! cases {
    ($($kind:ident $jobs:literal: $run:ident $(with $options:expr)?),* $(,)?) => {
        pub const CASES: &[crate::suite::Case] = &[$(crate::suite::Case {
            name: concat!(module_path!(), "::", stringify!($run)),
            jobs: $jobs,
            run: $run,
            own: cases!(@own $kind $($options)?),
        }),*];
    };
    (@own jobs) => { None };
    (@own own) => { Some(crate::cluster::Options { settings: &[], tls: false }) };
    (@own own $options:expr) => { Some($options) };
}
pub(crate) use cases;

/// One version's share of a run.
struct Versioned {
    version: &'static str,
    shared: OnceLock<Result<Cluster, String>>,
    /// Jobs that the cases which have run on the shared cluster started, at least.
    started: AtomicUsize,
}

/// A run of the tests.
pub struct Suite {
    versions: [Versioned; 2],
    work: Work,
    /// Two cores bear no more than one cluster besides the shared ones.
    own: Mutex<()>,
}

impl Suite {
    /// Nothing is started yet.
    pub fn new(work: Work) -> Self {
        let versions = VERSIONS.map(|version| Versioned {
            version,
            shared: OnceLock::new(),
            started: AtomicUsize::new(0),
        });
        Self {
            versions,
            work,
            own: Mutex::new(()),
        }
    }

    /// Each case on each version, those which need a cluster for themselves last. `engines` says whether they are run.
    pub fn trials(self: &Arc<Self>, cases: &[Case], engines: bool) -> Vec<Trial> {
        let mut cases = cases.to_vec();
        cases.sort_by_key(|case| case.own.is_some());
        let each = cases
            .iter()
            .flat_map(|case| (0..VERSIONS.len()).map(move |version| (*case, version)));
        let trials = each.map(|(case, version)| {
            let suite = Arc::clone(self);
            let name = case.name.trim_start_matches("flink::cases::");
            let name = format!("flink-{}::{name}", VERSIONS[version]);
            Trial::test(name, move || suite.run(&case, version).map_err(Failed::from)).with_ignored_flag(!engines)
        });
        trials.collect()
    }

    fn run(&self, case: &Case, version: usize) -> Result<(), String> {
        let versioned = &self.versions[version];
        if let Some(options) = case.own {
            let _one = self.own.lock().unwrap_or_else(PoisonError::into_inner);
            let name = format!("{}-{}", versioned.version, case.name.replace("::", "-"));
            let cluster = Cluster::start(versioned.version, &self.work, &name, options)?;
            (case.run)(&cluster);
            return count(&cluster, case.jobs);
        }
        let shared = versioned
            .shared
            .get_or_init(|| Cluster::start(versioned.version, &self.work, versioned.version, Options::default()));
        (case.run)(shared.as_ref().map_err(Clone::clone)?);
        versioned.started.fetch_add(case.jobs, Ordering::Relaxed);
        Ok(())
    }

    /// Counts the jobs that the shared clusters have seen and ends them.
    ///
    /// # Errors
    /// A cluster has seen fewer than the cases started: some of these only looked as if they did.
    pub fn end(&self) -> Result<(), String> {
        let mut counts = Vec::new();
        for versioned in &self.versions {
            if let Some(Ok(cluster)) = versioned.shared.get() {
                counts.push(count(cluster, versioned.started.load(Ordering::Relaxed)));
                cluster.stop();
            }
        }
        counts.into_iter().collect()
    }

    /// Where its clusters' files and logs are.
    pub const fn work(&self) -> &Work {
        &self.work
    }
}

fn count(cluster: &Cluster, started: usize) -> Result<(), String> {
    let seen = cluster.jobs_seen();
    if seen < started {
        let version = cluster.version();
        return Err(format!(
            "Flink {version} has seen {seen} jobs, but the cases started {started}"
        ));
    }
    Ok(())
}
