//! The driver of `flink-rest://` against replies recorded from real clusters.
#![allow(clippy::unwrap_used, reason = "a test that can not go on panics")]

mod faults;
mod saved;
mod secure;
mod server;
mod shell;
mod verbs;

use std::sync::Arc;

use skep::flink::{FlinkRest, Limits};
use skep_engine::{Connection, Engine, JobControl, JobId, Result, SavepointRequest, Stores, Target};

use crate::world::LIMIT;
use server::Server;

/// The versions that replies were recorded from.
const VERSIONS: [&str; 2] = ["2.3.0", "1.20.3"];

/// Limits that nothing reaches but what hangs. A test that waits for one sets it itself.
fn limits() -> Limits {
    Limits {
        connect: LIMIT,
        request: LIMIT,
        body: 1 << 20,
        tasks: LIMIT,
        operation: LIMIT,
        outage: LIMIT,
    }
}

async fn connect(server: &Server) -> Result<Connection> {
    connect_with(server, limits()).await
}

async fn connect_with(server: &Server, limits: Limits) -> Result<Connection> {
    let target = Target::new(server.url.clone(), "/nonexistent");
    FlinkRest::with_limits(limits).connect(&target).await
}

/// A connection's job verbs.
async fn jobs(server: &Server) -> Arc<dyn JobControl> {
    connect(server).await.unwrap().jobs.unwrap()
}

/// A connection's savepoints.
async fn stores(server: &Server) -> Arc<dyn Stores> {
    connect(server).await.unwrap().stores.unwrap()
}

/// A request for a savepoint with an id of our own.
fn savepoint_request(n: u8) -> SavepointRequest {
    SavepointRequest {
        trigger: trigger(n),
        dir: None,
        format: skep_engine::Format::Canonical,
        numbered: false,
    }
}

const fn trigger(n: u8) -> JobId {
    JobId::from_bytes([n; 16])
}
