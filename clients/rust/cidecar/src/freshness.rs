// SPDX-License-Identifier: Apache-2.0
use std::time::Duration;

/// Knows whether CIDs in stock may still be used: a client that hears nothing from its sidecar
/// does not hear of a rotation either. Times are those of [`crate::clock::since_boot`].
pub(crate) struct Freshness {
    lifetime: Option<Duration>,
    heard: Duration,
    passed: bool,
}

impl Freshness {
    pub(crate) fn new(now: Duration) -> Self {
        Self {
            lifetime: None,
            heard: now,
            passed: false,
        }
    }

    /// 0 where there is no limit.
    pub(crate) fn limit(&mut self, milliseconds: u32) {
        let lifetime = Duration::from_millis(milliseconds.into());
        self.lifetime = (milliseconds > 0).then_some(lifetime);
    }

    /// The sidecar said something.
    pub(crate) fn heard(&mut self, now: Duration) {
        self.heard = now;
        self.passed = false;
    }

    pub(crate) fn silence(&self, now: Duration) -> Duration {
        now.saturating_sub(self.heard)
    }

    /// Whether the lifetime has passed.
    pub(crate) fn passed(&self) -> bool {
        self.passed
    }

    /// Looks at the clock. True if the lifetime has passed since the look before.
    pub(crate) fn look(&mut self, now: Duration) -> bool {
        let over = self.lifetime.is_some_and(|most| self.silence(now) > most);
        let news = over && !self.passed;
        self.passed |= over;
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn passes_once_and_is_good_again_when_something_is_heard() {
        let mut freshness = Freshness::new(ms(1_000));
        freshness.limit(60_000);
        assert!(!freshness.look(ms(61_000)));
        assert!(freshness.look(ms(61_001)));
        assert!(freshness.passed());
        assert!(!freshness.look(ms(61_002)), "it is said once");
        freshness.heard(ms(70_000));
        assert!(!freshness.passed());
        assert!(!freshness.look(ms(130_000)));
        assert!(freshness.look(ms(130_001)));
    }

    #[test]
    fn has_no_limit_where_none_is_said() {
        let mut freshness = Freshness::new(ms(0));
        assert!(!freshness.look(ms(u64::MAX)));
        freshness.limit(1);
        freshness.limit(0);
        assert!(!freshness.look(ms(u64::MAX)));
    }
}
