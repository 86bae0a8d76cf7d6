// SPDX-License-Identifier: Apache-2.0
//! The client of a cidecar sidecar, for the author of a QUIC server.
//!
//! A sidecar issues connection IDs (CIDs) that carry the ID of its server, so that load balancers
//! send each packet there, whatever its address. [`CidPool`] keeps a supply of them, which the
//! hooks of a QUIC stack empty without waiting.
//!
//! ```no_run
//! # async fn serve() -> Result<(), cidecar::Error> {
//! use cidecar::{CidPool, Event, Options};
//!
//! let (pool, mut events) = CidPool::connect(Options::unix("/run/cidecar/web-1/sidecar.sock"))?;
//! pool.ready().await?; // a server must not start before it knows the CID length
//! let cid = pool.take()?; // neither waits nor fails from here on
//! while let Some(event) = events.next().await {
//!     match event {
//!         Event::Reissue(order) => println!("replace CIDs within {:?}", order.time_left()),
//!         Event::Trouble(error) => eprintln!("{error}"),
//!         _ => {}
//!     }
//! }
//! # Ok(()) }
//! ```
//!
//! Servers on quinn, s2n-quic or quiche take `cidecar-quinn`, `cidecar-s2n` or `cidecar-quiche`,
//! which do with those stacks what docs/clients.md of cidecar asks of a server.

mod backoff;
mod check;
mod cid;
mod clock;
mod error;
mod event;
mod events;
mod failover;
#[cfg(feature = "minting")]
mod feistel;
mod freshness;
mod given;
mod grpc;
mod held;
mod http2;
mod inner;
#[cfg(feature = "minting")]
mod lease;
mod link;
#[cfg(feature = "minting")]
mod minter;
mod options;
mod orders;
mod outbox;
mod pace;
mod pool;
mod questions;
mod queue;
mod rolling;
mod session;
mod siphash;
mod state;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "minting")]
mod tokens;
#[cfg(feature = "minting")]
mod unary;
mod wire;

pub use cid::{Cid, MAX_CID_LENGTH, MIN_CID_LENGTH, RESET_TOKEN_LENGTH};
pub use error::{Error, ErrorKind};
pub use event::{Event, Stats};
pub use events::Events;
pub use given::ResetTokens;
#[cfg(feature = "minting")]
pub use lease::Lease;
pub use options::Options;
pub use orders::Reissue;
pub use pace::pace_reissue;
pub use pool::CidPool;
pub use rolling::{RollingCids, RollingCounts};
