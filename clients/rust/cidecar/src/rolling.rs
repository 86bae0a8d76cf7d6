// SPDX-License-Identifier: Apache-2.0
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::cid::Cid;
use crate::error::Error;
use crate::event::Event;
use crate::options::Options;
use crate::orders::Reissue;
use crate::pace::pace_reissue;
use crate::pool::CidPool;

/// For so long after it was asked to retire a CID a peer may still use it.
const GRACE: Duration = Duration::from_secs(5);
/// The part of the time to a deadline in which CIDs roll over by themselves, in percent.
const ROLL_PERCENT: u32 = 80;

/// Connections of a stack that replaces the CIDs of each after a lifetime, all by itself, and tells
/// nobody which connection has which (quinn, s2n-quic). What they hold follows from the time at
/// which the last CID of a generation was given out. For those who adapt a stack.
///
/// Clones share one set of connections.
pub struct RollingCids<Connection> {
    lifetime: Duration,
    shared: Arc<Mutex<Shared<Connection>>>,
}

struct Shared<Connection> {
    /// When the last routable CID of each generation was given out, in the order in which the first
    /// was.
    last_given: Vec<(u64, Instant)>,
    connections: HashMap<u64, (Instant, Connection)>,
    next: u64,
    counts: RollingCounts,
}

/// What became of connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RollingCounts {
    /// Connections that are open.
    pub open: u64,
    /// Connections that were opened.
    pub accepted: u64,
    /// Connections that were given new CIDs in time after an order.
    pub moved: u64,
    /// Connections that were closed, because their CIDs could not be replaced in time.
    pub closed_for_reissue: u64,
}

impl<Connection: Clone + Send + 'static> RollingCids<Connection> {
    /// A CID is retired when it is as old as `lifetime`. That is to be less than 80 % of the time
    /// that the sidecar gives for a reissue (`--reissue-within`), or connections are closed.
    pub fn new(lifetime: Duration) -> Self {
        Self {
            lifetime,
            shared: Arc::new(Mutex::new(Shared {
                last_given: Vec::new(),
                connections: HashMap::new(),
                next: 0,
                counts: RollingCounts::default(),
            })),
        }
    }

    /// A pool for such a stack, which obeys the orders of its sidecar in the background: `close` is
    /// called for connections whose CIDs do not roll over in time. `tell` hears of all that
    /// happens, orders included, and must not wait. The lifetime is that of [`new`](Self::new).
    ///
    /// # Errors
    /// As [`CidPool::connect`].
    pub fn connect(
        options: Options,
        lifetime: Duration,
        close: fn(&Connection),
        mut tell: impl FnMut(Event) + Send + 'static,
    ) -> Result<(CidPool, Self), Error> {
        let rolling = Self::new(lifetime);
        let held = rolling.clone();
        let options = options.can_retire(true).held(move || held.held());
        let (pool, mut events) = CidPool::connect(options)?;
        let orders = rolling.clone();
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                if let Event::Reissue(order) = event {
                    let orders = orders.clone();
                    tokio::spawn(async move { orders.obey(order, close).await });
                }
                // A hook that panics must not end this, or no later order would be obeyed.
                let _ = catch_unwind(AssertUnwindSafe(|| tell(event)));
            }
        });
        Ok((pool, rolling))
    }

    fn shared(&self) -> MutexGuard<'_, Shared<Connection>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A CID was given to a connection, whichever.
    pub fn gave(&self, cid: &Cid) {
        if cid.routable() {
            self.shared().gave(cid.generation(), Instant::now());
        }
    }

    /// A connection is there. Returns the number by which it is [`closed`](Self::closed) later.
    /// `began` is a time before its first CID was given out.
    pub fn opened(&self, connection: Connection, began: Instant) -> u64 {
        let mut shared = self.shared();
        shared.next += 1;
        shared.counts.accepted += 1;
        let number = shared.next;
        shared.connections.insert(number, (began, connection));
        number
    }

    /// A connection has ended.
    pub fn closed(&self, number: u64) {
        self.shared().connections.remove(&number);
    }

    /// The connections that are open.
    pub fn open(&self) -> Vec<Connection> {
        let shared = self.shared();
        let connections = shared.connections.values();
        connections.map(|(_, open)| open.clone()).collect()
    }

    /// What became of connections until now.
    pub fn counts(&self) -> RollingCounts {
        let shared = self.shared();
        RollingCounts {
            open: shared.connections.len() as u64,
            ..shared.counts
        }
    }

    /// Connections by the oldest generation of the CIDs that their peers may still use.
    pub fn held(&self) -> Vec<(u64, u64)> {
        let mut shared = self.shared();
        let now = Instant::now();
        shared.forget(now, self.lifetime);
        let mut held = BTreeMap::new();
        for (began, _) in shared.connections.values() {
            if let Some(generation) = shared.oldest(*began) {
                *held.entry(generation).or_insert(0) += 1;
            }
        }
        held.into_iter().collect()
    }

    /// Sees to it that no connection uses a CID of the order after the deadline: they roll over by
    /// themselves, and those for which the time is too short are closed, the oldest first.
    pub async fn obey(&self, order: Reissue, close: impl Fn(&Connection)) {
        let before = self.holders(order);
        let time = order.time_left();
        let roll = (time / 100 * ROLL_PERCENT).min(self.lifetime + GRACE);
        sleep(roll).await;
        let late = self.holders(order);
        let mut closed = 0;
        pace_reissue(late, time.saturating_sub(roll), |number| {
            // It may have ended or rolled over while others had their turn.
            if let Some(connection) = self.holder(order, number) {
                // One that panics must not keep the others from their turn.
                let _ = catch_unwind(AssertUnwindSafe(|| close(&connection)));
                closed += 1;
            }
        })
        .await;
        let after = self.holders(order);
        let mut shared = self.shared();
        let moved = |number: &&u64| shared.connections.contains_key(number);
        let open = before.iter().filter(moved);
        let moved = open
            .filter(|number| after.binary_search(number).is_err())
            .count() as u64;
        shared.counts.moved += moved;
        shared.counts.closed_for_reissue += closed;
    }

    /// The numbers of connections that may hold CIDs that an order covers, the oldest first.
    fn holders(&self, order: Reissue) -> Vec<u64> {
        let mut shared = self.shared();
        shared.forget(Instant::now(), self.lifetime);
        let connections = shared.connections.iter();
        let mut holders: Vec<u64> = connections
            .filter(|(_, (began, _))| shared.holds(order, *began))
            .map(|(number, _)| *number)
            .collect();
        holders.sort_unstable();
        holders
    }

    /// The connection of this number, if it may hold CIDs that an order covers.
    fn holder(&self, order: Reissue, number: u64) -> Option<Connection> {
        let mut shared = self.shared();
        shared.forget(Instant::now(), self.lifetime);
        let (began, connection) = shared.connections.get(&number)?;
        shared.holds(order, *began).then(|| connection.clone())
    }
}

