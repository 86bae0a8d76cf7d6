// SPDX-License-Identifier: Apache-2.0
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prost::Message;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::cid::Cid;
use crate::clock::since_boot;
use crate::error::{Error, ErrorKind};
use crate::inner::Inner;
use crate::minter::{MOST_NONCES, Minter};
use crate::pool::CidPool;
use crate::unary;
use crate::wire::{LeaseNoncesRequest, LeaseNoncesResponse};

const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Mints CIDs in this process, without asking for each batch: it has the key of the config, and
/// counters that nobody else uses. The keys are overwritten when it is dropped.
///
/// [`CidPool::lease`] gives one. It can be shared between threads.
pub struct Lease {
    inner: Arc<Inner>,
    /// As the sidecar counts.
    generation: u64,
    /// What the pool added to the sidecar's generations when the lease was asked for.
    base: u64,
    minter: Mutex<Minter>,
}

impl Lease {
    /// A routable CID that nobody else has. It never waits.
    ///
    /// # Errors
    /// [`LeaseUsedUp`](ErrorKind::LeaseUsedUp) when all CIDs were made. [`LeaseVoid`](ErrorKind::LeaseVoid)
    /// where another generation is issued, or while the sidecar has said nothing for the lifetime
    /// of its CIDs. [`CidPool::take`] has a CID then.
    pub fn take(&self) -> Result<Cid, Error> {
        let mut minter = self.minter.lock().unwrap_or_else(PoisonError::into_inner);
        if minter.left == 0 {
            let message = "every nonce of the lease was used";
            return Err(Error::new(ErrorKind::LeaseUsedUp, message));
        }
        let generation = self
            .inner
            .with(|state| state.mints(self.generation, self.base, since_boot()));
        let cid = generation.and_then(|generation| minter.mint(generation));
        cid.ok_or_else(|| {
            let message = "the generation of the lease is not known to be the present one";
            Error::new(ErrorKind::LeaseVoid, message)
        })
    }

    /// How many CIDs it can still mint.
    pub fn left(&self) -> u32 {
        let minter = self.minter.lock();
        minter.unwrap_or_else(PoisonError::into_inner).left
    }
}

impl fmt::Debug for Lease {
    // Not the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("left", &self.left())
            .finish_non_exhaustive()
    }
}

impl CidPool {
    /// Leases so many nonces, 1 to 2^24, from which CIDs are minted in this process; the sidecar
    /// can give fewer. Each nonce is for one CID, and those that are not used are lost: lease what
    /// is used in a minute or so, and the next in good time.
    ///
    /// # Errors
    /// [`Unavailable`](ErrorKind::Unavailable) where the sidecar cannot be reached, does not answer
    /// within 10 s, or refuses: with the [code](Error::code) `LEASE_REFUSED` unless it runs with
    /// `--allow-key-export`, because the answer has the key of the config.
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for a number out of range.
    pub async fn lease(&self, nonces: u32) -> Result<Lease, Error> {
        if !(1..=MOST_NONCES).contains(&nonces) {
            let message = format!("a lease of {nonces} nonces; it may have 1 to {MOST_NONCES}");
            return Err(Error::invalid(message));
        }
        let inner = self.inner().clone();
        let (length, base) = inner.with(|state| (state.length(), state.base()));
        let length = length?;
        let request = LeaseNoncesRequest { count: nonces };
        let answer = unary::call(&inner.place, "LeaseNonces", &request);
        let Ok(answer) = timeout(ANSWER_WITHIN, answer).await else {
            let message = format!("no answer within {} ms", ANSWER_WITHIN.as_millis());
            return Err(Error::unavailable(message));
        };
        let answer: Zeroizing<Vec<u8>> = answer?;
        let mut terms = LeaseNoncesResponse::decode(answer.as_slice()).map_err(|error| {
            Error::unavailable(format!("the sidecar's lease cannot be read: {error}"))
        })?;
        let server_use = inner.identity.server_use.clone().unwrap_or_default();
        let minter = Minter::new(&mut terms, &server_use)
            .map_err(|lie| Error::unavailable(format!("the sidecar sent {lie}")))?;
        if terms.cid_length as usize != length {
            let message = format!(
                "a lease of CIDs of {} octets, not {length}",
                terms.cid_length
            );
            return Err(Error::new(ErrorKind::Unusable, message));
        }
        Ok(Lease {
            inner,
            generation: terms.generation,
            base,
            minter: Mutex::new(minter),
        })
    }
}
