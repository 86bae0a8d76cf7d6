// SPDX-License-Identifier: Apache-2.0
//! Whether what a sidecar says can be used.
use crate::cid::{RESET_TOKEN_LENGTH, is_cid_length};
use crate::error::{Error, ErrorKind};
use crate::wire::CidBatch;

/// The CID length that the sidecar says; `known` is that of this server, once it is known.
pub(crate) fn length(said: u32, known: Option<usize>) -> Result<usize, Error> {
    let length = said as usize;
    if let Some(known) = known.filter(|known| *known != length) {
        let message = format!(
            "the sidecar's CIDs have {said} octets, this server's {known}: restart the server"
        );
        return Err(Error::new(ErrorKind::Unusable, message));
    }
    if is_cid_length(length) {
        return Ok(length);
    }
    let message = format!("CIDs of {said} octets: 0b111 ones of that length cannot be made");
    Err(Error::new(ErrorKind::Unusable, message))
}

/// `outstanding` is how many CIDs were asked for and have not come.
pub(crate) fn batch(
    batch: &CidBatch,
    known: Option<usize>,
    outstanding: usize,
) -> Result<(), Error> {
    let length = length(batch.cid_length, known)?;
    let count = batch.count as usize;
    let fits = |octets: usize, each| Some(octets) == count.checked_mul(each);
    if !fits(batch.cids.len(), length) || !fits(batch.tokens.len(), RESET_TOKEN_LENGTH) {
        let message = "a batch does not have the octets that it says";
        return Err(Error::unavailable(message));
    }
    if (1..=outstanding).contains(&count) {
        return Ok(());
    }
    let message = format!("a batch of {count} CIDs came where {outstanding} were asked for");
    Err(Error::unavailable(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(count: u32, cid_length: u32, cids: usize, tokens: usize) -> CidBatch {
        CidBatch {
            cids: vec![0; cids].into(),
            tokens: vec![0; tokens].into(),
            count,
            cid_length,
            generation: 1,
            routable: true,
        }
    }

    #[test]
    fn takes_a_batch_that_is_what_it_says() {
        assert_eq!(batch(&of(2, 12, 24, 32), Some(12), 2), Ok(()));
        assert_eq!(batch(&of(1, 8, 8, 16), None, 2), Ok(()));
    }

    #[test]
    fn takes_no_other() {
        for (lie, outstanding) in [
            (of(2, 12, 23, 32), 2),
            (of(2, 12, 25, 32), 2),
            (of(2, 12, 24, 31), 2),
            (of(2, 13, 26, 32), 2),
            (of(2, 0, 0, 32), 2),
            (of(0, 12, 0, 0), 2),
            (of(2, 12, 24, 32), 1),
            (of(u32::MAX, 12, 0, 0), usize::MAX),
        ] {
            assert!(batch(&lie, Some(12), outstanding).is_err(), "{lie:?}");
        }
    }

    #[test]
    fn the_length_is_fixed_once_it_is_known() {
        assert_eq!(length(8, None), Ok(8));
        assert_eq!(length(20, Some(20)), Ok(20));
        for (said, known) in [(7, None), (21, None), (12, Some(13)), (0, None)] {
            let error = length(said, known).expect_err("it cannot be used");
            assert_eq!(error.kind(), ErrorKind::Unusable);
        }
    }
}