impl<Connection> Shared<Connection> {
    fn gave(&mut self, generation: u64, now: Instant) {
        let mut given = self.last_given.iter_mut();
        match given.find(|(known, _)| *known == generation) {
            Some((_, last)) => *last = now,
            None => self.last_given.push((generation, now)),
        }
    }

    /// Forgets generations of which all CIDs are retired. The newest may go on being given out.
    fn forget(&mut self, now: Instant, lifetime: Duration) {
        let newest = self.last_given.iter().max_by_key(|(_, given)| *given);
        let newest = newest.map(|(generation, _)| *generation);
        self.last_given.retain(|(generation, given)| {
            Some(*generation) == newest || *given + lifetime + GRACE > now
        });
    }

    /// Whether a connection that began at this time may hold CIDs that an order covers.
    fn holds(&self, order: Reissue, began: Instant) -> bool {
        let mut given = self.last_given.iter();
        given.any(|(generation, given)| order.covers(*generation) && *given >= began)
    }

    /// The oldest generation of which a CID was given out since a connection began.
    fn oldest(&self, began: Instant) -> Option<u64> {
        let mut given = self.last_given.iter();
        given
            .find(|(_, given)| *given >= began)
            .map(|(generation, _)| *generation)
    }
}

impl<Connection> Clone for RollingCids<Connection> {
    fn clone(&self) -> Self {
        Self {
            lifetime: self.lifetime,
            shared: self.shared.clone(),
        }
    }
}

impl<Connection> fmt::Debug for RollingCids<Connection> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RollingCids")
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::time::SystemTime;
    use tokio::time::advance;

    const SECOND: Duration = Duration::from_secs(1);

    fn rolling() -> RollingCids<&'static str> {
        RollingCids::new(60 * SECOND)
    }

    fn give(rolling: &RollingCids<&'static str>, generation: u64) {
        rolling.gave(&Cid::new(&[1; 8], [0; 16], true, generation));
    }

    fn open(rolling: &RollingCids<&'static str>, name: &'static str, generation: u64) -> u64 {
        let began = Instant::now();
        give(rolling, generation);
        rolling.opened(name, began)
    }

    /// With so many seconds left; wall clocks do not stand still in tests.
    fn order(through_generation: u64, seconds: u32) -> Reissue {
        Reissue {
            through_generation,
            present_generation: through_generation + 1,
            deadline: SystemTime::now() + seconds * SECOND + SECOND / 2,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn holds_a_generation_until_its_last_cid_is_retired() {
        let rolling = rolling();
        open(&rolling, "old", 1);
        advance(10 * SECOND).await;
        give(&rolling, 1);
        give(&rolling, 2);
        advance(SECOND).await;
        open(&rolling, "new", 2);
        assert_eq!(rolling.held(), [(1, 1), (2, 1)]);
        advance(63 * SECOND).await;
        assert_eq!(rolling.held(), [(1, 1), (2, 1)]);
        advance(2 * SECOND).await;
        assert_eq!(rolling.held(), [(2, 2)]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_present_generation_is_held_however_long_nothing_was_given() {
        let rolling = rolling();
        let number = open(&rolling, "idle", 1);
        advance(1000 * SECOND).await;
        assert_eq!(rolling.held(), [(1, 1)]);
        rolling.closed(number);
        assert_eq!(rolling.held(), []);
    }

    #[tokio::test(start_paused = true)]
    async fn connections_roll_over_where_there_is_time() {
        let rolling = rolling();
        open(&rolling, "a", 1);
        open(&rolling, "b", 1);
        advance(SECOND).await;
        give(&rolling, 2);
        rolling
            .obey(order(1, 100), |name| panic!("{name} is closed"))
            .await;
        assert_eq!(rolling.counts().moved, 2);
        assert_eq!(rolling.held(), [(2, 2)]);
    }

    #[tokio::test(start_paused = true)]
    async fn connections_are_closed_where_there_is_none() {
        let rolling = rolling();
        let [first, second] = ["a", "b"].map(|name| open(&rolling, name, 1));
        advance(SECOND).await;
        open(&rolling, "c", 2);
        let closed = RefCell::new(Vec::new());
        rolling
            .obey(order(1, 20), |name| {
                closed.borrow_mut().push(*name);
                rolling.closed(if *name == "a" { first } else { second });
            })
            .await;
        assert_eq!(*closed.borrow(), ["a", "b"]);
        let counts = rolling.counts();
        assert_eq!(
            (counts.moved, counts.closed_for_reissue, counts.open),
            (0, 2, 1)
        );
    }
}
