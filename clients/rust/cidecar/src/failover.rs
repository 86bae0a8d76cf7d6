// SPDX-License-Identifier: Apache-2.0
//! 0b111 CIDs that are made in this process while a pool is dry, none of them twice.
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::cid::{Cid, MAX_CID_LENGTH};
use crate::siphash::SipKey;

/// Octets of a CID that a counter under a permutation fills, at most. Further ones only look
/// random.
const MOST_PERMUTED: usize = 10;
/// Octets of the host ID that are zeroes where the pool has a Katran V3 config.
const ZEROES: usize = 4;
/// Rounds of the permutation: more than a small half needs to look random.
const ROUNDS: u64 = 8;

/// One for all pools, because no CID may leave this process twice, whichever pool makes it.
static OF_THIS_PROCESS: LazyLock<Mutex<FailoverCids>> =
    LazyLock::new(|| Mutex::new(FailoverCids::new(random())));

/// A CID of this process, and whether they repeat from here on: this is the first of a new round.
pub(crate) fn take(form: Form, generation: u64) -> (Cid, bool) {
    let mut cids = OF_THIS_PROCESS
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    cids.take(form, generation)
}

/// Random octets of the system.
///
/// # Panics
/// Where the system has none: a process without them cannot serve QUIC either.
pub(crate) fn random<const LENGTH: usize>() -> [u8; LENGTH] {
    let mut octets = [0; LENGTH];
    getrandom::fill(&mut octets).expect("the system has random octets");
    octets
}

/// How the 0b111 CIDs of a server look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Form {
    /// Octets, 8 to 20.
    pub(crate) length: usize,
    /// Whether octets 1 to 4 are zeroes.
    pub(crate) zero_host_id: bool,
}

impl Form {
    /// Where the octets begin that differ.
    fn body(self) -> usize {
        if self.zero_host_id { 1 + ZEROES } else { 1 }
    }

    fn permuted(self) -> usize {
        (self.length - self.body()).min(MOST_PERMUTED)
    }

    /// A number for each form.
    fn number(self) -> u64 {
        self.length as u64 * 2 + u64::from(self.zero_host_id)
    }
}

struct FailoverCids {
    order: SipKey,
    filling: SipKey,
    tokens: SipKey,
    /// How many CIDs of each form were made, by its number.
    made: [u128; 2 * MAX_CID_LENGTH + 2],
    /// Where the counters of all forms begin.
    start: u128,
}

impl FailoverCids {
    fn new(secret: [u8; 64]) -> Self {
        let mut parts = secret.chunks_exact(16).map(|part| {
            let mut key = [0; 16];
            key.copy_from_slice(part);
            key
        });
        let mut part = || parts.next().unwrap_or_default();
        Self {
            order: SipKey::new(part()),
            filling: SipKey::new(part()),
            tokens: SipKey::new(part()),
            made: [0; 2 * MAX_CID_LENGTH + 2],
            start: u128::from_le_bytes(part()),
        }
    }

    fn take(&mut self, form: Form, generation: u64) -> (Cid, bool) {
        let bits = 8 * form.permuted() as u32;
        let made = &mut self.made[form.number() as usize];
        let again = *made >> bits == 1;
        if again {
            *made = 0;
        }
        let counter = self.start.wrapping_add(*made) & ((1 << bits) - 1);
        *made += 1;
        let mut octets = [0; MAX_CID_LENGTH];
        self.fill(form, counter, &mut octets[..form.length]);
        let token = [1, 2].map(|part| self.tokens.hash(words(form, counter, part)).to_le_bytes());
        let mut packed = [0; 16];
        packed.copy_from_slice(token.as_flattened());
        let cid = Cid::new(&octets[..form.length], packed, false, generation);
        (cid, again)
    }

    fn fill(&self, form: Form, counter: u128, octets: &mut [u8]) {
        octets[0] = 0xe0 | (form.length - 1) as u8;
        let (permuted, rest) = octets[form.body()..].split_at_mut(form.permuted());
        let number = self.permute(form, counter);
        permuted.copy_from_slice(&number.to_le_bytes()[..permuted.len()]);
        for (part, octets) in (0..).zip(rest.chunks_mut(8)) {
            let filling = self.filling.hash(words(form, counter, part)).to_le_bytes();
            octets.copy_from_slice(&filling[..octets.len()]);
        }
    }

