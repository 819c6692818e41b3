//! The list of cases, the clusters that they share, and the count at the end.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use libtest_mimic::{Failed, Trial};

use crate::cluster::{Cluster, Options, VERSIONS, Work};
#[cfg(feature = "cloud")]
use crate::store::S3;
use crate::store::{self, Hdfs};

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

/// A case in S3: one that is for any store, or one for this.
#[cfg(feature = "cloud")]
#[derive(Clone, Copy)]
enum Run {
    Any(fn(&dyn store::Store)),
    S3(fn(&S3)),
}

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
    hdfs: OnceLock<Result<Hdfs, String>>,
    #[cfg(feature = "cloud")]
    s3: OnceLock<Result<S3, String>>,
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
            hdfs: OnceLock::new(),
            #[cfg(feature = "cloud")]
            s3: OnceLock::new(),
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
        let stores = self
            .in_stores()
            .into_iter()
            .map(|trial| trial.with_ignored_flag(!engines));
        stores.chain(trials).collect()
    }

    /// What is to be so wherever saved states lie, in each store.
    fn in_stores(self: &Arc<Self>) -> Vec<Trial> {
        let mut trials = Vec::new();
        for case in store::cases::ALL {
            let suite = Arc::clone(self);
            trials.push(Trial::test(format!("store-hdfs::{}", case.name), move || {
                let store = suite.hdfs.get_or_init(|| Hdfs::start(&suite.work));
                (case.run)(store.as_ref().map_err(Clone::clone)?);
                Ok(())
            }));
        }
        #[cfg(feature = "cloud")]
        trials.extend(self.in_s3());
        trials
    }

    #[cfg(feature = "cloud")]
    fn in_s3(self: &Arc<Self>) -> impl Iterator<Item = Trial> {
        let any = store::cases::ALL.map(|case| (case.name, Run::Any(case.run)));
        let own = store::s3::CASES.map(|(name, run)| (name, Run::S3(run)));
        let suite = Arc::clone(self);
        any.into_iter().chain(own).map(move |(name, run)| {
            let suite = Arc::clone(&suite);
            Trial::test(format!("store-s3::{name}"), move || {
                let store = suite.s3.get_or_init(|| S3::start(&suite.work));
                let store = store.as_ref().map_err(Clone::clone)?;
                match run {
                    Run::Any(run) => run(store),
                    Run::S3(run) => run(store),
                }
                Ok(())
            })
        })
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
        if let Some(Ok(hdfs)) = self.hdfs.get() {
            hdfs.server.stop();
        }
        #[cfg(feature = "cloud")]
        if let Some(Ok(s3)) = self.s3.get() {
            s3.server.stop();
        }
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
