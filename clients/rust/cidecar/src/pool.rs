// SPDX-License-Identifier: Apache-2.0
// Long because every public method of the pool is here, with what it promises.
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

use crate::cid::{Cid, RESET_TOKEN_LENGTH};
use crate::clock::since_boot;
use crate::error::Error;
use crate::event::Stats;
use crate::events::Events;
use crate::inner::Inner;
use crate::options::Options;
use crate::questions::{TokenAnswer, Waiter};
use crate::session;

/// A stateless reset that comes later helps nobody.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Between two looks whether CIDs have become too old; `take` looks too.
const LOOK_EVERY: Duration = Duration::from_millis(125);

/// A supply of CIDs for a QUIC stack, whose hooks can neither wait nor fail.
///
/// [`take`](Self::take) gives a CID of a local supply that is refilled in the background, or a
/// 0b111 CID of the same length while the supply is empty. The pool handles restarts of the
/// sidecar, changes of config and lost connections by itself; its [`Events`] say what the server
/// has to do.
///
/// Clones share one pool. It is closed by [`close`](Self::close), or when the last clone is
/// dropped.
#[derive(Clone)]
pub struct CidPool {
    inner: Arc<Inner>,
    _closes: Arc<ClosesWhenDropped>,
}

struct ClosesWhenDropped(Arc<Inner>);

impl Drop for ClosesWhenDropped {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl CidPool {
    /// Connects in the background and goes on trying.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) where an option cannot be used, or
    /// the caller is in no tokio runtime with time and I/O.
    pub fn connect(options: Options) -> Result<(Self, Events), Error> {
        let levels = options.check()?;
        let runtime = Handle::try_current().map_err(|error| Error::invalid(error.to_string()))?;
        let inner = Arc::new(Inner::new(options, levels));
        runtime.spawn(session::keep(inner.clone()));
        runtime.spawn(look(inner.clone()));
        let pool = Self {
            inner: inner.clone(),
            _closes: Arc::new(ClosesWhenDropped(inner.clone())),
        };
        Ok((pool, Events::new(inner)))
    }

    #[cfg(feature = "minting")]
    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }

    /// A CID that was never used before. It neither waits nor fails once the CID length is known.
    ///
    /// Where 0b111 CIDs are so short that this process has made all of them (16 million where 24
    /// bits are free), those begin again, the oldest first, which a `Trouble` event tells.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) while the CID length is unknown: before
    /// [`ready`](Self::ready).
    pub fn take(&self) -> Result<Cid, Error> {
        self.inner.with(|state| state.take(since_boot()))
    }

    /// A routable CID that was never used before, if there is one: for a live connection, which keeps
    /// what it has rather than be given a 0b111 CID.
    pub fn take_routable(&self) -> Option<Cid> {
        self.inner.with(|state| state.take_routable(since_boot()))
    }

    /// A 0b111 CID, which costs no nonce: for the Source CID of a Retry, where the server chooses
    /// another after it, or of a packet that refuses a connection.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub fn make_failover(&self) -> Result<Cid, Error> {
        self.inner.with(|state| state.make())
    }

    /// Waits until there are CIDs, for as long as it takes. `Trouble` events say why none come.
    ///
    /// # Errors
    /// [`Closed`](crate::ErrorKind::Closed) when the pool is closed.
    pub async fn ready(&self) -> Result<(), Error> {
        loop {
            let came = self.inner.cids.notified();
            let (ready, closed) = self.inner.with(|state| (state.ready(), state.closed));
            if ready {
                return Ok(());
            }
            if closed {
                return Err(Error::closed());
            }
            came.await;
        }
    }

    /// Waits until there are CIDs, for so long at most; the pool goes on trying then.
    ///
    /// # Errors
    /// As [`ready`](Self::ready), and [`Unavailable`](crate::ErrorKind::Unavailable) with why no
    /// CIDs came in time.
    pub async fn ready_within(&self, limit: Duration) -> Result<(), Error> {
        match timeout(limit, self.ready()).await {
            Ok(result) => result,
            Err(_) => {
                let message = format!("no CIDs came within {} ms", limit.as_millis());
                let why = self.inner.with(|state| state.why_not_ready());
                Err(Error::because(&message, Some(&why)))
            }
        }
    }

    /// Octets of every CID, 8 to 20.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) while they are unknown: a server must not start
    /// then.
    pub fn cid_length(&self) -> Result<usize, Error> {
        self.inner.with(|state| state.length())
    }

    /// The state of the pool, in numbers.
    pub fn stats(&self) -> Stats {
        self.inner.with(|state| state.stats(since_boot()))
    }

    /// Asks the sidecar whether a CID carries an ID of this server, since the pool has no key.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) where no answer comes within 2 s, or too many
    /// questions wait for one.
    pub async fn is_own(&self, cid: &[u8]) -> Result<bool, Error> {
        let waiter = self.inner.with(|state| {
            let (waiter, question) = state.questions.own(cid, state.connected)?;
            state.outbox.ask(question);
            state.news.outgoing = true;
            Ok(waiter)
        })?;
        answer(waiter).await
    }

    /// The stateless reset token of a CID of this server that no connection here has: one that an
    /// earlier process had. None where the sidecar says that it is none of this server; send no
    /// reset then. A server that answered for the CIDs of others would let anybody end their
    /// connections (RFC 9000, section 21.11). Answers are kept for 10 s.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) where no answer comes within 2 s, or 16
    /// questions wait for one.
    pub async fn reset_token(&self, cid: &[u8]) -> Result<Option<[u8; RESET_TOKEN_LENGTH]>, Error> {
        match self.ask_token(cid)? {
            TokenAnswer::Known(token) => Ok(token),
            TokenAnswer::Later(waiter, _) => answer(waiter).await,
        }
    }

    /// As [`reset_token`](Self::reset_token), for hooks that cannot wait: what is known now. Where
    /// nothing is, it is asked, so that there is an answer when the peer sends again.
    pub fn known_reset_token(&self, cid: &[u8]) -> Option<[u8; RESET_TOKEN_LENGTH]> {
        match self.ask_token(cid) {
            Ok(TokenAnswer::Known(token)) => token,
            _ => None,
        }
    }

    fn ask_token(&self, cid: &[u8]) -> Result<TokenAnswer, Error> {
        self.inner.with(|state| {
            let connected = state.connected;
            let mut answer = state.questions.token_of(cid, since_boot(), connected)?;
            if let TokenAnswer::Later(_, question) = &mut answer
                && let Some(question) = question.take()
            {
                state.outbox.ask(question);
                state.news.outgoing = true;
            }
            Ok(answer)
        })
    }

    /// To be called when connections gave up CIDs of earlier generations, so that the sidecar hears
    /// of it within a second.
    pub fn report_held(&self) {
        self.inner.with(|state| state.held_changed = true);
    }

    /// Ends the Session. What the pool holds can still be taken.
    pub fn close(&self) {
        self.inner.close();
    }
}

impl fmt::Debug for CidPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CidPool").field(&self.stats()).finish()
    }
}

async fn answer<T>(waiter: Waiter<T>) -> Result<T, Error> {
    match timeout(ANSWER_WITHIN, waiter).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(Error::closed()),
        Err(_) => {
            let message = format!("no answer within {} ms", ANSWER_WITHIN.as_millis());
            Err(Error::unavailable(message))
        }
    }
}

async fn look(inner: Arc<Inner>) {
    loop {
        tokio::select! {
            () = inner.closing() => return,
            () = sleep(LOOK_EVERY) => inner.with(|state| state.look(since_boot())),
        }
    }
}
