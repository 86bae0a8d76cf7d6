// SPDX-License-Identifier: Apache-2.0
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use cidecar::Options;

use crate::text::octets;

const USAGE: &str = "usage: --listen ADDRESS:PORT... --sidecar SOCKET --certificate PEM \
    --private-key PEM [--server-use HEX] [--cid-lifetime SECONDS]";

/// The arguments of an echo server.
#[derive(Clone, Debug)]
pub struct Arguments {
    /// Where it listens.
    pub listen: Vec<SocketAddr>,
    /// Path of the sidecar's socket.
    pub sidecar: PathBuf,
    /// Path of the certificate chain, in PEM.
    pub certificate: PathBuf,
    /// Path of the private key, in PEM.
    pub private_key: PathBuf,
    /// The server-use octets of its CIDs.
    pub server_use: Option<Vec<u8>>,
    /// How old a CID gets, for stacks that replace them by themselves; 60 s if it is left out.
    pub cid_lifetime: Duration,
}

impl Arguments {
    /// Reads those of the process.
    ///
    /// # Errors
    /// What is wrong with them, and how to use the program.
    pub fn read() -> Result<Self, String> {
        Self::parse(std::env::args().skip(1)).map_err(|error| format!("{error}\n{USAGE}"))
    }

    fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = arguments;
        let mut parsed = Self {
            listen: Vec::new(),
            sidecar: PathBuf::new(),
            certificate: PathBuf::new(),
            private_key: PathBuf::new(),
            server_use: None,
            cid_lifetime: Duration::from_secs(60),
        };
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or(format!("{name} has no value"))?;
            let wrong = || format!("{name} {value} cannot be used");
            match name.as_str() {
                "--listen" => parsed.listen.push(value.parse().map_err(|_| wrong())?),
                "--sidecar" => parsed.sidecar = value.into(),
                "--certificate" => parsed.certificate = value.into(),
                "--private-key" => parsed.private_key = value.into(),
                "--server-use" => parsed.server_use = Some(octets(&value)?),
                "--cid-lifetime" => {
                    parsed.cid_lifetime = Duration::from_secs(value.parse().map_err(|_| wrong())?);
                }
                _ => return Err(format!("there is no {name}")),
            }
        }
        let files = [&parsed.sidecar, &parsed.certificate, &parsed.private_key];
        if parsed.listen.is_empty() || files.iter().any(|path| path.as_os_str().is_empty()) {
            return Err("an argument is missing".into());
        }
        Ok(parsed)
    }

    /// What a pool is started with.
    pub fn options(&self, name: &str) -> Options {
        let options = Options::unix(&self.sidecar).client_name(name);
        match &self.server_use {
            Some(octets) => options.server_use(octets.clone()),
            None => options,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, String> {
        Arguments::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn reads_what_an_echo_server_needs() {
        let all = "--listen 127.0.0.1:443 --listen [::1]:443 --sidecar s --certificate c \
            --private-key k --server-use 5a --cid-lifetime 70";
        let arguments = parse(all).expect("is complete");
        assert_eq!(arguments.listen.len(), 2);
        assert_eq!(arguments.server_use, Some(vec![0x5a]));
        assert_eq!(arguments.cid_lifetime, Duration::from_secs(70));
        for wrong in ["--sidecar s", "--listen x", "--what x", "--sidecar"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
