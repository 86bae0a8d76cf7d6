// SPDX-License-Identifier: Apache-2.0
use std::collections::BTreeMap;
use std::time::Duration;

use crate::wire::{HeldCids, HeldGeneration};

/// Between two looks whether connections gave up CIDs of earlier generations.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked after a report that had to be, whatever that said: stacks tell of a
/// connection when its handshake is over, and its CID can be of the generation before.
const LATE_LOOKS: u32 = 30;
/// The sidecar takes no more generations in one report.
const MOST: usize = 64;

/// Asks the server how many connections there are by the oldest generation of the CIDs that their
/// peers may still use.
pub(crate) type HeldHook = Box<dyn Fn() -> Vec<(u64, u64)> + Send + Sync>;

/// What was said to the sidecar of the CIDs that connections hold.
#[derive(Default)]
pub(crate) struct HeldReport {
    said: Option<HeldCids>,
    late_looks: u32,
}

impl HeldReport {
    /// Makes a report under the present generation, and says it.
    pub(crate) fn say(&mut self, held: Vec<(u64, u64)>, generation: u64) -> HeldCids {
        let report = report(held, generation);
        self.said = Some(report.clone());
        self.late_looks = LATE_LOOKS;
        report
    }

    /// A report, if it is another than that which was said last, and one of them has earlier CIDs.
    pub(crate) fn changed(&mut self, held: Vec<(u64, u64)>, generation: u64) -> Option<HeldCids> {
        let report = report(held, generation);
        let same = self.said.as_ref() == Some(&report);
        if same || !(self.waited_for(generation) || has_earlier(&report, generation)) {
            return None;
        }
        self.said = Some(report.clone());
        Some(report)
    }

    /// Whether connections are to be counted now, a second after the last time.
    pub(crate) fn is_due(&mut self, generation: u64) -> bool {
        let late = self.late_looks > 0;
        self.late_looks = self.late_looks.saturating_sub(1);
        late || self.waited_for(generation)
    }

    /// Whether somebody waits for the next report: connections hold earlier CIDs.
    fn waited_for(&self, generation: u64) -> bool {
        let said = self.said.as_ref();
        said.is_some_and(|said| has_earlier(said, generation))
    }
}

fn has_earlier(held: &HeldCids, generation: u64) -> bool {
    let earlier = |held: &HeldGeneration| held.generation < generation;
    held.generations.iter().any(earlier)
}

fn report(held: Vec<(u64, u64)>, generation: u64) -> HeldCids {
    let mut by_generation = BTreeMap::new();
    for (of, connections) in held {
        // There is none above the present one; what is old makes a rotation wait, and loses nothing.
        let of = if of > generation { 0 } else { of };
        if connections > 0 {
            *by_generation.entry(of).or_insert(0) += connections;
        }
    }
    while by_generation.len() > MOST {
        // Those that are counted as older than they are make a rotation wait, and lose nothing.
        let second = by_generation.keys().nth(1).copied().unwrap_or_default();
        let connections = by_generation.remove(&second).unwrap_or_default();
        if let Some(mut oldest) = by_generation.first_entry() {
            *oldest.get_mut() += connections;
        }
    }
    let generations = by_generation
        .into_iter()
        .map(|(generation, connections)| HeldGeneration {
            generation,
            connections: connections.min(u32::MAX.into()),
        })
        .collect();
    HeldCids { generations }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(report: &HeldCids) -> Vec<(u64, u64)> {
        let each = report.generations.iter();
        each.map(|held| (held.generation, held.connections))
            .collect()
    }

    #[test]
    fn counts_what_cannot_be_under_0() {
        let held = vec![(2000, 3), (2001, 1), (1000, 2), (999, 0)];
        assert_eq!(pairs(&report(held, 1000)), [(0, 4), (1000, 2)]);
    }

    #[test]
    fn has_64_generations_at_most_and_counts_every_connection() {
        let report = report((1..=70).map(|generation| (generation, 1)).collect(), 70);
        let pairs = pairs(&report);
        assert_eq!(pairs.len(), 64);
        assert_eq!(pairs[0], (1, 7));
        assert_eq!(pairs[1], (8, 1));
    }

    #[test]
    fn says_what_changed_while_there_are_earlier_ones() {
        let mut report = HeldReport::default();
        assert!(!report.waited_for(2));
        report.say(vec![(1, 5)], 2);
        assert!(report.waited_for(2));
        assert_eq!(report.changed(vec![(1, 5)], 2), None);
        let changed = report.changed(vec![(1, 2), (2, 3)], 2);
        assert_eq!(changed.as_ref().map(pairs), Some(vec![(1, 2), (2, 3)]));
        report.changed(vec![(2, 5)], 2);
        assert!(!report.waited_for(2));
    }

    #[test]
    fn sees_connections_that_are_told_of_late() {
        let mut report = HeldReport::default();
        assert!(!report.is_due(2), "nothing was acknowledged");
        report.say(vec![], 2);
        assert!(report.is_due(2));
        assert_eq!(report.changed(vec![(2, 1)], 2), None, "nobody waits for it");
        let late = report.changed(vec![(1, 1), (2, 1)], 2);
        assert_eq!(late.as_ref().map(pairs), Some(vec![(1, 1), (2, 1)]));
        report.changed(vec![(2, 2)], 2);
        assert_eq!((0..100).filter(|_| report.is_due(2)).count(), 29);
    }
}
