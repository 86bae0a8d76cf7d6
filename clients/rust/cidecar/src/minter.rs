// SPDX-License-Identifier: Apache-2.0
use std::fmt;

use zeroize::Zeroize;

use crate::cid::{Cid, MAX_CID_LENGTH};
use crate::failover::random;
use crate::feistel::{Aes, BLOCK, ENCRYPTION_PASSES, PERMUTATION_PASSES};
use crate::tokens::TokenKey;
use crate::wire::LeaseNoncesResponse;

/// The most nonces of one lease.
pub(crate) const MOST_NONCES: u32 = 1 << 24;

/// How server ID and nonce go into a CID.
enum Cipher {
    /// In the clear; nonces are counters under a permutation.
    Permutes(Aes),
    Encrypts(Aes),
}

/// Makes CIDs by the terms of a lease (docs/connection-ids.md and docs/sidecar.md of the project).
/// The keys are overwritten when it is dropped.
pub(crate) struct Minter {
    katran: bool,
    config_id: u8,
    cid_length: usize,
    self_encoded: bool,
    server_id: Vec<u8>,
    /// The next one, big-endian.
    counter: Vec<u8>,
    /// CIDs that can still be made.
    pub(crate) left: u32,
    /// What the server-use octets begin with.
    server_use: Vec<u8>,
    cipher: Cipher,
    tokens: TokenKey,
    random: Random,
}

