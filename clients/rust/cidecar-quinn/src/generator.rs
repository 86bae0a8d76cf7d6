// SPDX-License-Identifier: Apache-2.0
use std::cell::Cell;
use std::time::Duration;

use cidecar::{Cid, CidPool, ResetTokens, RollingCids};
use quinn::{Connection, ConnectionId, ConnectionIdGenerator};
use quinn_proto::InvalidCid;

thread_local! {
    /// The CID that the generator gives next on this thread. The hook is not told what a CID is
    /// for, but accept, retry and refuse call it before they return.
    static NEXT: Cell<Option<Cid>> = const { Cell::new(None) };
}

/// Does something that takes this CID, if it takes one.
pub(crate) fn with_next<T>(cid: Cid, act: impl FnOnce() -> T) -> T {
    NEXT.set(Some(cid));
    let result = act();
    NEXT.set(None);
    result
}

pub(crate) struct Generator {
    pub(crate) pool: CidPool,
    pub(crate) tokens: ResetTokens,
    pub(crate) rolling: RollingCids<Connection>,
    /// Octets.
    pub(crate) length: usize,
    pub(crate) lifetime: Duration,
}

impl ConnectionIdGenerator for Generator {
    fn generate_cid(&mut self) -> ConnectionId {
        let next = NEXT.take().map_or_else(|| self.pool.take(), Ok);
        let cid = next.expect("a pool whose CID length is known gives CIDs");
        self.rolling.gave(&cid);
        self.tokens.gave(&cid);
        ConnectionId::new(&cid)
    }

    // Asked of packets of no connection that this process has, before they are answered with a
    // stateless reset.
    fn validate(&self, cid: &ConnectionId) -> Result<(), InvalidCid> {
        self.tokens.known(cid).map(drop).ok_or(InvalidCid)
    }

    fn cid_len(&self) -> usize {
        self.length
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        Some(self.lifetime)
    }
}
