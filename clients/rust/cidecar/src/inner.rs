// SPDX-License-Identifier: Apache-2.0
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::{Notify, watch};

use crate::clock::since_boot;
use crate::failover::random;
use crate::held::HeldHook;
use crate::options::{LONGEST_PATH, Options, Place};
use crate::state::{News, State};

/// Octets by which the sidecar knows a pool again.
const INSTANCE_LENGTH: usize = 16;

/// Who a pool is to its sidecar.
pub(crate) struct Identity {
    pub(crate) client_name: String,
    pub(crate) instance: Bytes,
    pub(crate) server_use: Option<Bytes>,
    pub(crate) can_retire: bool,
}

/// What a pool and its tasks share.
pub(crate) struct Inner {
    state: Mutex<State>,
    pub(crate) place: Place,
    pub(crate) identity: Identity,
    held: Option<HeldHook>,
    /// There is something to send.
    pub(crate) outgoing: Notify,
    pub(crate) events: Notify,
    pub(crate) cids: Notify,
    closed: watch::Sender<bool>,
}

impl Inner {
    /// `levels` are low and high water.
    pub(crate) fn new(options: Options, levels: (u32, u32)) -> Self {
        let (low_water, high_water) = levels;
        Self {
            state: Mutex::new(State::new(low_water, high_water, since_boot())),
            place: absolute(options.place),
            identity: Identity {
                client_name: options.client_name,
                instance: Bytes::copy_from_slice(&random::<INSTANCE_LENGTH>()),
                server_use: options.server_use.map(Bytes::from),
                can_retire: options.can_retire,
            },
            held: options.held,
            outgoing: Notify::new(),
            events: Notify::new(),
            cids: Notify::new(),
            closed: watch::Sender::new(false),
        }
    }

    /// Does something with what the pool knows, and wakes those whom that concerns.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let result = act(&mut state);
        let News {
            outgoing,
            event,
            cids,
        } = std::mem::take(&mut state.news);
        drop(state);
        if outgoing {
            self.outgoing.notify_one();
        }
        if event {
            self.events.notify_one();
        }
        if cids {
            self.cids.notify_waiters();
        }
        result
    }

    /// Connections by generation, as the server says them. A hook that panics says nothing, or no
    /// CID would ever come again.
    pub(crate) fn ask_held(&self) -> Option<Vec<(u64, u64)>> {
        let held = self.held.as_ref()?;
        let said = catch_unwind(AssertUnwindSafe(held)).ok();
        if said.is_none() {
            self.with(|state| state.hook_panicked());
        }
        said
    }

    /// Ends when the pool is closed.
    pub(crate) async fn closing(&self) {
        // An error means that the sender is gone, which `self` has.
        let _ = self.closed.subscribe().wait_for(|closed| *closed).await;
    }

    pub(crate) fn close(&self) {
        self.with(|state| {
            state.closed = true;
            state.news.event = true;
            state.news.cids = true;
        });
        self.closed.send_replace(true);
    }
}

/// So that the process may change its folder, unless only the relative path is short enough.
fn absolute(place: Place) -> Place {
    let fits = |path: &PathBuf| path.as_os_str().len() <= LONGEST_PATH;
    match place {
        Place::Unix(path) => {
            let absolute = std::path::absolute(Path::new(&path)).ok().filter(fits);
            Place::Unix(absolute.unwrap_or(path))
        }
        #[cfg(feature = "tls")]
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;

    #[test]
    fn a_hook_that_panics_is_told_once_and_says_nothing() {
        let hook = || panic!("the hook panics, as this test wants");
        let inner = Inner::new(Options::unix("s").held(hook), (1, 2));
        for _ in 0..2 {
            assert_eq!(inner.ask_held(), None);
        }
        let next = || inner.with(|state| state.events.pop());
        assert!(matches!(next(), Some(Event::Trouble(_))));
        assert_eq!(next(), None);
    }
}
