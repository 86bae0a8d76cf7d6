// SPDX-License-Identifier: Apache-2.0
//! One Session after the other with the sidecar, for as long as the pool is open.
use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{Ping, PingPong, SendStream};
use tokio::time::{sleep, timeout};

use crate::backoff::Backoff;
use crate::clock::since_boot;
use crate::error::Error;
use crate::failover::random;
use crate::grpc::{self, Reassembly};
use crate::held::LOOK_EVERY;
use crate::http2::{Http2, broken, send};
use crate::inner::Inner;
use crate::state::wants_held;
use crate::wire::{SessionOpen, SessionRequest, SessionResponse};

/// A sidecar that accepts connections, and says nothing for so long, is tried anew.
const HELLO_WITHIN: Duration = Duration::from_secs(10);
/// Else nobody would notice a sidecar that is gone without a word.
const PING_EVERY: Duration = Duration::from_secs(10);
const PONG_WITHIN: Duration = Duration::from_secs(5);

/// Why a Session is over.
enum End {
    /// The sidecar ended it, or the connection broke.
    Lost(Error),
    /// The sidecar does not keep the contract.
    GivenUp(Error),
}

/// Keeps a Session until the pool is closed.
pub(crate) async fn keep(inner: Arc<Inner>) {
    let mut backoff = Backoff::new();
    loop {
        let end = tokio::select! {
            () = inner.closing() => break,
            end = session(&inner, &mut backoff) => end,
        };
        match end {
            End::Lost(reason) => inner.with(|state| state.lost(Some(reason))),
            End::GivenUp(error) => {
                backoff.use_longest();
                inner.with(|state| {
                    state.trouble(error);
                    state.lost(None);
                });
            }
        }
        tokio::select! {
            () = inner.closing() => break,
            () = sleep(backoff.pause(u32::from_le_bytes(random()))) => {}
        }
    }
    inner.with(|state| state.lost(None));
}

async fn session(inner: &Inner, backoff: &mut Backoff) -> End {
    let opening = sleep(HELLO_WITHIN);
    tokio::pin!(opening);
    let opened = tokio::select! {
        opened = open(inner) => opened,
        () = &mut opening => Err(silent()),
    };
    match opened {
        Err(error) => End::Lost(error),
        Ok((_connection, pings, response, requests)) => {
            let never = tokio::select! {
                end = read(inner, backoff, response) => return end,
                error = keep_alive(pings) => return End::Lost(error),
                error = await_hello(inner, opening) => return End::Lost(error),
                never = write(inner, requests) => never,
                never = look_at_held(inner) => never,
            };
            match never {}
        }
    }
}

fn silent() -> Error {
    Error::unavailable("the sidecar accepts connections and says nothing")
}

/// Ends where there was no hello in time: PING is answered by much that is no sidecar.
async fn await_hello(inner: &Inner, within: impl Future<Output = ()>) -> Error {
    within.await;
    if inner.with(|state| state.connected) {
        pending::<()>().await;
    }
    silent()
}

type Opened = (Http2, PingPong, ResponseFuture, SendStream<Bytes>);

async fn open(inner: &Inner) -> Result<Opened, Error> {
    let mut connection = Http2::connect(&inner.place).await?;
    let pings = connection.pings()?;
    let (response, requests) = connection.call("Session")?;
    Ok((connection, pings, response, requests))
}

/// Ends with the stream. END_STREAM of the trailers is its end, though our half is open.
async fn read(inner: &Inner, backoff: &mut Backoff, response: ResponseFuture) -> End {
    let response = match response.await {
        Ok(response) => response,
        Err(error) => return lost_by(error),
    };
    if let Some(error) = grpc::refusal_in_head("Session", response.status(), response.headers()) {
        return End::Lost(error);
    }
    let mut body = response.into_body();
    let mut reassembly = Reassembly::default();
    while let Some(octets) = body.data().await {
        let octets = match octets {
            Ok(octets) => octets,
            Err(error) => return lost_by(error),
        };
        // An error means that the stream is over, which the next read says.
        let _ = body.flow_control().release_capacity(octets.len());
        reassembly.push(&octets);
        loop {
            match reassembly.next::<SessionResponse>() {
                Ok(None) => break,
                Ok(Some(message)) => {
                    // A connect is no sign of life: it succeeds while the sidecar still starts.
                    backoff.start_anew();
                    if let Err(error) = receive(inner, message) {
                        return End::GivenUp(error);
                    }
                }
                Err(error) => return End::GivenUp(error),
            }
        }
    }
    match body.trailers().await {
        Ok(Some(trailers)) => End::Lost(grpc::end_in("Session", &trailers)),
        Ok(None) => End::Lost(Error::unavailable(
            "the sidecar ended the stream without a status",
        )),
        Err(error) => lost_by(error),
    }
}

/// What this side finds to be no HTTP/2 is as useless as a message that cannot be read.
fn lost_by(error: h2::Error) -> End {
    let useless = error.is_library();
    let error = broken(error);
    if useless {
        End::GivenUp(error)
    } else {
        End::Lost(error)
    }
}

/// Sends what there is to say. Where that fails, the reader says why.
async fn write(inner: &Inner, mut requests: SendStream<Bytes>) -> Infallible {
    let mut next = Some(introduction(inner));
    loop {
        match next {
            None => inner.outgoing.notified().await,
            Some(request) => {
                if send(&mut requests, grpc::frame(&request), false)
                    .await
                    .is_none()
                {
                    return pending().await;
                }
            }
        }
        next = inner.with(|state| state.outbox.next());
    }
}

fn introduction(inner: &Inner) -> SessionRequest {
    let identity = &inner.identity;
    let (known_generation, oldest_generation) =
        inner.with(|state| (state.generation, state.oldest_generation()));
    SessionRequest {
        open: Some(SessionOpen {
            client_name: identity.client_name.clone(),
            instance: identity.instance.clone(),
            server_use: identity.server_use.clone(),
            known_generation,
            oldest_generation,
            can_retire: identity.can_retire,
        }),
        ..SessionRequest::default()
    }
}

/// Says once a second which CIDs connections hold, where that has changed and is waited for.
async fn look_at_held(inner: &Inner) -> Infallible {
    loop {
        sleep(LOOK_EVERY).await;
        if inner.with(|state| state.wants_held())
            && let Some(held) = inner.ask_held()
        {
            inner.with(|state| state.held_is(held));
        }
    }
}

async fn keep_alive(mut pings: PingPong) -> Error {
    loop {
        sleep(PING_EVERY).await;
        match timeout(PONG_WITHIN, pings.ping(Ping::opaque())).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return broken(error),
            Err(_) => return Error::unavailable("the sidecar answers no PING"),
        }
    }
}

/// Takes what came, after the server was asked what the acknowledgement has to say.
fn receive(inner: &Inner, message: SessionResponse) -> Result<(), Error> {
    // A message of a later release, which this one does not know.
    let Some(event) = message.event else {
        return Ok(());
    };
    // Not under the lock: the server's hook may wait for somebody who takes a CID.
    let held = if wants_held(&event) {
        inner.ask_held()
    } else {
        None
    };
    inner.with(|state| state.receive(event, held, since_boot()))
}
