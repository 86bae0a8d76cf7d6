// SPDX-License-Identifier: Apache-2.0
use std::fmt;
use std::sync::Arc;

use crate::event::Event;
use crate::inner::Inner;

/// What happens to a pool, for one who takes it. Drop it where nobody looks.
pub struct Events {
    inner: Arc<Inner>,
}

impl Events {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// The next event; none when the pool is closed and all were taken.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            let came = self.inner.events.notified();
            let (event, closed) = self.inner.with(|state| (state.events.pop(), state.closed));
            if event.is_some() || closed {
                return event;
            }
            came.await;
        }
    }

    /// The next event, if there is one.
    pub fn try_next(&mut self) -> Option<Event> {
        self.inner.with(|state| state.events.pop())
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.inner.with(|state| {
            state.events.closed = true;
            while state.events.pop().is_some() {}
        });
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Events")
    }
}
