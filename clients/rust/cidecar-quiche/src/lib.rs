// SPDX-License-Identifier: Apache-2.0
//! CIDs of a cidecar sidecar for servers on [quiche].
//!
//! quiche leaves it to its host which CIDs a connection has, and whose a packet is. Here is the
//! table for that, and what replaces the CIDs of each connection exactly when an order says so.

mod connection;
mod reset;
mod table;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cidecar::{Cid, CidPool, Error, Event, Options, Reissue, pace_reissue};
use quiche::Config;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::sleep;

pub use crate::connection::ConnectionCids;
use crate::reset::{ResetLimit, stateless_reset};
use crate::table::Table;

/// What a connection has to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Call [`ConnectionCids::update`] of the connection of this number, and send what it has to
    /// send.
    Replace(u64),
    /// The client did not retire its CIDs by the deadline: close the connection of this number.
    Close(u64),
}

/// What became of connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that were accepted.
    pub accepted: u64,
    /// Connections whose client has retired all CIDs that an order covered.
    pub moved: u64,
    /// Connections that were to be closed, because their CIDs could not be replaced in time.
    pub closed_for_reissue: u64,
}

/// The CIDs of a server on quiche, from its sidecar. Clones share them.
#[derive(Clone)]
pub struct QuicheCids {
    pool: CidPool,
    table: Arc<Table>,
    resets: Arc<Mutex<ResetLimit>>,
}

impl QuicheCids {
    /// Connects to the sidecar in the background, and passes its orders on as turns, spread over
    /// the time that there is. `tell` hears of all that happens, orders included, and must not
    /// wait; log what it is told.
    ///
    /// # Errors
    /// As [`CidPool::connect`].
    pub fn connect(
        options: Options,
        mut tell: impl FnMut(Event) + Send + 'static,
    ) -> Result<(Self, Turns), Error> {
        let (sender, turns) = unbounded_channel();
        let table = Arc::new(Table::new(sender));
        let held = table.clone();
        let options = options.can_retire(true).held(move || held.held());
        let (pool, mut events) = CidPool::connect(options)?;
        let orders = table.clone();
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                match event {
                    Event::Reissue(order) => drop(tokio::spawn(obey(orders.clone(), order))),
                    Event::Recovered => orders.again(),
                    _ => {}
                }
                // A hook that panics must not end this, or no later order would be obeyed.
                let _ = catch_unwind(AssertUnwindSafe(|| tell(event)));
            }
        });
        let resets = Arc::new(Mutex::new(ResetLimit::new(Instant::now())));
        let cids = Self {
            pool,
            table,
            resets,
        };
        Ok((cids, Turns(turns)))
    }

    /// Takes the first CID of a connection, and has `config` say its token, and not to migrate
    /// where it is a 0b111 CID. Call it before each [`quiche::accept`].
    ///
    /// # Errors
    /// While the CID length is unknown: await [`CidPool::ready`] before the first packet is read.
    pub fn first(&self, config: &mut Config) -> Result<Cid, Error> {
        let cid = self.pool.take()?;
        config.set_stateless_reset_token(Some(u128::from_be_bytes(cid.reset_token())));
        config.set_disable_active_migration(!cid.routable());
        Ok(cid)
    }

    /// Begins to keep the CIDs of a connection that was accepted with this one. `clients_choice` is
    /// the DCID of the packet that began it.
    pub fn accepted(&self, first: Cid, clients_choice: &[u8]) -> ConnectionCids {
        ConnectionCids::new(self.clone(), first, clients_choice)
    }

    /// The number of the connection that a DCID leads to.
    pub fn route(&self, dcid: &[u8]) -> Option<u64> {
        self.table.state().routes.get(dcid).copied()
    }

    /// What to answer a packet of so many octets with a short header that leads to no connection: a
    /// stateless reset, where the sidecar says that the CID is this server's. While it was not
    /// asked yet there is none; the client sends again. At most 100 a second come.
    pub fn reset(&self, dcid: &[u8], octets: usize) -> Option<Vec<u8>> {
        let token = self.pool.known_reset_token(dcid)?;
        let mut resets = self.resets.lock().unwrap_or_else(PoisonError::into_inner);
        let pass = resets.pass(Instant::now());
        pass.then(|| stateless_reset(octets, token)).flatten()
    }

    /// The pool that the CIDs come from.
    pub fn pool(&self) -> &CidPool {
        &self.pool
    }

    /// What became of connections until now.
    pub fn counts(&self) -> Counts {
        self.table.state().counts
    }
}

impl fmt::Debug for QuicheCids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuicheCids")
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}

/// What connections have to do, for the loop that serves them.
#[derive(Debug)]
pub struct Turns(UnboundedReceiver<Turn>);

impl Turns {
    /// The next turn; none when the pool is closed.
    pub async fn next(&mut self) -> Option<Turn> {
        self.0.recv().await
    }
}

async fn obey(table: Arc<Table>, order: Reissue) {
    let time = order.time_left();
    let began = Instant::now();
    pace_reissue(table.holders(&order), time, |number| {
        table.order(number, order);
    })
    .await;
    // One that is due leaves no time to replace anything, but the old CIDs may be good yet.
    sleep(time.max(began.elapsed() + LATE) - began.elapsed()).await;
    table.close(&order);
}

/// What clients are given at least to retire their CIDs.
const LATE: Duration = Duration::from_secs(5);
