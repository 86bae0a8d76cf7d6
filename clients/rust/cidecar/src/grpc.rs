// SPDX-License-Identifier: Apache-2.0
//! What gRPC adds to HTTP/2: messages with a length, and a status in the trailers.
use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use prost::Message;

use crate::error::Error;
use crate::wire::{ErrorInfo, Status};

/// A flag and the length of the message.
pub(crate) const PREFIX: usize = 5;
/// Octets of the longest message that is read. A batch of 1,024 CIDs has 37,000 at most.
const LONGEST: usize = 4 << 20;
/// gRPC's status of a method that the server does not have.
const UNIMPLEMENTED: &str = "12";

/// A message as it goes into DATA frames.
pub(crate) fn frame(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut frame = BytesMut::with_capacity(PREFIX + length);
    frame.put_u8(0);
    frame.put_u32(length as u32);
    frame.put_slice(&message.encode_to_vec());
    frame.freeze()
}

/// Puts messages together that cross the borders of DATA frames.
#[derive(Default)]
pub(crate) struct Reassembly {
    octets: BytesMut,
}

impl Reassembly {
    pub(crate) fn push(&mut self, octets: &[u8]) {
        self.octets.extend_from_slice(octets);
    }

    /// The next message that is complete.
    pub(crate) fn next<M: Message + Default>(&mut self) -> Result<Option<M>, Error> {
        let Some((prefix, _)) = self.octets.split_first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let [flag, length @ ..] = *prefix;
        let length = u32::from_be_bytes(length) as usize;
        if flag != 0 || length > LONGEST {
            let message = "the sidecar sent a message that is compressed, or too long";
            return Err(Error::unavailable(message));
        }
        if self.octets.len() < PREFIX + length {
            return Ok(None);
        }
        self.octets.advance(PREFIX);
        // From a slice, which copies what the message has: CIDs that wait in the pool would else
        // keep all of a message that is much longer than they are.
        M::decode(&self.octets.split_to(length)[..])
            .map(Some)
            .map_err(|error| {
                Error::unavailable(format!("the sidecar's message cannot be read: {error}"))
            })
    }
}

/// Whether these octets are one message with its prefix, and nothing else.
#[cfg(feature = "minting")]
pub(crate) fn is_one_message(octets: &[u8]) -> bool {
    octets.split_first_chunk().is_some_and(|(prefix, message)| {
        let [flag, length @ ..]: [u8; PREFIX] = *prefix;
        flag == 0 && u32::from_be_bytes(length) as usize == message.len()
    })
}

/// Why the sidecar does not answer the call of a method, by the head of its response.
pub(crate) fn refusal_in_head(
    method: &str,
    status: StatusCode,
    headers: &HeaderMap,
) -> Option<Error> {
    if status != StatusCode::OK {
        let message = format!("{method}: the answer is HTTP status {}", status.as_u16());
        return Some(Error::unavailable(message));
    }
    headers
        .contains_key("grpc-status")
        .then(|| end_in(method, headers))
}

/// Why the stream of a method ended, by its trailers.
pub(crate) fn end_in(method: &str, trailers: &HeaderMap) -> Error {
    match status_in(method, trailers) {
        Ok(()) => Error::unavailable(format!("the sidecar ended the {method}")),
        Err(error) => error,
    }
}

/// An error unless the call of a method ended well, by its trailers.
pub(crate) fn status_in(method: &str, trailers: &HeaderMap) -> Result<(), Error> {
    let text = |name: &str| {
        let value = trailers.get(name).map(http::HeaderValue::as_bytes);
        String::from_utf8_lossy(&percent_decoded(value.unwrap_or_default())).into_owned()
    };
    let (status, details) = (text("grpc-status"), text("grpc-message"));
    let message = match status.as_str() {
        "0" => return Ok(()),
        UNIMPLEMENTED => {
            format!("the sidecar does not know {method}: it is older than this client ({details})")
        }
        _ if details.is_empty() => format!("{method}: gRPC status {status}"),
        _ => format!("{method}: {details}"),
    };
    Err(Error::unavailable(message).with_code(code_in(trailers)))
}

/// The code of the catalogue by which the sidecar refused.
fn code_in(trailers: &HeaderMap) -> Option<String> {
    let packed = trailers.get("grpc-status-details-bin")?;
    let status = Status::decode(base64_decoded(packed.as_bytes())?.as_slice()).ok()?;
    let infos = status.details.into_iter();
    let mut infos = infos.filter_map(|detail| ErrorInfo::decode(detail.value).ok());
    infos
        .find(|info| info.domain == "cidecar")
        .map(|info| info.reason)
}

