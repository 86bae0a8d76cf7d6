// SPDX-License-Identifier: Apache-2.0
//! An echo server on s2n-quic behind a cidecar balancer: each bidirectional stream that a client
//! opens is sent back.
use std::error::Error;

use cidecar_s2n::S2nCids;
use programs::Arguments;
use s2n_quic::provider::tls::rustls;
use s2n_quic::stream::BidirectionalStream;
use s2n_quic::{Connection, Server};

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments = Arguments::read()?;
    let options = arguments.options("s2n-echo-server");
    // join: begin
    let cids = S2nCids::connect(options, arguments.cid_lifetime, programs::tell)?;
    // join: end
    for address in &arguments.listen {
        // join: begin
        let server = Server::builder()
            .with_connection_id(cids.connection_ids().await?)?
            .with_stateless_reset_token(cids.reset_tokens())?
            // join: end
            .with_tls(tls(&arguments)?)?
            .with_io(*address)?
            .start()?;
        tokio::spawn(accept(server, cids.clone()));
    }
    programs::listening();
    let counted = cids.clone();
    programs::answer_statistics(cids.pool().clone(), move || counted.counts().into());
    programs::stopped().await?;
    // join: begin
    cids.close_all().await;
    // join: end
    Ok(())
}

async fn accept(mut server: Server, cids: S2nCids) {
    while let Some(connection) = server.accept().await {
        // join: begin
        let held = cids.track(&connection);
        tokio::spawn(async move {
            serve(connection).await;
            drop(held);
        });
        // join: end
    }
}

async fn serve(mut connection: Connection) {
    while let Ok(Some(stream)) = connection.accept_bidirectional_stream().await {
        tokio::spawn(echo(stream));
    }
}

async fn echo(mut stream: BidirectionalStream) -> Result<(), Failure> {
    while let Some(octets) = stream.receive().await? {
        stream.send(octets).await?;
    }
    stream.finish()?;
    Ok(())
}

fn tls(arguments: &Arguments) -> Result<rustls::Server, Failure> {
    let server = rustls::Server::builder()
        .with_certificate(
            arguments.certificate.as_path(),
            arguments.private_key.as_path(),
        )?
        .with_application_protocols(["echo"].into_iter())?;
    server.build()
}
