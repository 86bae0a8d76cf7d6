// SPDX-License-Identifier: Apache-2.0
//! What the test program, the bench and the echo servers share.

mod arguments;
mod report;
mod text;

pub use arguments::Arguments;
pub use report::{Statistics, answer_statistics, listening, stopped, tell};
pub use text::{base64, hex, octets};
