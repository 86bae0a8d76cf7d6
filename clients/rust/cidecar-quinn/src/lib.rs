// SPDX-License-Identifier: Apache-2.0
//! CIDs of a cidecar sidecar for servers on [quinn].
//!
//! quinn replaces the CIDs of each connection when they are as old as a lifetime, so a rotation of
//! the fleet reaches all of them within one. It says of no CID whose it is; what connections hold
//! is worked out from times ([`RollingCids`]).
//!
//! Each CID has the reset token that the sidecar made for it, and packets of connections that an
//! earlier process had are answered with tokens that the sidecar is asked for. So this server has
//! no key by which it would answer for the CIDs of others (RFC 9000, section 21.11).

mod generator;
mod tokens;

use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

use cidecar::{CidPool, Error, Event, Options, ResetTokens, RollingCids, RollingCounts};
use quinn::{Connecting, Connection, ConnectionError, Endpoint, EndpointConfig, Incoming};
use quinn::{RetryError, ServerConfig, TokioRuntime, VarInt};
use tokio::time::Instant;

use crate::generator::{Generator, with_next};
use crate::tokens::Tokens;

/// The CIDs of a server on quinn, from its sidecar. Clones share them.
#[derive(Clone, Debug)]
pub struct QuinnCids {
    pool: CidPool,
    lifetime: Duration,
    rolling: RollingCids<Connection>,
}

impl QuinnCids {
    /// Connects to the sidecar in the background, and obeys its orders to replace CIDs. `tell`
    /// hears of all that happens, orders included, and must not wait; log what it is told.
    ///
    /// A CID is replaced when it is as old as `lifetime`. Less than 80 % of the sidecar's
    /// `--reissue-within`, and no connection is closed for a rotation; 60 s or 120 s are good where
    /// that has its default. Each lifetime costs every connection as many CIDs as its peer holds.
    ///
    /// # Errors
    /// As [`CidPool::connect`].
    pub fn connect(
        options: Options,
        lifetime: Duration,
        tell: impl FnMut(Event) + Send + 'static,
    ) -> Result<Self, Error> {
        let close = |connection: &Connection| connection.close(VarInt::from_u32(0), b"moved");
        let (pool, rolling) = RollingCids::connect(options, lifetime, close, tell)?;
        Ok(Self {
            pool,
            lifetime,
            rolling,
        })
    }

    /// A server at a bound socket, once the sidecar has said how long CIDs are and given the first.
    /// All endpoints of a process may share one pool.
    ///
    /// # Errors
    /// That of the socket, and [`io::ErrorKind::NotConnected`] where the pool is closed.
    pub async fn endpoint(&self, config: ServerConfig, socket: UdpSocket) -> io::Result<Endpoint> {
        let no_cids = |error| io::Error::new(io::ErrorKind::NotConnected, error);
        self.pool.ready().await.map_err(no_cids)?;
        let endpoint = self.endpoint_config().map_err(no_cids)?;
        Endpoint::new(endpoint, Some(config), socket, Arc::new(TokioRuntime))
    }

    /// What an endpoint needs to have CIDs of the sidecar, for one who makes it otherwise.
    ///
    /// # Errors
    /// While the CID length is unknown: an endpoint has one for as long as it is there.
    pub fn endpoint_config(&self) -> Result<EndpointConfig, Error> {
        let length = self.pool.cid_length()?;
        let tokens = ResetTokens::new(self.pool.clone(), self.lifetime * 2);
        let mut config = EndpointConfig::new(Arc::new(Tokens(tokens.clone())));
        let (pool, lifetime, rolling) = (self.pool.clone(), self.lifetime, self.rolling.clone());
        config.cid_generator(move || {
            Box::new(Generator {
                pool: pool.clone(),
                tokens: tokens.clone(),
                rolling: rolling.clone(),
                length,
                lifetime,
            })
        });
        Ok(config)
    }

    /// Accepts a connection. One that begins with a 0b111 CID, since there is no other, is told not
    /// to migrate. Use this in place of [`Incoming::accept`].
    ///
    /// # Errors
    /// As [`Incoming::accept_with`].
    pub fn accept(
        &self,
        incoming: Incoming,
        config: &Arc<ServerConfig>,
    ) -> Result<Accepting, ConnectionError> {
        let began = Instant::now();
        let Ok(cid) = self.pool.take() else {
            // There is no endpoint before the length is known.
            incoming.ignore();
            return Err(ConnectionError::LocallyClosed);
        };
        let mut config = config.clone();
        if !cid.routable() {
            Arc::make_mut(&mut config).migration(false);
        }
        let connecting = with_next(cid, || incoming.accept_with(config))?;
        Ok(Accepting {
            connecting,
            rolling: self.rolling.clone(),
            began,
        })
    }

    /// Answers with a Retry, whose CID costs no nonce. Use this in place of [`Incoming::retry`].
    ///
    /// # Errors
    /// As [`Incoming::retry`].
    pub fn retry(&self, incoming: Incoming) -> Result<(), RetryError> {
        match self.pool.make_failover() {
            Ok(cid) => with_next(cid, || incoming.retry()),
            Err(_) => incoming.retry(),
        }
    }

    /// Refuses a connection, with a CID that costs no nonce. Use this in place of
    /// [`Incoming::refuse`].
    pub fn refuse(&self, incoming: Incoming) {
        match self.pool.make_failover() {
            Ok(cid) => with_next(cid, || incoming.refuse()),
            Err(_) => incoming.refuse(),
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

/// A connection in its handshake.
#[derive(Debug)]
pub struct Accepting {
    connecting: Connecting,
    rolling: RollingCids<Connection>,
    began: Instant,
}

impl Accepting {
    /// Waits for the handshake. From then on the connection counts among those that hold CIDs,
    /// until it is closed.
    ///
    /// # Errors
    /// As [`Connecting`].
    pub async fn established(self) -> Result<Connection, ConnectionError> {
        let connection = self.connecting.await?;
        let number = self.rolling.opened(connection.clone(), self.began);
        let (rolling, watched) = (self.rolling, connection.clone());
        tokio::spawn(async move {
            watched.closed().await;
            rolling.closed(number);
        });
        Ok(connection)
    }
}
