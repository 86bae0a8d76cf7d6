// SPDX-License-Identifier: Apache-2.0
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes::{Aes128, Block};

/// Octets of an AES-128 key and of a block.
pub(crate) const BLOCK: usize = 16;
/// Passes that permute counters (docs/connection-ids.md of the project, "Nonces").
pub(crate) const PERMUTATION_PASSES: u8 = 8;
/// Passes that encrypt a CID.
pub(crate) const ENCRYPTION_PASSES: u8 = 4;

/// AES-128 in one direction. The key is overwritten when this is dropped.
pub(crate) struct Aes(Aes128);

impl Aes {
    pub(crate) fn new(key: &[u8; BLOCK]) -> Self {
        Self(Aes128::new(&(*key).into()))
    }

    pub(crate) fn encrypt(&self, block: &mut [u8; BLOCK]) {
        let mut encrypted = Block::from(*block);
        self.0.encrypt_block(&mut encrypted);
        *block = encrypted.into();
    }

    /// The network of draft-ietf-quic-load-balancers-22, "Four-Pass Encryption", with so many
    /// passes: a permutation of all strings of so many octets, 2 to 20.
    ///
    /// With an odd length the halves share the middle octet: its upper nibble ends the left half,
    /// its lower one begins the right half.
    pub(crate) fn feistel(&self, text: &mut [u8], passes: u8) {
        let length = text.len();
        let half = length.div_ceil(2);
        let odd = length % 2;
        let mut halves = [[0; BLOCK]; 2];
        halves[0][..half].copy_from_slice(&text[..half]);
        halves[1][..half].copy_from_slice(&text[length - half..]);
        let trim = |halves: &mut [[u8; BLOCK]; 2]| {
            if odd == 1 {
                halves[0][half - 1] &= 0xf0;
                halves[1][0] &= 0x0f;
            }
        };
        trim(&mut halves);
        for pass in 1..=passes {
            let into = usize::from(pass % 2);
            let mut block = [0; BLOCK];
            block[..half].copy_from_slice(&halves[1 - into][..half]);
            block[BLOCK - 2] = length as u8;
            block[BLOCK - 1] = pass;
            self.encrypt(&mut block);
            for (octet, stream) in halves[into][..half].iter_mut().zip(block) {
                *octet ^= stream;
            }
            trim(&mut halves);
        }
        text[half..].copy_from_slice(&halves[1][odd..half]);
        text[..half].copy_from_slice(&halves[0][..half]);
        if odd == 1 {
            text[half - 1] |= halves[1][0];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::minter::tests::octets;

    fn check(key: &str, from: &str, to: &str, passes: u8) {
        let key = octets(key).try_into().expect("16 octets");
        let mut text = octets(from);
        Aes::new(&key).feistel(&mut text, passes);
        assert_eq!(text, octets(to), "{from}");
    }

    #[test]
    fn makes_what_the_draft_makes() {
        let key = "8f95f09245765f80256934e50c66207f";
        for (from, to) in [
            ("ed793aee080dbf", "20b1d07b359d3c"),
            (
                "ed793a51d49b8f5fab65ee080dbf48",
                "cc381bc74cb4fbad2823a3d1f8fed2",
            ),
            (
                "ed793a51d49b8f5fabee080dbf48c0d1e55d",
                "5779c9cc86beb3a3a4a3ca96fce4bfe0cdbc",
            ),
        ] {
            check(key, from, to, ENCRYPTION_PASSES);
        }
    }

    // Of cid/testdata/cidecar.json of the project.
    #[test]
    fn permutes_counters_as_the_sidecar_does() {
        let key = "000102030405060708090a0b0c0d0e0f";
        for (from, to) in [
            ("ffffffff", "1ade432a"),
            ("0000000001", "c27dba003c"),
            (
                "00000000000000000000000000000001",
                "e7a09f9d36a7fcc65e8d87ffdfa4d94e",
            ),
            (
                "0000000010000000000000000000000001",
                "2353a1f25817a46173599259d170192654",
            ),
        ] {
            check(key, from, to, PERMUTATION_PASSES);
        }
    }
}
