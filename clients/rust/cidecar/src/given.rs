// SPDX-License-Identifier: Apache-2.0
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::cid::{Cid, MAX_CID_LENGTH, RESET_TOKEN_LENGTH};
use crate::pool::CidPool;

/// Tokens that are kept at most; 100 octets each.
const MOST: usize = 1 << 19;

type Key = ([u8; MAX_CID_LENGTH], u8);
type Token = [u8; RESET_TOKEN_LENGTH];

/// The reset tokens of the CIDs that this process gave out, for as long as each is in use, and of
/// those of an earlier process, as far as the sidecar was asked for them. For those who adapt a
/// stack that asks for the token of a CID.
///
/// Clones share what they keep.
#[derive(Clone)]
pub struct ResetTokens {
    pool: CidPool,
    lifetime: Duration,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    tokens: HashMap<Key, Token>,
    given: VecDeque<(Key, Instant)>,
}

impl ResetTokens {
    /// No CID is in use any more when it is as old as `lifetime`.
    pub fn new(pool: CidPool, lifetime: Duration) -> Self {
        Self {
            pool,
            lifetime,
            kept: Arc::default(),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A CID was given out.
    pub fn gave(&self, cid: &Cid) {
        let Some(key) = key(cid) else { return };
        let (mut kept, now) = (self.kept(), Instant::now());
        kept.tokens.insert(key, cid.reset_token());
        kept.given.push_back((key, now));
        while let Some((oldest, given)) = kept.given.front().copied()
            && (kept.given.len() > MOST || given + self.lifetime < now)
        {
            kept.given.pop_front();
            kept.tokens.remove(&oldest);
        }
    }

    /// The token of a CID of this server. Where it is not known the sidecar is asked, so that it is
    /// when the peer sends again. None of CIDs that are none of this server: send no reset then.
    pub fn known(&self, cid: &[u8]) -> Option<Token> {
        let token = self.kept().tokens.get(&key(cid)?).copied();
        token.or_else(|| self.pool.known_reset_token(cid))
    }

    /// Whether CIDs may have been forgotten that are in use.
    pub fn is_full(&self) -> bool {
        self.kept().given.len() >= MOST
    }
}

impl fmt::Debug for ResetTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.kept().given.len();
        f.debug_struct("ResetTokens")
            .field("kept", &kept)
            .finish_non_exhaustive()
    }
}

fn key(cid: &[u8]) -> Option<Key> {
    let mut octets = [0; MAX_CID_LENGTH];
    octets.get_mut(..cid.len())?.copy_from_slice(cid);
    Some((octets, cid.len() as u8))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;
    use tokio::time::advance;

    fn cid(number: u8) -> Cid {
        Cid::new(&[number; 8], [number ^ 0xff; 16], true, 1)
    }

    #[tokio::test(start_paused = true)]
    async fn keeps_a_token_for_as_long_as_its_cid_is_in_use() {
        let (pool, _) = CidPool::connect(Options::unix("none")).expect("the options are good");
        let tokens = ResetTokens::new(pool, Duration::from_secs(60));
        tokens.gave(&cid(1));
        assert_eq!(tokens.known(&cid(1)), Some([1 ^ 0xff; 16]));
        assert_eq!(tokens.known(&cid(2)), None);
        assert_eq!(tokens.known(&[0; 21]), None);
        advance(Duration::from_secs(60)).await;
        tokens.gave(&cid(2));
        assert!(tokens.known(&cid(1)).is_some());
        advance(Duration::from_secs(1)).await;
        tokens.gave(&cid(3));
        assert_eq!(tokens.known(&cid(1)), None);
        assert!(tokens.known(&cid(2)).is_some());
    }
}
