// SPDX-License-Identifier: Apache-2.0
use std::fmt;

/// What kind of an [`Error`] it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An option has a value that cannot be used. To try again does not help.
    InvalidArgument,
    /// The sidecar cannot be reached, refuses, or does not say what was asked. The pool goes on
    /// trying.
    Unavailable,
    /// What the sidecar issues does not fit this process: the server has to be restarted.
    Unusable,
    /// This process has made every 0b111 CID of the length, and begins again with the oldest.
    Exhausted,
    /// The pool is closed.
    Closed,
    /// Every CID of a lease was made.
    LeaseUsedUp,
    /// The CIDs of a lease may not be used now.
    LeaseVoid,
    /// A hook of the server panicked.
    HookPanicked,
}

/// Why something failed, in words for a person.
///
/// Errors can be cloned, because one reason is told in several places: as a `Trouble` event, by
/// `stats()`, and by whatever waits for CIDs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    errno: Option<i32>,
    code: Option<String>,
}

impl Error {
    /// For those who adapt a stack.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            errno: None,
            code: None,
        }
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, message)
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }

    pub(crate) fn closed() -> Self {
        Self::new(ErrorKind::Closed, "the pool is closed")
    }

    pub(crate) fn with_errno(mut self, errno: Option<i32>) -> Self {
        self.errno = errno;
        self
    }

    pub(crate) fn with_code(mut self, code: Option<String>) -> Self {
        self.code = code;
        self
    }

    /// The same error, after what it was the reason of.
    pub(crate) fn because(message: &str, reason: Option<&Self>) -> Self {
        match reason {
            None => Self::unavailable(message),
            Some(reason) => Self {
                kind: ErrorKind::Unavailable,
                message: format!("{message}: {}", reason.message),
                ..reason.clone()
            },
        }
    }

    /// What kind of an error it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What the system said, where the system refused.
    pub fn errno(&self) -> Option<i32> {
        self.errno
    }

    /// The code by which the sidecar refused, such as `STREAMS_EXHAUSTED`, where it said one.
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
