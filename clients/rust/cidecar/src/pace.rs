// SPDX-License-Identifier: Apache-2.0
use std::time::Duration;

use tokio::time::Instant;

/// The part of the time that is used, in percent. The rest is left for connections that are slow.
const USED_PERCENT: u32 = 80;
/// Between two steps, each of one connection or a few.
const STEP: Duration = Duration::from_millis(20);

/// Calls `replace` for each item, spread evenly over 80 % of `within`: new CIDs for all connections
/// at once would be a burst on the network and a queue at the sidecar. Where no time is left, all
/// are replaced at once. The stack has to keep to the active_connection_id_limit of each
/// connection.
///
/// `replace` is called once for each item, in their order. Give those that are idle first where
/// they have to be closed. To drop the future ends it.
///
/// # Panics
/// Outside of a tokio runtime.
pub async fn pace_reissue<Item>(
    items: impl IntoIterator<Item = Item, IntoIter: ExactSizeIterator>,
    within: Duration,
    mut replace: impl FnMut(Item),
) {
    let mut items = items.into_iter();
    let count = items.len();
    let began = Instant::now();
    let time = within / 100 * USED_PERCENT; // In this order nothing is too long.
    let mut done = 0;
    while done < count {
        let due = due(began.elapsed(), time, count).max(done + 1);
        for item in items.by_ref().take(due - done) {
            replace(item);
        }
        done = due;
        if done < count {
            tokio::time::sleep((time / count as u32).max(STEP)).await;
        }
    }
}

/// How many of `count` items have had their turn when so much of the time has passed.
fn due(passed: Duration, time: Duration, count: usize) -> usize {
    if passed >= time {
        return count;
    }
    let part = passed.as_secs_f64() / time.as_secs_f64();
    ((part * count as f64).ceil() as usize).min(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When each item had its turn, in milliseconds.
    async fn turns(count: u64, within: Duration) -> Vec<u128> {
        let began = Instant::now();
        let mut turns = Vec::new();
        pace_reissue(0..count as usize, within, |item| {
            assert_eq!(item, turns.len());
            turns.push(began.elapsed().as_millis());
        })
        .await;
        turns
    }

    #[tokio::test(start_paused = true)]
    async fn spreads_a_few_evenly_over_most_of_the_time() {
        let turns = turns(5, Duration::from_secs(10)).await;
        assert_eq!(turns.len(), 5);
        assert_eq!(turns[0], 0);
        for (item, at) in (0..).zip(&turns) {
            let even = item * 1_600;
            assert!((even..even + 20).contains(at), "{turns:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn takes_several_at_a_step_where_there_are_many() {
        let turns = turns(10_000, Duration::from_secs(10)).await;
        assert_eq!(turns.len(), 10_000);
        let last = turns[9_999];
        assert!((7_900..=8_100).contains(&last), "{last}");
        for window in turns.windows(500) {
            assert!(window[0] < window[499], "500 at one moment");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn does_all_at_once_where_no_time_is_left() {
        assert_eq!(turns(100, Duration::ZERO).await, [0; 100]);
        assert_eq!(turns(0, Duration::from_secs(1)).await, []);
        assert_eq!(turns(1, Duration::MAX).await, [0]);
    }
}
