// SPDX-License-Identifier: Apache-2.0
use std::fmt;
use std::ops::Deref;

/// Octets of a stateless reset token (RFC 9000, section 10.3).
pub const RESET_TOKEN_LENGTH: usize = 16;
/// Octets of the longest CID (RFC 9000, section 17.2).
pub const MAX_CID_LENGTH: usize = 20;
/// Octets of the shortest CID that a server can have, which is that of its 0b111 CIDs too.
pub const MIN_CID_LENGTH: usize = 8;

/// Whether a server can have CIDs of this length.
pub(crate) fn is_cid_length(octets: usize) -> bool {
    (MIN_CID_LENGTH..=MAX_CID_LENGTH).contains(&octets)
}

/// A connection ID (CID) for one use, with its stateless reset token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Cid {
    octets: [u8; MAX_CID_LENGTH],
    length: u8,
    routable: bool,
    token: [u8; RESET_TOKEN_LENGTH],
    generation: u64,
}

impl Cid {
    /// The caller has seen to it that there are 8 to 20 octets.
    pub(crate) fn new(
        cid: &[u8],
        token: [u8; RESET_TOKEN_LENGTH],
        routable: bool,
        generation: u64,
    ) -> Self {
        let mut octets = [0; MAX_CID_LENGTH];
        octets[..cid.len()].copy_from_slice(cid);
        Self {
            octets,
            length: cid.len() as u8,
            routable,
            token,
            generation,
        }
    }

    /// The octets of the CID, 8 to 20.
    pub fn as_bytes(&self) -> &[u8] {
        &self.octets[..usize::from(self.length)]
    }

    /// Its stateless reset token. Nobody can make that of a 0b111 CID again when the process has
    /// ended, if the pool was dry and made the CID itself.
    pub fn reset_token(&self) -> [u8; RESET_TOKEN_LENGTH] {
        self.token
    }

    /// False for a 0b111 CID, whose packets balancers send by the 4-tuple: give its connection no
    /// second CID, and disable active migration.
    pub fn routable(&self) -> bool {
        self.routable
    }

    /// The generation by which a [`Reissue`](crate::Reissue) names it.
    pub fn generation(&self) -> u64 {
        self.generation
    }
}

impl Deref for Cid {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Debug for Cid {
    // Not the token, by which anybody could end the connection.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for octet in self.as_bytes() {
            write!(f, "{octet:02x}")?;
        }
        write!(f, " of generation {}", self.generation)
    }
}
