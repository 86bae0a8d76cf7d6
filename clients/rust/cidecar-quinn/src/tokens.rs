// SPDX-License-Identifier: Apache-2.0
use cidecar::{RESET_TOKEN_LENGTH, ResetTokens};
use quinn::crypto::{CryptoError, HmacKey};

/// The reset tokens that came with the CIDs, in the place of quinn's key that makes them.
pub(crate) struct Tokens(pub(crate) ResetTokens);

impl HmacKey for Tokens {
    fn sign(&self, cid: &[u8], signature: &mut [u8]) {
        // Without one, as when the sidecar's answer has just become too old, the reset means
        // nothing to its receiver.
        let token = self.0.known(cid).unwrap_or_default();
        let length = signature.len().min(token.len());
        signature[..length].copy_from_slice(&token[..length]);
    }

    fn signature_len(&self) -> usize {
        RESET_TOKEN_LENGTH
    }

    fn verify(&self, _: &[u8], _: &[u8]) -> Result<(), CryptoError> {
        Err(CryptoError) // quinn verifies no token of its own.
    }
}