/// What is percent-encoded, decoded; the rest as it is, because some messages are plain text.
fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    let mut decoded = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        match (text[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high << 4 | low) as u8);
                at += 3;
            }
            (octet, ..) => {
                decoded.push(octet);
                at += 1;
            }
        }
    }
    decoded
}

/// Base64 with padding or without.
fn base64_decoded(text: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0);
    for octet in text.iter().filter(|octet| **octet != b'=') {
        let value = match octet {
            b'A'..=b'Z' => octet - b'A',
            b'a'..=b'z' => octet - b'a' + 26,
            b'0'..=b'9' => octet - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            decoded.push((bits >> count) as u8);
        }
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Alive, Event, SessionResponse};

    fn alive() -> SessionResponse {
        SessionResponse {
            event: Some(Event::Alive(Alive {})),
        }
    }

    #[test]
    fn a_batch_does_not_keep_its_message() {
        use crate::wire::CidBatch;
        let batch = CidBatch {
            cids: vec![1; 8].into(),
            tokens: vec![2; 16].into(),
            count: 1,
            ..CidBatch::default()
        };
        let mut reassembly = Reassembly::default();
        reassembly.push(&frame(&SessionResponse {
            event: Some(Event::Batch(batch)),
        }));
        let message = reassembly.next::<SessionResponse>().expect("is good");
        let Some(Event::Batch(batch)) = message.and_then(|message| message.event) else {
            panic!("no batch");
        };
        assert!(batch.cids.is_unique() && batch.tokens.is_unique());
    }

    #[test]
    fn messages_cross_the_borders_of_frames() {
        let two = [frame(&alive()), frame(&alive())].concat();
        for border in 0..=two.len() {
            let mut reassembly = Reassembly::default();
            let mut messages = 0;
            for part in [&two[..border], &two[border..]] {
                reassembly.push(part);
                while let Some(message) = reassembly.next::<SessionResponse>().expect("is good") {
                    assert_eq!(message, alive());
                    messages += 1;
                }
            }
            assert_eq!(messages, 2, "with a border at {border}");
        }
    }

    #[test]
    fn refuses_what_is_no_message() {
        for octets in [
            &[1, 0, 0, 0, 0][..],
            &[0, 0xff, 0xff, 0xff, 0xff],
            &[0, 0, 0, 0, 2, 0x0a, 0xff],
            &[0, 0, 0, 0, 1, 0xff],
        ] {
            let mut reassembly = Reassembly::default();
            reassembly.push(octets);
            assert!(reassembly.next::<SessionResponse>().is_err(), "{octets:?}");
        }
    }

    fn trailers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let each = pairs.iter();
        each.map(|(name, value)| {
            let value = http::HeaderValue::from_str(value).expect("is a value");
            (http::HeaderName::from_static(name), value)
        })
        .collect()
    }

    #[test]
    fn says_what_the_sidecar_said() {
        for (pairs, said) in [
            (&[("grpc-status", "0")][..], "the sidecar ended the Session"),
            (
                &[
                    ("grpc-status", "8"),
                    ("grpc-message", "no room%2c 100% full"),
                ],
                "Session: no room, 100% full",
            ),
            (&[("grpc-status", "14")], "Session: gRPC status 14"),
            (
                &[("grpc-status", "12"), ("grpc-message", "unknown method")],
                "the sidecar does not know Session: it is older than this client (unknown method)",
            ),
        ] {
            assert_eq!(end_in("Session", &trailers(pairs)).to_string(), said);
        }
        let other = refusal_in_head(
            "Session",
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            &HeaderMap::new(),
        );
        assert!(other.expect("is refused").to_string().contains("415"));
        assert_eq!(
            refusal_in_head("Session", StatusCode::OK, &HeaderMap::new()),
            None
        );
    }

    // google.rpc.Status { code: 8, details: [Any { ErrorInfo { reason: "STREAMS_EXHAUSTED",
    // domain: "cidecar" } }] }, without padding.
    #[test]
    fn reads_the_code_of_the_catalogue() {
        let info = [&b"\x0a\x11STREAMS_EXHAUSTED\x12\x07cidecar"[..]].concat();
        let any = [&[0x12, info.len() as u8][..], &info].concat();
        let status = [&[0x08, 8, 0x1a, any.len() as u8][..], &any].concat();
        let text = "CAgaHhIcChFTVFJFQU1TX0VYSEFVU1RFRBIHY2lkZWNhcg";
        assert_eq!(base64_decoded(text.as_bytes()), Some(status));
        let trailers = trailers(&[("grpc-status", "8"), ("grpc-status-details-bin", text)]);
        assert_eq!(
            end_in("Session", &trailers).code(),
            Some("STREAMS_EXHAUSTED")
        );
        assert_eq!(base64_decoded(b"a b"), None);
    }
}
