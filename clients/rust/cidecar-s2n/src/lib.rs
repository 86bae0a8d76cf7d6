// SPDX-License-Identifier: Apache-2.0
//! CIDs of a cidecar sidecar for servers on [s2n_quic].
//!
//! s2n-quic replaces the CIDs of each connection by itself: 30 s before they are as old as a
//! lifetime it asks the peer to retire them, and then it knows them no more. So a rotation of the
//! fleet reaches all of them within a lifetime. It says of no CID whose it is; what connections
//! hold is worked out from times ([`RollingCids`]).
//!
//! Each CID has the reset token that the sidecar made for it, and packets of connections that an
//! earlier process had are answered with tokens that the sidecar is asked for. So this server has
//! no key by which it would answer for the CIDs of others (RFC 9000, section 21.11).

use std::convert::Infallible;
use std::time::Duration;

use cidecar::{CidPool, Error, ErrorKind, Event, Options, ResetTokens, RollingCids, RollingCounts};
use s2n_quic::Connection;
use s2n_quic::application;
use s2n_quic::connection::Handle;
use s2n_quic::provider::connection_id::{ConnectionInfo, Generator, LocalId, Validator};
use s2n_quic::provider::stateless_reset_token;
use s2n_quic_core::stateless_reset::Token;
use tokio::time::{Instant, sleep};

/// The least and the most that s2n-quic takes.
const LIFETIMES: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(24 * 60 * 60);
/// Before the end of a lifetime s2n-quic asks the peer to retire the CID.
const ASKED_BEFORE: Duration = Duration::from_secs(30);
/// A connection has had its first CID for no longer when its handshake is through.
const LONGEST_HANDSHAKE: Duration = Duration::from_secs(10);

/// The CIDs of a server on s2n-quic, from its sidecar. Clones share them.
#[derive(Clone, Debug)]
pub struct S2nCids {
    pool: CidPool,
    lifetime: Duration,
    rolling: RollingCids<Handle>,
    tokens: ResetTokens,
}

impl S2nCids {
    /// Connects to the sidecar in the background, and obeys its orders to replace CIDs. `tell`
    /// hears of all that happens, orders included, and must not wait; log what it is told.
    ///
    /// A CID is replaced before it is as old as `lifetime`, 60 s to a day. Less than 80 % of the
    /// sidecar's `--reissue-within`, and no connection is closed for a rotation; 60 s or 120 s are
    /// good where that has its default. Each lifetime costs every connection as many CIDs as its
    /// peer holds.
    ///
    /// # Errors
    /// As [`CidPool::connect`], and
    /// [`InvalidArgument`](cidecar::ErrorKind::InvalidArgument) for another lifetime.
    pub fn connect(
        options: Options,
        lifetime: Duration,
        tell: impl FnMut(Event) + Send + 'static,
    ) -> Result<Self, Error> {
        if !LIFETIMES.contains(&lifetime) {
            let message = format!("a lifetime of {lifetime:?}; it goes from 60 s to a day");
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        let (pool, rolling) = RollingCids::connect(options, lifetime - ASKED_BEFORE, close, tell)?;
        let tokens = ResetTokens::new(pool.clone(), lifetime * 2);
        Ok(Self {
            pool,
            lifetime,
            rolling,
            tokens,
        })
    }

    /// What a server is given as `with_connection_id`, once the sidecar has said how long CIDs are
    /// and given the first. All servers of a process may share one pool.
    ///
    /// # Errors
    /// Where the pool is closed.
    pub async fn connection_ids(&self) -> Result<ConnectionIds, Error> {
        self.pool.ready().await?;
        Ok(ConnectionIds {
            length: self.pool.cid_length()?,
            cids: self.clone(),
        })
    }

    /// What a server is given as `with_stateless_reset_token`.
    pub fn reset_tokens(&self) -> StatelessResetTokens {
        StatelessResetTokens(self.tokens.clone())
    }

    /// Counts a connection among those that hold CIDs, until what this returns is dropped.
    pub fn track(&self, connection: &Connection) -> Tracked {
        let now = Instant::now();
        let began = now.checked_sub(LONGEST_HANDSHAKE).unwrap_or(now);
        Tracked {
            number: self.rolling.opened(connection.handle(), began),
            rolling: self.rolling.clone(),
        }
    }

    /// Closes all connections that are tracked, and waits until they are gone, for a second at most.
    pub async fn close_all(&self) {
        for connection in self.rolling.open() {
            close(&connection);
        }
        let end = Instant::now() + Duration::from_secs(1);
        while self.counts().open > 0 && Instant::now() < end {
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// The pool that the CIDs come from.
    pub fn pool(&self) -> &CidPool {
        &self.pool
    }

    /// What became of connections until now.
    pub fn counts(&self) -> RollingCounts {
        self.rolling.counts()
    }
}

fn close(connection: &Handle) {
    connection.close(application::Error::UNKNOWN);
}

/// A connection that counts among those that hold CIDs.
#[derive(Debug)]
#[must_use]
pub struct Tracked {
    number: u64,
    rolling: RollingCids<Handle>,
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.rolling.closed(self.number);
    }
}

/// Gives s2n-quic its CIDs.
#[derive(Debug)]
pub struct ConnectionIds {
    /// Octets.
    length: usize,
    cids: S2nCids,
}

impl Generator for ConnectionIds {
    fn generate(&mut self, _: &ConnectionInfo) -> LocalId {
        let cid = self.cids.pool.take();
        let cid = cid.expect("a pool whose CID length is known gives CIDs");
        self.cids.rolling.gave(&cid);
        self.cids.tokens.gave(&cid);
        LocalId::try_from_bytes(&cid).expect("a CID has 8 to 20 octets")
    }

    fn lifetime(&self) -> Option<Duration> {
        Some(self.cids.lifetime)
    }
}

impl Validator for ConnectionIds {
    // s2n-quic answers each packet of no connection with a stateless reset, unless its CID is
    // refused here.
    fn validate(&self, _: &ConnectionInfo, packet: &[u8]) -> Option<usize> {
        let cid = packet.get(..self.length)?;
        let tokens = &self.cids.tokens;
        (tokens.known(cid).is_some() || tokens.is_full()).then_some(self.length)
    }
}

/// Gives s2n-quic the reset token of each CID.
#[derive(Debug)]
pub struct StatelessResetTokens(ResetTokens);

impl stateless_reset_token::Generator for StatelessResetTokens {
    const ENABLED: bool = true;

    fn generate(&mut self, cid: &[u8]) -> Token {
        self.0.known(cid).unwrap_or_default().into()
    }
}

impl stateless_reset_token::Provider for StatelessResetTokens {
    type Generator = Self;
    type Error = Infallible;

    fn start(self) -> Result<Self, Infallible> {
        Ok(self)
    }
}
