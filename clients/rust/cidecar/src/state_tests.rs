// SPDX-License-Identifier: Apache-2.0
use super::*;
use crate::wire::{Event as Sent, HeldGeneration};

const NOW: Duration = Duration::from_secs(100);

fn state() -> State {
    State::new(2, 4, NOW)
}

fn minting(number: u64, generation: u64) -> Minting {
    Minting {
        number,
        generation,
        makes_void: true,
        routable: true,
        ..Minting::default()
    }
}

fn take(state: &mut State, event: Sent, held: &[(u64, u64)]) {
    let held = wants_held(&event).then(|| held.to_vec());
    state.receive(event, held, NOW).expect("it can be used");
}

/// A Session begins, and brings two CIDs.
fn greet(state: &mut State, generation: u64, held: &[(u64, u64)]) {
    state.lost(None);
    let hello = SessionHello {
        cid_length: 8,
        minting: Some(minting(1, generation)),
        lifetime_ms: 60_000,
        ..SessionHello::default()
    };
    take(state, Sent::Hello(hello), held);
    fill(state, generation);
}

fn fill(state: &mut State, generation: u64) {
    let batch = CidBatch {
        cids: vec![1; 16].into(),
        tokens: vec![2; 32].into(),
        count: 2,
        cid_length: 8,
        generation,
        routable: true,
    };
    take(state, Sent::Batch(batch), &[]);
}

/// What is said of held CIDs in the next message.
fn said(state: &mut State) -> Vec<(u64, u64)> {
    let held = state.outbox.next().and_then(|request| request.held);
    let each = |held: &HeldGeneration| (held.generation, held.connections);
    held.expect("something is said")
        .generations
        .iter()
        .map(each)
        .collect()
}

fn orders(state: &mut State) -> Vec<Reissue> {
    std::iter::from_fn(|| state.events.pop())
        .filter_map(|event| match event {
            Event::Reissue(order) => Some(order),
            _ => None,
        })
        .collect()
}

#[test]
fn generations_of_the_server_never_come_again() {
    let mut state = state();
    greet(&mut state, 2, &[]);
    let old = state.take(NOW).expect("there is one").generation();
    assert_eq!(old, 2);
    // The sidecar lost its state, and counts up to the old number.
    greet(&mut state, 1, &[(old, 1)]);
    assert_eq!(said(&mut state), [(0, 1)]);
    let new = state.take(NOW).expect("there is one").generation();
    take(
        &mut state,
        Sent::Minting(minting(2, 2)),
        &[(old, 1), (new, 1)],
    );
    assert_eq!(said(&mut state), [(0, 1), (1, 1)]);
    fill(&mut state, 2);
    let newest = state.take(NOW).expect("there is one").generation();
    assert!(old < new && new < newest);
    assert_eq!(state.stats(NOW).generation, newest);
    assert_eq!((state.generation, state.oldest_generation()), (2, 1));
    let order = wire::Reissue {
        through_generation: 1,
        deadline: None,
    };
    take(&mut state, Sent::Reissue(order), &[]);
    let [order] = orders(&mut state)[..] else {
        panic!("not one order");
    };
    assert!(order.covers(old) && order.covers(new) && !order.covers(newest));
    assert_eq!(state.oldest_generation(), 2);
}

#[test]
fn an_order_does_not_cover_a_later_generation_after_a_lost_state() {
    let mut state = state();
    greet(&mut state, 2000, &[]);
    let old = state.take(NOW).expect("there is one").generation();
    greet(&mut state, 1000, &[]);
    let mut given = Vec::new();
    for generation in [1001, 1002] {
        take(
            &mut state,
            Sent::Minting(minting(generation, generation)),
            &[],
        );
        fill(&mut state, generation);
        let order = wire::Reissue {
            through_generation: generation - 1,
            deadline: None,
        };
        take(&mut state, Sent::Reissue(order), &[]);
        given.extend(orders(&mut state));
    }
    let newest = state.take(NOW).expect("there is one").generation();
    assert!(given[0].covers(old));
    assert!(!given.iter().any(|order| order.covers(newest)));
    assert!(
        !given[0].covers(newest - 1),
        "it was given for those before"
    );
}

#[cfg(feature = "minting")]
#[test]
fn a_lease_is_void_when_its_generation_comes_again() {
    let mut state = state();
    greet(&mut state, 2, &[]);
    let base = state.base();
    assert_eq!(state.mints(2, base, NOW), Some(2));
    assert_eq!(state.mints(1, base, NOW), None);
    assert_eq!(state.oldest_generation(), 2);
    let stale = NOW + Duration::from_secs(61);
    assert_eq!(state.mints(2, base, stale), None);
    greet(&mut state, 1, &[]);
    greet(&mut state, 2, &[]);
    assert_eq!(state.mints(2, base, NOW), None);
    assert!(state.mints(2, state.base(), NOW).is_some());
}

#[test]
fn keeps_64_reasons() {
    let mut state = state();
    for number in 0..1000 {
        state.lost(Some(Error::unavailable(format!("reason {number}"))));
        assert!(state.told.len() <= 64);
    }
    while state.events.pop().is_some() {}
    state.lost(Some(Error::unavailable("reason 999")));
    assert!(state.events.pop().is_none(), "it was told");
}
