// SPDX-License-Identifier: Apache-2.0
use std::path::PathBuf;

use crate::error::Error;
use crate::held::HeldHook;

/// The sidecar refuses more open credit.
pub(crate) const CREDIT_LIMIT: u32 = 65_536;
const DEFAULT_HIGH_WATER: u32 = 4096;
const MOST_SERVER_USE: usize = 14;
/// Octets of the longest path of a unix socket: sun_path of unix(7) has 108, and a zero ends it.
pub(crate) const LONGEST_PATH: usize = 107;

/// Where the sidecar listens.
#[derive(Clone)]
pub(crate) enum Place {
    Unix(PathBuf),
    #[cfg(feature = "tls")]
    Tls(crate::tls::TlsPlace),
}

/// What a [`CidPool`](crate::CidPool) is started with.
pub struct Options {
    pub(crate) place: Place,
    pub(crate) low_water: Option<u32>,
    pub(crate) high_water: u32,
    pub(crate) client_name: String,
    pub(crate) server_use: Option<Vec<u8>>,
    pub(crate) can_retire: bool,
    pub(crate) held: Option<HeldHook>,
}

impl Options {
    /// The sidecar behind the unix socket of this path, of up to 107 octets.
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self::at(Place::Unix(path.into()))
    }

    pub(crate) fn at(place: Place) -> Self {
        Self {
            place,
            low_water: None,
            high_water: DEFAULT_HIGH_WATER,
            client_name: concat!("cidecar-rust/", env!("CARGO_PKG_VERSION")).into(),
            server_use: None,
            can_retire: true,
            held: None,
        }
    }

    /// The pool is refilled when it holds fewer CIDs than this, at least 1; half of high water if
    /// it is not set.
    #[must_use]
    pub fn low_water(mut self, cids: u32) -> Self {
        self.low_water = Some(cids);
        self
    }

    /// The most CIDs that the pool holds or has asked for, 1 to 65,536; 4,096 if it is not set.
    #[must_use]
    pub fn high_water(mut self, cids: u32) -> Self {
        self.high_water = cids;
        self
    }

    /// For the sidecar's log and status, such as `my-server/1.2`: up to 64 octets of printable
    /// ASCII.
    #[must_use]
    pub fn client_name(mut self, name: impl Into<String>) -> Self {
        self.client_name = name.into();
        self
    }

    /// What the server-use octets of every routable CID begin with, such as the number of a worker:
    /// 1 to 14 octets, at most as many as the config has (`serverUseLength` in the registry); the
    /// sidecar refuses more. 0b111 CIDs carry none.
    #[must_use]
    pub fn server_use(mut self, octets: impl Into<Vec<u8>>) -> Self {
        self.server_use = Some(octets.into());
        self
    }

    /// Whether the stack makes its peers retire CIDs; true if it is not set.
    #[must_use]
    pub fn can_retire(mut self, can: bool) -> Self {
        self.can_retire = can;
        self
    }

    /// Asks the server how many connections there are by the oldest generation of the routable CIDs
    /// that their peers may still use (given out, and not retired), as pairs of generation and
    /// number. The registry's rotation waits for that, so a server that leaves this out holds it
    /// up. Called when a rotation comes, and once a second for 30 s after it and while connections
    /// hold CIDs of earlier generations; it must neither wait nor call the pool. Where it panics, a
    /// `Trouble` event says so, and nothing is said to the sidecar.
    #[must_use]
    pub fn held(mut self, hook: impl Fn() -> Vec<(u64, u64)> + Send + Sync + 'static) -> Self {
        self.held = Some(Box::new(hook));
        self
    }

    /// Low and high water, if all options can be used.
    pub(crate) fn check(&self) -> Result<(u32, u32), Error> {
        let high = self.high_water;
        let low = self.low_water.unwrap_or(high.div_ceil(2));
        if low < 1 || low > high || high > CREDIT_LIMIT {
            return Err(Error::invalid(format!(
                "low water {low} and high water {high}: 1 <= low <= high <= {CREDIT_LIMIT}"
            )));
        }
        let printable = |octet: u8| (b' '..=b'~').contains(&octet);
        if self.client_name.len() > 64 || !self.client_name.bytes().all(printable) {
            let message = "the client name is not 0 to 64 octets of printable ASCII";
            return Err(Error::invalid(message));
        }
        let octets = self.server_use.as_ref().map_or(1, Vec::len);
        if !(1..=MOST_SERVER_USE).contains(&octets) {
            return Err(Error::invalid(format!(
                "server use has {octets} octets; it may have 1 to {MOST_SERVER_USE}"
            )));
        }
        self.check_place()?;
        Ok((low, high))
    }

    fn check_place(&self) -> Result<(), Error> {
        #[allow(irrefutable_let_patterns)]
        let Place::Unix(path) = &self.place else {
            return Ok(());
        };
        let octets = path.as_os_str().as_encoded_bytes();
        if octets.is_empty() || octets.contains(&0) {
            return Err(Error::invalid(format!(
                "socket {path:?}: none has such a path"
            )));
        }
        if octets.len() > LONGEST_PATH {
            return Err(Error::invalid(format!(
                "socket {}: the path has {} octets; the system takes {LONGEST_PATH}",
                path.display(),
                octets.len()
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(low: Option<u32>, high: u32) -> Option<(u32, u32)> {
        let options = Options::unix("s").high_water(high);
        let options = match low {
            Some(low) => options.low_water(low),
            None => options,
        };
        options.check().ok()
    }

    #[test]
    fn low_water_is_half_of_high_water_rounded_up() {
        assert_eq!(levels(None, 4096), Some((2048, 4096)));
        assert_eq!(levels(None, 5), Some((3, 5)));
        assert_eq!(levels(None, 1), Some((1, 1)));
        assert_eq!(levels(Some(65_536), 65_536), Some((65_536, 65_536)));
    }

    #[test]
    fn refuses_what_cannot_be() {
        assert_eq!(levels(Some(0), 5), None);
        assert_eq!(levels(Some(6), 5), None);
        assert_eq!(levels(None, 0), None);
        assert_eq!(levels(None, 65_537), None);
        for options in [
            Options::unix(""),
            Options::unix("a\0b"),
            Options::unix("a".repeat(108)),
            Options::unix("s").client_name("é"),
            Options::unix("s").client_name("n".repeat(65)),
            Options::unix("s").server_use([]),
            Options::unix("s").server_use([0; 15]),
        ] {
            assert!(options.check().is_err());
        }
        assert!(Options::unix("a".repeat(107)).check().is_ok());
        assert!(Options::unix("s").server_use([0; 14]).check().is_ok());
    }
}
