// SPDX-License-Identifier: Apache-2.0
use std::collections::VecDeque;

use crate::cid::{Cid, RESET_TOKEN_LENGTH};
use crate::wire::CidBatch;

/// Batches that were checked, from which CIDs are taken one by one.
#[derive(Default)]
pub(crate) struct BatchQueue {
    batches: VecDeque<CidBatch>,
    /// How many CIDs of the first batch were taken.
    taken: usize,
    size: usize,
}

impl BatchQueue {
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    pub(crate) fn next_is_routable(&self) -> bool {
        self.batches.front().is_some_and(|batch| batch.routable)
    }

    /// The caller has seen to it that the batch has the octets that it says, and at least one CID.
    pub(crate) fn push(&mut self, batch: CidBatch) {
        self.size += batch.count as usize;
        self.batches.push_back(batch);
    }

    pub(crate) fn pop(&mut self) -> Option<Cid> {
        let batch = self.batches.front()?;
        let length = batch.cid_length as usize;
        let cid = &batch.cids[self.taken * length..][..length];
        let mut token = [0; RESET_TOKEN_LENGTH];
        let at = self.taken * RESET_TOKEN_LENGTH;
        token.copy_from_slice(&batch.tokens[at..][..RESET_TOKEN_LENGTH]);
        let cid = Cid::new(cid, token, batch.routable, batch.generation);
        self.taken += 1;
        self.size -= 1;
        if self.taken == batch.count as usize {
            self.batches.pop_front();
            self.taken = 0;
        }
        Some(cid)
    }

    /// Keeps only the routable CIDs of this generation.
    pub(crate) fn keep(&mut self, generation: u64) {
        let good = |batch: &CidBatch| batch.routable && batch.generation == generation;
        if !self.batches.front().is_some_and(good) {
            self.taken = 0;
        }
        self.batches.retain(good);
        let all: usize = self.batches.iter().map(|batch| batch.count as usize).sum();
        self.size = all - self.taken;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(first: u8, count: u8, generation: u64, routable: bool) -> CidBatch {
        let numbers = || first..first + count;
        CidBatch {
            cids: numbers().flat_map(|number| [number; 8]).collect(),
            tokens: numbers().flat_map(|number| [number ^ 0xff; 16]).collect(),
            count: count.into(),
            cid_length: 8,
            generation,
            routable,
        }
    }

    #[test]
    fn gives_each_cid_once_with_its_token() {
        let mut queue = BatchQueue::default();
        queue.push(batch(0, 2, 1, true));
        queue.push(batch(2, 1, 1, true));
        for number in 0..3u8 {
            assert_eq!(queue.size(), 3 - usize::from(number));
            let cid = queue.pop().expect("one is left");
            assert_eq!(cid.as_bytes(), [number; 8]);
            assert_eq!(cid.reset_token(), [number ^ 0xff; 16]);
        }
        assert!(queue.pop().is_none());
        assert_eq!(queue.size(), 0);
    }

    #[test]
    fn keeps_the_place_in_a_batch_that_stays() {
        let mut queue = BatchQueue::default();
        queue.push(batch(0, 3, 2, true));
        queue.push(batch(3, 3, 1, true));
        queue.push(batch(6, 3, 2, false));
        queue.pop();
        queue.keep(2);
        assert_eq!(queue.size(), 2);
        assert_eq!(queue.pop().expect("one is left").as_bytes(), [1; 8]);
        queue.keep(3);
        assert_eq!(queue.size(), 0);
        queue.push(batch(9, 1, 3, true));
        assert_eq!(queue.pop().expect("one is left").as_bytes(), [9; 8]);
    }
}
