//! An async client of HiveServer2 and of what speaks its protocol: Spark Thrift Server, Kyuubi, that one also by its REST API.
//!
//! [`Client`] is a connection to a server at an [`Endpoint`]: over TCP bare ([`Transport::Plain`]) or within SASL frames
//! ([`Transport::Sasl`], [`Transport::Kerberos`]), or over HTTP ([`Transport::Http`]), each with TLS or without. Its methods are the calls of the
//! service `TCLIService` in the versions 6 to 11 of its protocol, in which results are columnar; they become Arrow arrays
//! without a value for each cell. With [`Transport::Rest`] the same methods are requests to Kyuubi, whose rows become the
//! same arrays.
//!
//! Three rules hold. Every call has a time limit ([`Limits`]). Nothing is sent twice. What a server sends is bounded before
//! it is stored: a message by [`MESSAGE_LIMIT`], every length in it by the bytes that are there.

mod calls;
mod column;
mod connection;
mod error;
#[cfg(fuzzing)]
pub mod fuzzing;
mod limits;
mod page;
mod registry;
mod rest;
mod schema;
mod service;
mod thrift;
mod transport;

pub use connection::Client;
pub use error::{Caller, Error, Failure, Result};
pub use limits::Limits;
pub use page::{Orientation, Page};
pub use registry::Registry;
pub use rest::{EngineEntry, OperationEntry, SessionEntry};
pub use schema::{ColumnType, TableSchema, TypeId};
pub use service::{
    Handle, OperationHandle, OperationState, OperationStatus, Progress, Protocol, RowSet, Session, SessionHandle,
};
pub use transport::{
    Authorization, Endpoint, Header, KERBEROS, MESSAGE_LIMIT, Pem, Principal, Protection, Spoken, Tls, Transport,
    spoken,
};
