// SPDX-License-Identifier: Apache-2.0
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use cidecar::Reissue;
use tokio::sync::mpsc::UnboundedSender;

use crate::{Counts, Turn};

/// What all connections of a server share: whose a CID is, and which connections have to replace theirs.
pub(crate) struct Table {
    state: Mutex<State>,
    turns: UnboundedSender<Turn>,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) routes: HashMap<Vec<u8>, u64>,
    pub(crate) connections: HashMap<u64, Entry>,
    pub(crate) counts: Counts,
    last: u64,
}

/// A connection.
#[derive(Default)]
pub(crate) struct Entry {
    /// The generations of the routable CIDs that the client may still use, the oldest first.
    pub(crate) held: Vec<u64>,
    /// The orders that it has to obey, and has not yet.
    pub(crate) orders: Vec<Reissue>,
}

impl Entry {
    fn holds(&self, order: &Reissue) -> bool {
        self.held.iter().any(|generation| order.covers(*generation))
    }
}

impl Table {
    pub(crate) fn new(turns: UnboundedSender<Turn>) -> Self {
        Self {
            state: Mutex::default(),
            turns,
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self) -> u64 {
        let mut state = self.state();
        state.last += 1;
        state.counts.accepted += 1;
        let number = state.last;
        state.connections.insert(number, Entry::default());
        number
    }

    /// Sets which generations a connection holds, and counts it where it has obeyed.
    pub(crate) fn holds(&self, number: u64, held: Vec<u64>) {
        let mut state = self.state();
        let Some(entry) = state.connections.get_mut(&number) else {
            return;
        };
        entry.held = held;
        let before = entry.orders.len();
        let mut orders = std::mem::take(&mut entry.orders);
        orders.retain(|order| entry.holds(order));
        let moved = before > 0 && orders.is_empty();
        entry.orders = orders;
        state.counts.moved += u64::from(moved);
    }

    /// Whether CIDs of this generation have to be replaced.
    pub(crate) fn replaces(&self, number: u64, generation: u64) -> bool {
        let state = self.state();
        let orders = state.connections.get(&number).map(|entry| &entry.orders);
        orders.is_some_and(|orders| orders.iter().any(|order| order.covers(generation)))
    }

    /// Connections by the oldest generation that they hold.
    pub(crate) fn held(&self) -> Vec<(u64, u64)> {
        let mut held = BTreeMap::new();
        for entry in self.state().connections.values() {
            if let Some(oldest) = entry.held.first() {
                *held.entry(*oldest).or_insert(0) += 1;
            }
        }
        held.into_iter().collect()
    }

    /// The connections that hold CIDs which an order covers.
    pub(crate) fn holders(&self, order: &Reissue) -> Vec<u64> {
        let state = self.state();
        let connections = state.connections.iter();
        let holders = connections.filter(|(_, entry)| entry.holds(order));
        holders.map(|(number, _)| *number).collect()
    }

    /// A connection has to replace what the order covers.
    pub(crate) fn order(&self, number: u64, order: Reissue) {
        if let Some(entry) = self.state().connections.get_mut(&number) {
            entry.orders.push(order);
            self.tell(Turn::Replace(number));
        }
    }

    /// There are CIDs again: those that had to wait have their turn.
    pub(crate) fn again(&self) {
        let state = self.state();
        let waiting = state.connections.iter();
        for (number, _) in waiting.filter(|(_, entry)| !entry.orders.is_empty()) {
            self.tell(Turn::Replace(*number));
        }
    }

    pub(crate) fn close(&self, order: &Reissue) {
        for number in self.holders(order) {
            self.state().counts.closed_for_reissue += 1;
            self.tell(Turn::Close(number));
        }
    }

    fn tell(&self, turn: Turn) {
        // Where nobody looks there is no server any more.
        let _ = self.turns.send(turn);
    }
}
