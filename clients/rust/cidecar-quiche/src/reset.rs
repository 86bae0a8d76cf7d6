// SPDX-License-Identifier: Apache-2.0
use std::time::Instant;

use cidecar::RESET_TOKEN_LENGTH;

/// Octets of the smallest stateless reset (RFC 9000, section 10.3).
const SMALLEST: usize = 21;
/// No reset has to be larger to look like a packet, whatever CID the client has.
const LARGEST: usize = 43;
/// Resets that may be sent at once, and in a second from then on.
const BURST: f64 = 32.0;
const A_SECOND: f64 = 100.0;

/// A stateless reset that ends with the token; none for what is too small to be answered. It is
/// smaller than the packet of so many octets that it answers, so two ends that know nothing of each
/// other do not answer each other for ever (RFC 9000, section 10.3.3).
pub(crate) fn stateless_reset(
    provoked_by: usize,
    token: [u8; RESET_TOKEN_LENGTH],
) -> Option<Vec<u8>> {
    let size = provoked_by.saturating_sub(1).min(LARGEST);
    if size < SMALLEST {
        return None;
    }
    let mut reset = vec![0; size];
    getrandom::fill(&mut reset).ok()?;
    reset[0] = reset[0] & 0x3f | 0x40; // A short header.
    reset[size - RESET_TOKEN_LENGTH..].copy_from_slice(&token);
    Some(reset)
}

/// Anybody can send packets of no connection, so there is an end to what they cost.
pub(crate) struct ResetLimit {
    left: f64,
    since: Instant,
}

impl ResetLimit {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            left: BURST,
            since: now,
        }
    }

    /// Whether one more may be sent now; it counts as sent.
    pub(crate) fn pass(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.since).as_secs_f64();
        self.left = (self.left + passed * A_SECOND).min(BURST);
        self.since = now;
        let pass = self.left >= 1.0;
        if pass {
            self.left -= 1.0;
        }
        pass
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn is_smaller_than_what_it_answers_and_ends_with_the_token() {
        for (provoked_by, size) in [(22, 21), (30, 29), (44, 43), (1500, 43)] {
            let reset = stateless_reset(provoked_by, [7; 16]).expect("is answered");
            assert_eq!(reset.len(), size);
            assert_eq!(reset[0] & 0xc0, 0x40);
            assert_eq!(reset[size - 16..], [7; 16]);
        }
        assert_eq!(stateless_reset(21, [7; 16]), None);
    }

    #[test]
    fn there_is_an_end_to_resets() {
        let now = Instant::now();
        let mut limit = ResetLimit::new(now);
        let at_once = (0..100).filter(|_| limit.pass(now)).count();
        assert_eq!(at_once, 32);
        assert!(!limit.pass(now + Duration::from_millis(9)));
        assert!(limit.pass(now + Duration::from_millis(21)));
        let later = now + Duration::from_secs(60);
        assert_eq!((0..100).filter(|_| limit.pass(later)).count(), 32);
    }
}
