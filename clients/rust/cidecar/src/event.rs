// SPDX-License-Identifier: Apache-2.0
use std::collections::VecDeque;
use std::time::Duration;

use crate::error::Error;
use crate::orders::Reissue;

/// Events that are kept for a server that does not look; the oldest goes first, orders never.
const KEPT: usize = 256;

/// What happened to a pool.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// There is a Session: CIDs come, and orders to replace them.
    Connected,
    /// The Session is lost. The pool still serves what it has, until that is stale.
    Disconnected(Option<Error>),
    /// The sidecar has said nothing for the lifetime of its CIDs: a rotation may have made them
    /// void. `take()` gives 0b111 CIDs until the sidecar is heard again.
    Stale(Error),
    /// From here on `take()` gives 0b111 CIDs.
    Dry,
    /// CIDs are routable again.
    Recovered,
    /// Why there is no connection (once for each reason; the pool goes on trying), or what the
    /// sidecar sent that cannot be used. **Log it.**
    Trouble(Error),
    /// Live connections are to get new CIDs.
    Reissue(Reissue),
}

#[derive(Default)]
pub(crate) struct EventQueue {
    events: VecDeque<Event>,
    /// Nobody takes events any more.
    pub(crate) closed: bool,
}

impl EventQueue {
    pub(crate) fn push(&mut self, event: Event) {
        if self.closed {
            return;
        }
        self.events.push_back(event);
        if self.events.len() <= KEPT {
            return;
        }
        let is_order = |event: &Event| matches!(event, Event::Reissue(_));
        let oldest = self.events.iter().position(|event| !is_order(event));
        self.events.remove(oldest.unwrap_or(0));
    }

    pub(crate) fn pop(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
}

/// What a pool says of itself.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stats {
    /// Whether there is a Session.
    pub connected: bool,
    /// How many CIDs of the sidecar the pool holds.
    pub level: usize,
    /// The generation of the CIDs that are issued now; it grows when earlier ones become void.
    pub generation: u64,
    /// Whether `take()` gives 0b111 CIDs, as far as it was called.
    pub dry: bool,
    /// Whether what the pool holds is too old to be given.
    pub stale: bool,
    /// The time since the sidecar was last heard.
    pub silence: Duration,
    /// How many CIDs of the sidecar were taken, 0b111 ones included.
    pub taken: u64,
    /// How many 0b111 CIDs the pool made itself.
    pub made: u64,
    /// Why there is no connection; none where there is one.
    pub reason: Option<Error>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    #[test]
    fn keeps_orders_where_nobody_looks() {
        let mut queue = EventQueue::default();
        let order = Event::Reissue(Reissue {
            through_generation: 1,
            present_generation: 2,
            deadline: SystemTime::UNIX_EPOCH,
        });
        queue.push(order.clone());
        for _ in 0..1000 {
            queue.push(Event::Dry);
        }
        assert_eq!(queue.pop(), Some(order));
        assert_eq!(queue.events.len(), KEPT - 1);
        queue.closed = true;
        queue.push(Event::Dry);
        assert_eq!(queue.events.len(), KEPT - 1);
    }
}
