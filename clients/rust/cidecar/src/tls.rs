// SPDX-License-Identifier: Apache-2.0
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::error::Error;
use crate::options::{Options, Place};

/// Shorter than the sidecar gives a connection for its first call.
const CONNECT_WITHIN: Duration = Duration::from_secs(4);

/// A sidecar behind TCP with mutual TLS.
#[derive(Clone)]
pub(crate) struct TlsPlace {
    address: String,
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
}

impl Options {
    /// The sidecar at a TCP address, such as `10.0.0.7:8443`, with mutual TLS. `config` has the
    /// client's certificate and the authorities that it trusts; `name` is what the sidecar's
    /// certificate has to be for. The pool adds `h2` to the protocols of the config.
    #[must_use]
    pub fn tls(
        address: impl Into<String>,
        name: ServerName<'static>,
        mut config: ClientConfig,
    ) -> Self {
        config.alpn_protocols = vec![b"h2".to_vec()];
        Self::at(Place::Tls(TlsPlace {
            address: address.into(),
            name,
            config: Arc::new(config),
        }))
    }
}

impl TlsPlace {
    pub(crate) async fn connect(&self) -> Result<TlsStream<TcpStream>, Error> {
        let connecting = async {
            let stream = TcpStream::connect(&self.address).await?;
            stream.set_nodelay(true)?;
            let connector = TlsConnector::from(self.config.clone());
            connector.connect(self.name.clone(), stream).await
        };
        let address = &self.address;
        match timeout(CONNECT_WITHIN, connecting).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => {
                let message = format!("no connection to {address}: {error}");
                Err(Error::unavailable(message).with_errno(error.raw_os_error()))
            }
            Err(_) => {
                let limit = CONNECT_WITHIN.as_millis();
                let message = format!("no connection to {address} within {limit} ms");
                Err(Error::unavailable(message))
            }
        }
    }
}
