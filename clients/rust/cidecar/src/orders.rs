// SPDX-License-Identifier: Apache-2.0
use std::time::{Duration, SystemTime};

/// Connections have to replace their CIDs of generations up to `through_generation`, spread over
/// the time until the deadline ([`pace_reissue`](crate::pace_reissue) does that). The pool has
/// routable CIDs for it when it says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reissue {
    /// The highest generation whose CIDs are to be replaced.
    pub through_generation: u64,
    /// The generation of the CIDs that replace them, which is higher.
    pub present_generation: u64,
    /// In the past where the sidecar was out of reach for long: the order is due now.
    pub deadline: SystemTime,
}

impl Reissue {
    /// Whether CIDs of this generation have to be replaced.
    pub fn covers(&self, generation: u64) -> bool {
        generation <= self.through_generation
    }

    /// The time that is left; none where the order is due.
    pub fn time_left(&self) -> Duration {
        let left = self.deadline.duration_since(SystemTime::now());
        left.unwrap_or(Duration::ZERO)
    }
}

/// Decides when a pool asks for CIDs that it gave out to be replaced, and up to which generation.
/// Generations are those that the server knows.
#[derive(Default)]
pub(crate) struct ReissueOrders {
    /// The oldest generation of a routable CID that was taken since the last reissue.
    oldest_taken: Option<u64>,
    ordered_through: u64,
    /// An order for which there are no CIDs yet.
    pending: Option<Reissue>,
}

impl ReissueOrders {
    /// The lowest generation of CIDs that were taken and not ordered to be replaced; 0: none.
    pub(crate) fn oldest(&self) -> u64 {
        self.oldest_taken.unwrap_or(0)
    }

    pub(crate) fn took(&mut self, generation: u64) {
        let oldest = self.oldest_taken.unwrap_or(generation);
        self.oldest_taken = Some(oldest.min(generation));
    }

    /// Takes an order. Known ones, which come again with each Session, change nothing.
    pub(crate) fn order(&mut self, order: Reissue) {
        if order.through_generation <= self.ordered_through {
            return;
        }
        self.ordered_through = order.through_generation;
        let earlier = self.pending.map_or(order.deadline, |held| held.deadline);
        self.pending = Some(Reissue {
            deadline: earlier.min(order.deadline),
            ..order
        });
    }

    /// The sidecar lost its state and began anew at a lower generation, which is `first` to the
    /// server. `before` is the last that the server knew; an order that waits for CIDs covers all
    /// up to that, as does each order that comes.
    pub(crate) fn start_anew(&mut self, before: u64, first: u64) {
        // For orders, all that was taken counts as of this one.
        self.oldest_taken = Some(first);
        if let Some(order) = &mut self.pending {
            order.through_generation = before;
        }
    }

    /// The order to give now that there are CIDs of this generation, if there is one.
    pub(crate) fn next(&mut self, generation: u64) -> Option<Reissue> {
        let order = self
            .pending
            .take_if(|order| generation > order.through_generation)?;
        if self
            .oldest_taken
            .is_some_and(|oldest| oldest <= order.through_generation)
        {
            self.oldest_taken = Some(order.through_generation + 1);
        }
        Some(Reissue {
            present_generation: generation,
            ..order
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(through_generation: u64, seconds: u64) -> Reissue {
        let deadline = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        Reissue {
            through_generation,
            present_generation: 0,
            deadline,
        }
    }

    /// What is given for an order when there are CIDs of a generation.
    fn given(orders: &mut ReissueOrders, generation: u64) -> Option<(u64, SystemTime)> {
        let order = orders.next(generation)?;
        assert_eq!(order.present_generation, generation);
        Some((order.through_generation, order.deadline))
    }

    fn at(seconds: u64) -> SystemTime {
        order(0, seconds).deadline
    }

    #[test]
    fn an_order_waits_for_cids_of_a_later_generation_and_comes_once() {
        let mut orders = ReissueOrders::default();
        orders.took(3);
        orders.order(order(3, 10));
        assert_eq!(orders.next(3), None);
        assert_eq!(given(&mut orders, 4), Some((3, at(10))));
        assert_eq!(orders.oldest(), 4);
        orders.order(order(3, 20));
        assert_eq!(orders.next(4), None);
    }

    #[test]
    fn of_two_that_wait_the_sooner_deadline_counts() {
        let mut orders = ReissueOrders::default();
        orders.order(order(1, 10));
        orders.order(order(2, 5));
        orders.order(order(3, 20));
        assert_eq!(given(&mut orders, 4), Some((3, at(5))));
    }

    #[test]
    fn the_lowest_generation_in_use_is_kept() {
        let mut orders = ReissueOrders::default();
        assert_eq!(orders.oldest(), 0);
        for generation in [5, 4, 6] {
            orders.took(generation);
        }
        assert_eq!(orders.oldest(), 4);
        orders.order(order(4, 0));
        orders.next(6);
        assert_eq!(orders.oldest(), 5, "those of 5 and 6 may be in use");
    }

    #[test]
    fn after_a_start_anew_every_order_covers_all_that_was_taken_before() {
        let mut orders = ReissueOrders::default();
        orders.took(2000);
        orders.order(order(1999, 10));
        orders.start_anew(2001, 3001);
        assert_eq!(orders.oldest(), 3001);
        assert_eq!(given(&mut orders, 3001), Some((2001, at(10))));
        orders.took(3001);
        orders.order(order(3001, 20));
        assert_eq!(given(&mut orders, 3002), Some((3001, at(20))));
        assert!(order(3001, 20).covers(2001) && !order(3001, 20).covers(3002));
    }
}