    /// A Feistel network over the octets of the form that are permuted: each counter becomes
    /// another number, and none becomes the same as another.
    fn permute(&self, form: Form, counter: u128) -> u128 {
        let half = 4 * form.permuted() as u32;
        let mask = (1u64 << half) - 1;
        let (mut left, mut right) = ((counter >> half) as u64 & mask, counter as u64 & mask);
        for round in 0..ROUNDS {
            let mixed = self.order.hash([right, form.number() << 8 | round]) & mask;
            (left, right) = (right, left ^ mixed);
        }
        u128::from(left) << half | u128::from(right)
    }
}

/// Another pair of words for each form, counter and part.
fn words(form: Form, counter: u128, part: u64) -> [u64; 2] {
    let high = (counter >> 64) as u64;
    [counter as u64, high << 16 | form.number() << 8 | part]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(length: usize, zero_host_id: bool) -> Form {
        Form {
            length,
            zero_host_id,
        }
    }

    /// The octets that differ.
    fn body(cid: &Cid, form: Form) -> usize {
        let octets = cid[form.body()..].iter();
        octets.fold(0, |number, octet| number << 8 | usize::from(*octet))
    }

    #[test]
    fn makes_all_of_a_small_form_before_one_comes_again() {
        let mut cids = FailoverCids::new([7; 64]);
        // Shorter than servers have, so that all of its 65,536 are soon made.
        let small = form(7, true);
        let made: Vec<_> = (0..1 << 16).map(|_| cids.take(small, 1)).collect();
        assert!(made.iter().all(|(_, again)| !again));
        let mut bodies: Vec<usize> = made.iter().map(|(cid, _)| body(cid, small)).collect();
        bodies.sort_unstable();
        assert!(bodies.into_iter().eq(0..1 << 16), "one came twice");
        let (next, again) = cids.take(small, 1);
        assert!(again, "that they begin again is said");
        assert_eq!(next, made[0].0, "the oldest comes first");
        let (next, again) = cids.take(small, 1);
        assert!(!again, "and is said once");
        assert_eq!(next, made[1].0);
    }

    #[test]
    fn makes_none_twice_of_the_shortest_that_servers_have() {
        let mut cids = FailoverCids::new(random());
        for form in [form(8, true), form(8, false)] {
            let all = (0..200_000).map(|_| body(&cids.take(form, 1).0, form));
            let mut bodies: Vec<usize> = all.collect();
            bodies.sort_unstable();
            bodies.dedup();
            assert_eq!(bodies.len(), 200_000);
        }
    }

    #[test]
    fn has_the_form_of_a_0b111_cid() {
        let mut cids = FailoverCids::new(random());
        for length in 8..=20 {
            for zero_host_id in [false, true] {
                let (cid, _) = cids.take(form(length, zero_host_id), 5);
                assert_eq!(cid.len(), length);
                assert_eq!(usize::from(cid[0]), 0xe0 | (length - 1));
                assert!(!cid.routable());
                assert_eq!(cid.generation(), 5);
                if zero_host_id {
                    assert_eq!(cid[1..5], [0; 4]);
                }
            }
        }
    }

    #[test]
    fn looks_random_to_the_last_octet() {
        let mut cids = FailoverCids::new(random());
        let made: Vec<Cid> = (0..512).map(|_| cids.take(form(20, false), 1).0).collect();
        for at in 1..20 {
            let mut values: Vec<u8> = made.iter().map(|cid| cid[at]).collect();
            values.sort_unstable();
            values.dedup();
            assert!(values.len() > 150, "octet {at} has {} values", values.len());
        }
        assert_ne!(made[0].reset_token(), made[1].reset_token());
    }

    #[test]
    fn differs_between_processes() {
        let [first, second] = [[1; 64], [2; 64]].map(|secret| {
            let (cid, _) = FailoverCids::new(secret).take(form(12, false), 1);
            (cid.as_bytes().to_vec(), cid.reset_token())
        });
        assert_ne!(first.0, second.0);
        assert_ne!(first.1, second.1);
    }
}
