// SPDX-License-Identifier: Apache-2.0
use std::time::Duration;

/// To connect to a unix socket costs nothing, and a sidecar that is back is to be noticed within
/// a second.
const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_millis(500);

/// The pauses between attempts: they double, with jitter, so that the servers of a host do not
/// come back at one moment.
pub(crate) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(crate) fn new() -> Self {
        Self { next: FIRST }
    }

    /// The sidecar has said something.
    pub(crate) fn start_anew(&mut self) {
        self.next = FIRST;
    }

    /// The sidecar does not keep the contract.
    pub(crate) fn use_longest(&mut self) {
        self.next = LONGEST;
    }

    /// How long to wait before the next attempt; `random` is any number.
    pub(crate) fn pause(&mut self, random: u32) -> Duration {
        let longest = self.next;
        self.next = (longest * 2).min(LONGEST);
        let part = f64::from(random) / f64::from(u32::MAX);
        longest / 2 + (longest / 2).mul_f64(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(backoff: &mut Backoff, random: u32, count: usize) -> Vec<u128> {
        (0..count)
            .map(|_| backoff.pause(random).as_millis())
            .collect()
    }

    #[test]
    fn doubles_to_half_a_second_with_half_of_it_as_jitter() {
        assert_eq!(
            pauses(&mut Backoff::new(), u32::MAX, 6),
            [50, 100, 200, 400, 500, 500]
        );
        assert_eq!(
            pauses(&mut Backoff::new(), 0, 6),
            [25, 50, 100, 200, 250, 250]
        );
    }

    #[test]
    fn starts_anew_or_takes_the_longest() {
        let mut backoff = Backoff::new();
        pauses(&mut backoff, 0, 4);
        backoff.start_anew();
        assert_eq!(pauses(&mut backoff, u32::MAX, 1), [50]);
        backoff.use_longest();
        assert_eq!(pauses(&mut backoff, u32::MAX, 1), [500]);
    }
}
