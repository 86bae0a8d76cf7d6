// SPDX-License-Identifier: Apache-2.0
//! The messages of a Session, as proto/cidecar/v1/sidecar.proto describes them. They are written
//! by hand, so that nobody needs protoc; only what a client says or reads is here.
#![allow(missing_docs)]
use bytes::Bytes;
use prost::{Message, Oneof};

#[derive(Clone, PartialEq, Message)]
pub struct SessionRequest {
    #[prost(message, optional, tag = "1")]
    pub open: Option<SessionOpen>,
    #[prost(uint32, tag = "2")]
    pub credit: u32,
    #[prost(message, optional, tag = "3")]
    pub held: Option<HeldCids>,
    #[prost(uint64, tag = "4")]
    pub acknowledged_minting: u64,
    #[prost(message, repeated, tag = "5")]
    pub questions: Vec<Question>,
}

#[derive(Clone, PartialEq, Message)]
pub struct SessionOpen {
    #[prost(string, tag = "1")]
    pub client_name: String,
    #[prost(bytes = "bytes", tag = "2")]
    pub instance: Bytes,
    #[prost(bytes = "bytes", optional, tag = "3")]
    pub server_use: Option<Bytes>,
    #[prost(uint64, tag = "4")]
    pub known_generation: u64,
    #[prost(uint64, tag = "5")]
    pub oldest_generation: u64,
    #[prost(bool, tag = "6")]
    pub can_retire: bool,
}

