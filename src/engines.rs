//! The drivers that this shell has. The only place, beside the drivers themselves, that names engines.

use std::sync::Arc;

use skep_engine::{Connection, Engine, Stores, Target};

use crate::error::{Error, ErrorKind};

/// Where one connects if nothing else is said.
pub const DEFAULT_URL: &str = "local:";

/// The drivers, by URL scheme.
#[derive(Clone, Default)]
pub struct Engines {
    drivers: Vec<Arc<dyn Engine>>,
}

impl Engines {
    /// The drivers that are built in.
    pub fn builtin() -> Self {
        let mut engines = Self::default();
        #[cfg(feature = "local")]
        engines.add(Arc::new(skep_local::LocalEngine));
        engines.add(Arc::new(crate::flink::FlinkRest::new()));
        engines.add(Arc::new(crate::flink::FlinkGateway::new()));
        engines.add(Arc::new(
            crate::hive::HiveServer2::new().with(Arc::new(crate::flink::BehindKyuubi)),
        ));
        engines
    }

    /// Adds a driver. Where it answers to a scheme that another has, it takes its place.
    pub fn add(&mut self, driver: Arc<dyn Engine>) {
        self.drivers.insert(0, driver);
    }

    /// A line for each driver: its URL schemes and what they reach.
    pub fn summaries(&self) -> Vec<&'static str> {
        self.drivers.iter().rev().map(|driver| driver.summary()).collect()
    }

    /// Connects to a target with the driver that its scheme names.
    ///
    /// # Errors
    /// No driver has the scheme, or the driver could not connect.
    pub async fn connect(&self, target: &Target) -> Result<Connection, Error> {
        let scheme = target.scheme();
        let driver = self
            .drivers
            .iter()
            .find(|driver| driver.schemes().contains(&scheme))
            .ok_or_else(|| {
                let known: Vec<_> = self
                    .drivers
                    .iter()
                    .flat_map(|driver| driver.schemes())
                    .copied()
                    .collect();
                Error::usage(format!("no engine has URLs that begin with {scheme:?}"))
                    .hint(format!("known are {}", known.join(", ")))
            })?;
        driver.connect(target).await.map_err(|error| {
            // The URL, or an option, is not what it has to be: nobody was asked anything.
            let is_usage = error.kind == skep_engine::ErrorKind::Rejected;
            let mut error = Error::from(error);
            if is_usage {
                error.kind = ErrorKind::Usage;
            }
            error
        })
    }

    /// The states that this machine has, of each engine but those that `except` has already.
    pub fn offline(&self, except: Option<&dyn Stores>) -> Vec<Arc<dyn Stores>> {
        let all = self.drivers.iter().filter_map(|driver| driver.offline());
        all.filter(|stores| except.is_none_or(|known| known.engine() != stores.engine()))
            .collect()
    }
}

impl std::fmt::Debug for Engines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.drivers.iter().map(|driver| driver.schemes()))
            .finish()
    }
}
