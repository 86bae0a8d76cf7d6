// SPDX-License-Identifier: Apache-2.0
//! An echo server on quinn behind a cidecar balancer: each bidirectional stream that a client opens
//! is sent back.
use std::error::Error;
use std::net::UdpSocket;
use std::sync::Arc;

use cidecar_quinn::QuinnCids;
use programs::Arguments;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::rustls::pki_types::pem::PemObject;
use quinn::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use quinn::{Connection, ConnectionError, Endpoint, RecvStream, SendStream, ServerConfig, VarInt};

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments = Arguments::read()?;
    let config = server_config(&arguments)?;
    let options = arguments.options("quinn-echo-server");
    // join: begin
    let cids = QuinnCids::connect(options, arguments.cid_lifetime, programs::tell)?;
    // join: end
    let mut endpoints = Vec::new();
    for address in &arguments.listen {
        let socket = UdpSocket::bind(address)?;
        // join: begin
        let endpoint = cids.endpoint(config.clone(), socket).await?;
        // join: end
        tokio::spawn(accept(
            endpoint.clone(),
            cids.clone(),
            Arc::new(config.clone()),
        ));
        endpoints.push(endpoint);
    }
    programs::listening();
    let counted = cids.clone();
    programs::answer_statistics(cids.pool().clone(), move || counted.counts().into());
    programs::stopped().await?;
    for endpoint in endpoints {
        endpoint.close(VarInt::from_u32(0), b"the server stops");
        endpoint.wait_idle().await;
    }
    Ok(())
}

async fn accept(endpoint: Endpoint, cids: QuinnCids, config: Arc<ServerConfig>) {
    while let Some(incoming) = endpoint.accept().await {
        // join: begin
        let accepting = cids.accept(incoming, &config);
        tokio::spawn(async move {
            let connection = accepting?.established().await?;
            serve(connection).await
        });
        // join: end
    }
}

async fn serve(connection: Connection) -> Result<(), ConnectionError> {
    loop {
        let (send, receive) = connection.accept_bi().await?;
        tokio::spawn(echo(send, receive));
    }
}

async fn echo(mut send: SendStream, mut receive: RecvStream) -> Result<(), Failure> {
    while let Some(chunk) = receive.read_chunk(usize::MAX, true).await? {
        send.write_chunk(chunk.bytes).await?;
    }
    send.finish()?;
    Ok(())
}

fn server_config(arguments: &Arguments) -> Result<ServerConfig, Failure> {
    let chain = CertificateDer::pem_file_iter(&arguments.certificate)?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(&arguments.private_key)?;
    let mut tls = quinn::rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    tls.alpn_protocols = vec![b"echo".to_vec()];
    Ok(ServerConfig::with_crypto(Arc::new(
        QuicServerConfig::try_from(tls)?,
    )))
}