#[derive(Clone, PartialEq, Message)]
pub struct HeldCids {
    #[prost(message, repeated, tag = "1")]
    pub generations: Vec<HeldGeneration>,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct HeldGeneration {
    #[prost(uint64, tag = "1")]
    pub generation: u64,
    #[prost(uint64, tag = "2")]
    pub connections: u64,
}

#[derive(Clone, PartialEq, Message)]
pub struct Question {
    #[prost(uint64, tag = "1")]
    pub number: u64,
    #[prost(oneof = "About", tags = "2, 3")]
    pub about: Option<About>,
}

#[derive(Clone, PartialEq, Oneof)]
pub enum About {
    #[prost(bytes = "bytes", tag = "2")]
    ResetTokenOf(Bytes),
    #[prost(bytes = "bytes", tag = "3")]
    Own(Bytes),
}

#[derive(Clone, PartialEq, Message)]
pub struct SessionResponse {
    #[prost(oneof = "Event", tags = "1, 2, 3, 4, 5, 6")]
    pub event: Option<Event>,
}

#[derive(Clone, PartialEq, Oneof)]
pub enum Event {
    #[prost(message, tag = "1")]
    Hello(SessionHello),
    #[prost(message, tag = "2")]
    Batch(CidBatch),
    #[prost(message, tag = "3")]
    Minting(Minting),
    #[prost(message, tag = "4")]
    Reissue(Reissue),
    #[prost(message, tag = "5")]
    Alive(Alive),
    #[prost(message, tag = "6")]
    Answer(Answer),
}

#[derive(Clone, PartialEq, Message)]
pub struct SessionHello {
    #[prost(uint32, tag = "1")]
    pub cid_length: u32,
    #[prost(message, optional, tag = "2")]
    pub minting: Option<Minting>,
    #[prost(uint32, tag = "3")]
    pub lifetime_ms: u32,
    #[prost(uint32, tag = "5")]
    pub credit_limit: u32,
    #[prost(bool, tag = "8")]
    pub key_export: bool,
    #[prost(string, tag = "9")]
    pub server_name: String,
    #[prost(string, tag = "10")]
    pub pool_name: String,
    #[prost(string, tag = "11")]
    pub version: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct Minting {
    #[prost(uint64, tag = "1")]
    pub number: u64,
    #[prost(uint64, tag = "2")]
    pub generation: u64,
    #[prost(bool, tag = "3")]
    pub makes_void: bool,
    #[prost(bool, tag = "5")]
    pub routable: bool,
    #[prost(string, tag = "6")]
    pub reason: String,
    #[prost(bool, tag = "7")]
    pub zero_host_id: bool,
    #[prost(string, tag = "8")]
    pub reset_tokens: String,
}

/// `count` CIDs with their tokens of 16 octets, packed.
#[derive(Clone, PartialEq, Message)]
pub struct CidBatch {
    #[prost(bytes = "bytes", tag = "1")]
    pub cids: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub tokens: Bytes,
    #[prost(uint32, tag = "3")]
    pub count: u32,
    #[prost(uint32, tag = "4")]
    pub cid_length: u32,
    #[prost(uint64, tag = "6")]
    pub generation: u64,
    #[prost(bool, tag = "7")]
    pub routable: bool,
}

#[derive(Clone, PartialEq, Message)]
pub struct Reissue {
    #[prost(uint64, tag = "1")]
    pub through_generation: u64,
    #[prost(message, optional, tag = "2")]
    pub deadline: Option<Timestamp>,
}

/// google.protobuf.Timestamp.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Timestamp {
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Alive {}

#[derive(Clone, PartialEq, Message)]
pub struct Answer {
    #[prost(uint64, tag = "1")]
    pub number: u64,
    #[prost(oneof = "Outcome", tags = "2, 3, 4")]
    pub result: Option<Outcome>,
}

#[derive(Clone, PartialEq, Oneof)]
pub enum Outcome {
    #[prost(bytes = "bytes", tag = "2")]
    ResetToken(Bytes),
    #[prost(bool, tag = "3")]
    Own(bool),
    #[prost(message, tag = "4")]
    Refusal(Refusal),
}

#[derive(Clone, PartialEq, Message)]
pub struct Refusal {
    #[prost(string, tag = "1")]
    pub code: String,
    #[prost(string, tag = "2")]
    pub message: String,
}

/// A lease of nonces is asked for.
#[cfg(feature = "minting")]
#[derive(Clone, PartialEq, Message)]
pub struct LeaseNoncesRequest {
    #[prost(uint32, tag = "1")]
    pub count: u32,
}

/// A lease. It has keys, so it cannot be shown.
#[cfg(feature = "minting")]
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub struct LeaseNoncesResponse {
    #[prost(uint64, tag = "1")]
    pub generation: u64,
    #[prost(string, tag = "2")]
    pub scheme: String,
    #[prost(uint32, tag = "3")]
    pub config_id: u32,
    #[prost(uint32, tag = "4")]
    pub cid_length: u32,
    #[prost(uint32, tag = "5")]
    pub nonce_length: u32,
    #[prost(uint32, tag = "6")]
    pub server_use_length: u32,
    #[prost(bool, tag = "7")]
    pub length_self_encoded: bool,
    #[prost(bytes = "vec", tag = "8")]
    pub server_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "9")]
    pub key: Vec<u8>,
    #[prost(bytes = "vec", tag = "10")]
    pub first_counter: Vec<u8>,
    #[prost(uint32, tag = "11")]
    pub count: u32,
    #[prost(bytes = "vec", tag = "12")]
    pub permutation_key: Vec<u8>,
    #[prost(bytes = "vec", tag = "13")]
    pub reset_key: Vec<u8>,
    #[prost(string, tag = "14")]
    pub reset_tokens: String,
}

#[cfg(feature = "minting")]
impl std::fmt::Debug for LeaseNoncesResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LeaseNoncesResponse")
    }
}

/// google.rpc.Status, as `grpc-status-details-bin` carries it.
#[derive(Clone, PartialEq, Message)]
pub struct Status {
    #[prost(message, repeated, tag = "3")]
    pub details: Vec<Any>,
}

/// google.protobuf.Any.
#[derive(Clone, PartialEq, Message)]
pub struct Any {
    #[prost(bytes = "bytes", tag = "2")]
    pub value: Bytes,
}

/// google.rpc.ErrorInfo.
#[derive(Clone, PartialEq, Message)]
pub struct ErrorInfo {
    #[prost(string, tag = "1")]
    pub reason: String,
    #[prost(string, tag = "2")]
    pub domain: String,
}
