// SPDX-License-Identifier: Apache-2.0
//! A connection to the sidecar, and the calls that begin on it.
use std::convert::Infallible;
use std::future::poll_fn;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, Connection, ResponseFuture, SendRequest};
use h2::{PingPong, SendStream};
use http::{Method, Request};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::error::Error;
use crate::link::{self, Link};
use crate::options::Place;

/// Octets of the windows of stream and connection: with less, round trips limit the rate.
const WINDOW: u32 = 1 << 20;
/// For so long a connection that is done with may say goodbye.
const GOODBYE_WITHIN: Duration = Duration::from_secs(1);

/// A connection, which is served until this is dropped, and a moment longer, so that it ends in
/// order.
pub(crate) struct Http2 {
    client: SendRequest<Bytes>,
    pings: Option<PingPong>,
    _dropped: oneshot::Sender<Infallible>,
}

impl Http2 {
    pub(crate) async fn connect(place: &Place) -> Result<Self, Error> {
        let link = link::connect(place).await?;
        let handshake = Builder::new()
            .initial_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .enable_push(false)
            .handshake(link);
        let (client, mut connection) = handshake.await.map_err(broken)?;
        let pings = connection.ping_pong();
        let dropped = drive(connection);
        Ok(Self {
            client: client.ready().await.map_err(broken)?,
            pings,
            _dropped: dropped,
        })
    }

    /// Can be had once.
    pub(crate) fn pings(&mut self) -> Result<PingPong, Error> {
        let pings = self.pings.take();
        pings.ok_or_else(|| Error::unavailable("the connection takes no PING"))
    }

    /// Begins the call of a method of the sidecar.
    pub(crate) fn call(
        &mut self,
        method: &str,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), Error> {
        // A missing `:authority`, or the path of a socket, is refused without a word.
        let uri = format!("http://localhost/cidecar.v1.SidecarService/{method}");
        let request = Request::builder()
            .method(Method::POST)
            .uri(uri)
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .map_err(|error| Error::unavailable(error.to_string()))?;
        self.client.send_request(request, false).map_err(broken)
    }
}

fn drive(mut connection: Connection<Box<dyn Link>, Bytes>) -> oneshot::Sender<Infallible> {
    let (sender, dropped) = oneshot::channel::<Infallible>();
    tokio::spawn(async move {
        tokio::select! {
            _ = &mut connection => {}
            _ = dropped => drop(timeout(GOODBYE_WITHIN, connection).await),
        }
    });
    sender
}

/// Sends what there is room for, until all is sent; none where the stream is over.
pub(crate) async fn send(
    requests: &mut SendStream<Bytes>,
    mut frame: Bytes,
    last: bool,
) -> Option<()> {
    while !frame.is_empty() {
        requests.reserve_capacity(frame.len());
        let room = poll_fn(|context| requests.poll_capacity(context)).await?;
        let part = frame.split_to(room.ok()?.min(frame.len()));
        requests.send_data(part, last && frame.is_empty()).ok()?;
    }
    Some(())
}

pub(crate) fn broken(error: h2::Error) -> Error {
    let errno = error.get_io().and_then(std::io::Error::raw_os_error);
    Error::unavailable(format!("the connection to the sidecar broke: {error}")).with_errno(errno)
}
