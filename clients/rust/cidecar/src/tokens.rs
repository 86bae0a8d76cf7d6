// SPDX-License-Identifier: Apache-2.0
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::cid::RESET_TOKEN_LENGTH;
use crate::feistel::{Aes, BLOCK};

/// Makes the reset tokens of CIDs under a key.
pub(crate) enum TokenKey {
    /// AES-CMAC (RFC 4493), with its first subkey.
    Cmac(Box<Aes>, [u8; BLOCK]),
    /// The first octets of the HMAC-SHA256, as stacks do that make their tokens themselves.
    Hmac(Box<Hmac<Sha256>>),
}

impl TokenKey {
    pub(crate) fn cmac(key: &[u8; BLOCK]) -> Self {
        let aes = Aes::new(key);
        let mut subkey = [0; BLOCK];
        aes.encrypt(&mut subkey);
        Self::Cmac(Box::new(aes), doubled(subkey))
    }

    pub(crate) fn hmac(key: &[u8; BLOCK]) -> Option<Self> {
        let hmac = Hmac::new_from_slice(key).ok()?;
        Some(Self::Hmac(Box::new(hmac)))
    }

    /// The token of a CID.
    pub(crate) fn token(&self, cid: &[u8]) -> [u8; RESET_TOKEN_LENGTH] {
        match self {
            Self::Cmac(aes, subkey) => cmac(aes, *subkey, cid),
            Self::Hmac(hmac) => {
                let mut hmac = (**hmac).clone();
                hmac.update(cid);
                let mut token = [0; RESET_TOKEN_LENGTH];
                token.copy_from_slice(&hmac.finalize().into_bytes()[..RESET_TOKEN_LENGTH]);
                token
            }
        }
    }
}

/// Multiplication by x in the field of RFC 4493, section 2.3.
fn doubled(block: [u8; BLOCK]) -> [u8; BLOCK] {
    let number = u128::from_be_bytes(block);
    let carry = (number >> 127) * 0x87;
    (number << 1 ^ carry).to_be_bytes()
}

fn cmac(aes: &Aes, subkey: [u8; BLOCK], mut message: &[u8]) -> [u8; BLOCK] {
    let mut state = [0; BLOCK];
    while message.len() > BLOCK {
        let (block, rest) = message.split_at(BLOCK);
        add(&mut state, block);
        aes.encrypt(&mut state);
        message = rest;
    }
    add(&mut state, message);
    if message.len() == BLOCK {
        add(&mut state, &subkey);
    } else {
        state[message.len()] ^= 0x80;
        add(&mut state, &doubled(subkey));
    }
    aes.encrypt(&mut state);
    state
}

fn add(state: &mut [u8; BLOCK], octets: &[u8]) {
    for (octet, other) in state.iter_mut().zip(octets) {
        *octet ^= other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::minter::tests::octets;

    // RFC 4493, section 4.
    #[test]
    fn makes_the_cmacs_of_the_rfc() {
        let key = octets("2b7e151628aed2a6abf7158809cf4f3c");
        let key = TokenKey::cmac(&key.try_into().expect("16 octets"));
        let message = octets(concat!(
            "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51",
            "30c81c46a35ce411"
        ));
        for (length, mac) in [
            (0, "bb1d6929e95937287fa37d129b756746"),
            (16, "070a16b46b4d4144f79bdd9dd04a287c"),
            (40, "dfa66747de9ae63030ca32611497c827"),
        ] {
            assert_eq!(key.token(&message[..length]), octets(mac)[..]);
        }
    }

    // cid/testdata/cidecar.json of the project.
    #[test]
    fn makes_the_tokens_of_the_sidecar() {
        let bytes = std::array::from_fn(|i| i as u8);
        let cid = octets("125779c9cc86beb3a3a4a3ca96fce4bfe0cdbc");
        let token = TokenKey::cmac(&bytes).token(&cid);
        assert_eq!(token, octets("710296199f06af8fb8458d0291efae79")[..]);
    }
}
