// SPDX-License-Identifier: Apache-2.0
use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use cidecar::Cid;
use quiche::{Connection, ConnectionId};

use crate::QuicheCids;

/// The most CIDs that a client gets to hold as long as nothing has to be replaced.
const SPARES: usize = 24;
/// The most CIDs of one connection that an order replaces. quiche asks a client to retire a CID
/// only when the client holds as many as it takes, so one that takes more has to be filled up
/// first.
const MOST: usize = 256;
/// A client has a CID after this time, for all that a server can know.
const ARRIVED: Duration = Duration::from_millis(500);

/// The CIDs that the client of one connection holds: as many as it takes, up to 24, and new ones
/// when a rotation makes the old ones void. They are forgotten when this is dropped.
pub struct ConnectionCids {
    cids: QuicheCids,
    number: u64,
    /// Those that the client has not retired, the oldest first.
    held: VecDeque<(Cid, Instant)>,
    /// The DCID of the client's packets until it has seen a CID of ours.
    clients_choice: Vec<u8>,
}

impl ConnectionCids {
    pub(crate) fn new(cids: QuicheCids, first: Cid, clients_choice: &[u8]) -> Self {
        let mut this = Self {
            number: cids.table.add(),
            cids,
            held: VecDeque::new(),
            clients_choice: clients_choice.to_vec(),
        };
        let mut state = this.cids.table.state();
        state.routes.insert(clients_choice.to_vec(), this.number);
        drop(state);
        this.hold(first);
        this.report();
        this
    }

    /// The number to which [`QuicheCids::route`] leads for each CID of this connection.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Gives the client the CIDs that it lacks, and replaces those that an order covers. To be
    /// called after each packet that the connection has received, and at a [`Turn`](crate::Turn) of
    /// the connection; then send what the connection has to send.
    ///
    /// # Errors
    /// As [`Connection::new_scid`].
    pub fn update(&mut self, connection: &mut Connection) -> quiche::Result<()> {
        let mut changed = false;
        while let Some(retired) = connection.retired_scid_next() {
            self.cids.table.state().routes.remove(&retired[..]);
            self.held.retain(|(cid, _)| cid[..] != retired[..]);
            changed = true;
        }
        // With a 0b111 CID balancers go by the addresses, so there is no second CID.
        let routable = self.held.front().is_none_or(|(cid, _)| cid.routable());
        if routable && connection.is_established() && !connection.is_closed() {
            while self.wants_another(connection)
                && let Some(cid) = self.cids.pool().take_routable()
            {
                let token = u128::from_be_bytes(cid.reset_token());
                connection.new_scid(&ConnectionId::from_ref(&cid), token, true)?;
                self.hold(cid);
                changed = true;
            }
        }
        if changed {
            self.report();
        }
        Ok(())
    }

    /// To make a client retire an old CID, quiche has to give it one more than it takes. How many
    /// it takes is its active_connection_id_limit; quiche's `scids_left()` goes by that of this
    /// server where it is lower, and would never let a client be filled that takes more.
    ///
    /// quiche keeps fewer than twice as many as the client takes; to give it more is an error that
    /// spoils the connection. To retire a CID that was lost on its way ends the connection too,
    /// since quiche sends it once more. So all are replaced at once if the client must have them by
    /// now, else each has to wait until the client has retired the one before.
    fn wants_another(&self, connection: &Connection) -> bool {
        let limit = connection.peer_transport_params();
        let Some(limit) = limit.map(|params| params.active_conn_id_limit) else {
            return false;
        };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let issued = connection.active_scids();
        if issued < limit.min(SPARES) {
            return true;
        }
        if limit > MOST || issued >= 2 * limit - 1 {
            return false;
        }
        let asked = issued.saturating_sub(limit);
        self.held.get(asked).is_some_and(|(next, given)| {
            self.cids.table.replaces(self.number, next.generation())
                && (asked == 0 || given.elapsed() >= ARRIVED)
        })
    }

    fn hold(&mut self, cid: Cid) {
        let mut state = self.cids.table.state();
        state.routes.insert(cid.to_vec(), self.number);
        drop(state);
        self.held.push_back((cid, Instant::now()));
    }

    fn report(&self) {
        let routable = self.held.iter().filter(|(cid, _)| cid.routable());
        let mut held: Vec<u64> = routable.map(|(cid, _)| cid.generation()).collect();
        held.dedup();
        self.cids.table.holds(self.number, held);
    }
}

impl Drop for ConnectionCids {
    fn drop(&mut self) {
        let mut state = self.cids.table.state();
        for (cid, _) in &self.held {
            state.routes.remove(&cid[..]);
        }
        state.routes.remove(&self.clients_choice);
        state.connections.remove(&self.number);
    }
}

impl fmt::Debug for ConnectionCids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionCids")
            .field("number", &self.number)
            .field("held", &self.held)
            .finish_non_exhaustive()
    }
}
