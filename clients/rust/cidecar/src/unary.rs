// SPDX-License-Identifier: Apache-2.0
use prost::Message;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::grpc::{self, PREFIX};
use crate::http2::{Http2, broken, send};
use crate::options::Place;

/// Octets of the longest answer.
const LONGEST: usize = 4096;

/// Calls a method that has one answer, on a connection of its own. The octets of the answer are
/// overwritten when they are dropped, since it can have keys.
pub(crate) async fn call(
    place: &Place,
    method: &str,
    request: &impl Message,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut connection = Http2::connect(place).await?;
    let (response, mut requests) = connection.call(method)?;
    // Where that fails, the answer says why.
    let _ = send(&mut requests, grpc::frame(request), true).await;
    let response = response.await.map_err(broken)?;
    if let Some(error) = grpc::refusal_in_head(method, response.status(), response.headers()) {
        return Err(error);
    }
    let mut body = response.into_body();
    // With all its room from the start: what grows leaves octets behind.
    let mut answer = Zeroizing::new(Vec::with_capacity(PREFIX + LONGEST));
    while let Some(octets) = body.data().await {
        let octets = octets.map_err(broken)?;
        let _ = body.flow_control().release_capacity(octets.len());
        if answer.len() + octets.len() > PREFIX + LONGEST {
            return Err(Error::unavailable(format!(
                "{method}: the answer is too long"
            )));
        }
        answer.extend_from_slice(&octets);
    }
    let trailers = body.trailers().await.map_err(broken)?.unwrap_or_default();
    grpc::status_in(method, &trailers)?;
    if !grpc::is_one_message(&answer) {
        let message = format!("{method}: what the sidecar sent is not one message");
        return Err(Error::unavailable(message));
    }
    answer.drain(..PREFIX);
    Ok(answer)
}