/// Why the terms of a lease cannot be kept.
#[derive(Debug)]
pub(crate) struct Lie(&'static str);

impl fmt::Display for Lie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Minter {
    /// `server_use` is what the server-use octets of all CIDs begin with. The keys in the terms are
    /// overwritten.
    pub(crate) fn new(terms: &mut LeaseNoncesResponse, server_use: &[u8]) -> Result<Self, Lie> {
        let minter = Self::checked(terms, server_use);
        terms.key.zeroize();
        terms.permutation_key.zeroize();
        terms.reset_key.zeroize();
        minter
    }

    fn checked(terms: &LeaseNoncesResponse, server_use: &[u8]) -> Result<Self, Lie> {
        let katran = terms.scheme == "katran";
        if !katran && terms.scheme != "quic-lb" {
            return Err(Lie("a lease of a scheme that this client does not know"));
        }
        if terms.config_id > 6 || !(1..=MOST_NONCES).contains(&terms.count) {
            return Err(Lie("a lease of a config, or of a number, that cannot be"));
        }
        let (server_id, nonce) = (terms.server_id.len(), terms.first_counter.len());
        if server_id < 1 || nonce < 2 || nonce != terms.nonce_length as usize {
            return Err(Lie(
                "a lease whose server ID or counter has another length than it should",
            ));
        }
        let use_length = terms.server_use_length as usize;
        let parts = (1 + server_id + nonce).checked_add(use_length);
        let cid_length = terms.cid_length as usize;
        if parts != Some(cid_length) || cid_length > MAX_CID_LENGTH {
            return Err(Lie("a lease whose parts do not make up its CIDs"));
        }
        if server_use.len() > use_length {
            return Err(Lie("a lease without room for the server-use octets"));
        }
        if katran && (use_length > 0 || !terms.key.is_empty()) {
            return Err(Lie(
                "a lease of Katran's with a key, or with server-use octets",
            ));
        }
        let cipher = match (key(&terms.key), key(&terms.permutation_key)) {
            (Some(key), None) if terms.permutation_key.is_empty() => {
                Cipher::Encrypts(Aes::new(key))
            }
            (None, Some(key)) if terms.key.is_empty() => Cipher::Permutes(Aes::new(key)),
            _ => return Err(Lie("a lease whose keys are not those that it needs")),
        };
        let reset_key = key(&terms.reset_key).ok_or(Lie("a lease without a reset key"))?;
        let tokens = match terms.reset_tokens.as_str() {
            "cmac" => Some(TokenKey::cmac(reset_key)),
            "hmac-sha256" => TokenKey::hmac(reset_key),
            _ => None,
        };
        Ok(Self {
            katran,
            config_id: terms.config_id as u8,
            cid_length,
            self_encoded: terms.length_self_encoded,
            server_id: terms.server_id.clone(),
            counter: terms.first_counter.clone(),
            left: terms.count,
            server_use: server_use.to_vec(),
            cipher,
            tokens: tokens.ok_or(Lie("a lease with reset tokens of an unknown kind"))?,
            random: Random::default(),
        })
    }

    /// The CID of the next counter, if one is left.
    pub(crate) fn mint(&mut self, generation: u64) -> Option<Cid> {
        self.left = self.left.checked_sub(1)?;
        let mut octets = [0; MAX_CID_LENGTH];
        let cid = &mut octets[..self.cid_length];
        let length = self.server_id.len() + self.counter.len();
        let (block, server_use) = cid[1..].split_at_mut(length);
        let (server_id, nonce) = block.split_at_mut(self.server_id.len());
        server_id.copy_from_slice(&self.server_id);
        nonce.copy_from_slice(&self.counter);
        count_on(&mut self.counter);
        match &self.cipher {
            Cipher::Permutes(aes) => aes.feistel(nonce, PERMUTATION_PASSES),
            Cipher::Encrypts(aes) => match <&mut [u8; BLOCK]>::try_from(&mut *block) {
                Ok(block) => aes.encrypt(block),
                Err(_) => aes.feistel(block, ENCRYPTION_PASSES),
            },
        }
        let (ours, free) = server_use.split_at_mut(self.server_use.len());
        ours.copy_from_slice(&self.server_use);
        free.fill_with(|| self.random.next());
        let spare = self.random.next();
        if self.katran {
            lay_out_katran(cid, self.config_id / 2, spare & 0x3f);
        } else if self.self_encoded {
            cid[0] = self.config_id << 5 | (self.cid_length - 1) as u8;
        } else {
            cid[0] = self.config_id << 5 | spare & 0x1f;
        }
        Some(Cid::new(cid, self.tokens.token(cid), true, generation))
    }
}

fn key(octets: &[u8]) -> Option<&[u8; BLOCK]> {
    octets.try_into().ok()
}

/// The next counter, modulo what its octets hold.
fn count_on(counter: &mut [u8]) {
    for octet in counter.iter_mut().rev() {
        *octet = octet.wrapping_add(1);
        if *octet != 0 {
            return;
        }
    }
}

/// Version and spare bits, round host ID and nonce, which are in place from octet 1 on. Version 1
/// has the host ID from bit 2 on, and the spare bits at the end.
fn lay_out_katran(cid: &mut [u8], version: u8, spare: u8) {
    cid[0] = version << 6;
    if version != 1 {
        cid[0] |= spare;
        return;
    }
    for at in 1..cid.len() {
        cid[at - 1] |= cid[at] >> 2;
        cid[at] <<= 6;
    }
    cid[cid.len() - 1] |= spare;
}

/// Random octets, many at a time, since each call of the system costs.
struct Random {
    octets: [u8; 256],
    used: usize,
}

impl Default for Random {
    fn default() -> Self {
        Self {
            octets: [0; 256],
            used: 256,
        }
    }
}

impl Random {
    fn next(&mut self) -> u8 {
        if self.used == self.octets.len() {
            self.octets = random();
            self.used = 0;
        }
        self.used += 1;
        self.octets[self.used - 1]
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::collections::HashSet;

    pub(crate) fn octets(hex: &str) -> Vec<u8> {
        let digits = hex.as_bytes().chunks(2);
        let octet = |two: &[u8]| u8::from_str_radix(str::from_utf8(two).expect("ASCII"), 16);
        digits.map(|two| octet(two).expect("digits")).collect()
    }

    /// The terms of a lease in the clear.
    pub(crate) fn plain() -> LeaseNoncesResponse {
        LeaseNoncesResponse {
            generation: 7,
            scheme: "quic-lb".into(),
            config_id: 3,
            cid_length: 10,
            nonce_length: 4,
            server_use_length: 2,
            server_id: octets("010203"),
            first_counter: octets("ffffffff"),
            count: 10,
            permutation_key: octets("000102030405060708090a0b0c0d0e0f"),
            reset_key: b"0123456789abcdef".to_vec(),
            reset_tokens: "hmac-sha256".into(),
            ..LeaseNoncesResponse::default()
        }
    }

    fn first(mut terms: LeaseNoncesResponse, server_use: &[u8]) -> Cid {
        let mut minter = Minter::new(&mut terms, server_use).expect("the terms are good");
        assert!(terms.key.is_empty() && terms.permutation_key.is_empty());
        assert!(terms.reset_key.is_empty());
        minter.mint(7).expect("one is left")
    }

    #[test]
    fn mints_the_cids_of_the_draft() {
        for (config_id, server_id, nonce, minted) in [
            (0, "ed793a", "ee080dbf", "0720b1d07b359d3c"),
            (
                1,
                "ed793a51d49b8f5fab65",
                "ee080dbf48",
                "2fcc381bc74cb4fbad2823a3d1f8fed2",
            ),
            (
                2,
                "ed793a51d49b8f5f",
                "ee080dbf48c0d1e5",
                "504dd2d05a7b0de9b2b9907afb5ecf8cc3",
            ),
        ] {
            let terms = LeaseNoncesResponse {
                config_id,
                cid_length: minted.len() as u32 / 2,
                nonce_length: nonce.len() as u32 / 2,
                server_use_length: 0,
                length_self_encoded: true,
                server_id: octets(server_id),
                key: octets("8f95f09245765f80256934e50c66207f"),
                permutation_key: Vec::new(),
                first_counter: octets(nonce),
                reset_tokens: "cmac".into(),
                ..plain()
            };
            let cid = first(terms, &[]);
            assert_eq!(cid.as_bytes(), octets(minted));
            assert!(cid.routable());
        }
    }

    // The nonces of cid/testdata/cidecar.json for the last counter, and for the first after it.
    #[test]
    fn mints_in_the_clear_and_only_as_many_as_there_are() {
        let mut minter = Minter::new(&mut plain(), &[0x5a]).expect("the terms are good");
        let minted: Vec<Cid> = std::iter::from_fn(|| minter.mint(7)).collect();
        assert_eq!(minted.len(), 10);
        assert_eq!(minted[0][1..9], octets("0102031ade432a5a"));
        assert_eq!(minted[1][1..9], octets("01020315e7f9ba5a"));
        assert!(minted.iter().all(|cid| cid[0] >> 5 == 3));
        let free: HashSet<(u8, u8)> = minted.iter().map(|cid| (cid[0], cid[9])).collect();
        assert!(free.len() > 5, "what is free is random");
        let tokens: HashSet<_> = minted.iter().map(Cid::reset_token).collect();
        assert_eq!(tokens.len(), 10);
    }

    #[test]
    fn mints_in_the_layouts_of_katran() {
        for (config_id, server_id, minted, spare) in [
            (2, "0402", "410086b790ca80", (0, 0x3f)),
            (4, "030402", "800304021ade432a", (0x3f, 0)),
            (6, "03040205", "c0030402051ade432a", (0x3f, 0)),
        ] {
            let terms = LeaseNoncesResponse {
                scheme: "katran".into(),
                config_id,
                cid_length: server_id.len() as u32 / 2 + 5,
                server_use_length: 0,
                server_id: octets(server_id),
                ..plain()
            };
            let mut cid = first(terms, &[]).as_bytes().to_vec();
            let last = cid.len() - 1;
            cid[0] &= !spare.0;
            cid[last] &= !spare.1;
            assert_eq!(cid, octets(minted));
        }
    }

    #[test]
    fn refuses_terms_that_cannot_be_kept() {
        let spoils: [fn(&mut LeaseNoncesResponse); 15] = [
            |terms| terms.scheme = "x".into(),
            |terms| terms.config_id = 7,
            |terms| terms.count = 0,
            |terms| terms.count = MOST_NONCES + 1,
            |terms| terms.server_id.clear(),
            |terms| terms.nonce_length = 5,
            |terms| terms.cid_length = 11,
            |terms| terms.server_use_length = u32::MAX - 7,
            |terms| (terms.server_use_length, terms.cid_length) = (0, 8),
            |terms| terms.key = terms.reset_key.clone(),
            |terms| terms.permutation_key.clear(),
            |terms| terms.permutation_key.truncate(15),
            |terms| terms.reset_key.clear(),
            |terms| terms.reset_tokens.clear(),
            |terms| terms.scheme = "katran".into(),
        ];
        for (number, spoil) in spoils.iter().enumerate() {
            let mut terms = plain();
            spoil(&mut terms);
            assert!(Minter::new(&mut terms, &[0x5a]).is_err(), "spoil {number}");
        }
    }
}
