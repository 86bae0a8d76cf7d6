// SPDX-License-Identifier: Apache-2.0
//! An echo server on quiche behind a cidecar balancer: each bidirectional stream that a client
//! opens is sent back.
use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cidecar_quiche::{ConnectionCids, QuicheCids, Turn};
use programs::{Arguments, Statistics};
use quiche::{Config, Connection, ConnectionId, Header, RecvInfo, Type};
use tokio::net::UdpSocket;
use tokio::sync::mpsc::{Sender, channel};

type Failure = Box<dyn Error + Send + Sync>;

/// Octets of the largest datagram.
const DATAGRAM: usize = 1350;
/// Octets of the smallest datagram that begins a connection (RFC 9000, section 14.1).
const SMALLEST_INITIAL: usize = 1200;

struct Datagram {
    octets: Vec<u8>,
    from: SocketAddr,
    to: SocketAddr,
}

struct Client {
    quic: Connection,
    cids: ConnectionCids,
    /// What came and was not sent back yet, and whether that is all, by stream.
    echoes: BTreeMap<u64, (Vec<u8>, bool)>,
}

struct Server {
    config: Config,
    cids: QuicheCids,
    sockets: HashMap<SocketAddr, Arc<UdpSocket>>,
    clients: HashMap<u64, Client>,
    /// How many there are, for the statistics.
    open: Arc<Mutex<u64>>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments = Arguments::read()?;
    let options = arguments.options("quiche-echo-server");
    // join: begin
    let (cids, mut turns) = QuicheCids::connect(options, programs::tell)?;
    cids.pool().ready().await?;
    // join: end
    let mut server = Server {
        config: config(&arguments)?,
        cids: cids.clone(),
        sockets: HashMap::new(),
        clients: HashMap::new(),
        open: Arc::default(),
    };
    let (sender, mut datagrams) = channel(1024);
    for address in &arguments.listen {
        let socket = Arc::new(UdpSocket::bind(address).await?);
        server.sockets.insert(socket.local_addr()?, socket.clone());
        tokio::spawn(receive(socket, sender.clone()));
    }
    programs::listening();
    let open = server.open.clone();
    programs::answer_statistics(cids.pool().clone(), move || statistics(&cids, &open));
    let stopped = programs::stopped();
    tokio::pin!(stopped);
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            Some(datagram) = datagrams.recv() => server.take(datagram),
            Some(turn) = turns.next() => server.obey(turn),
            () = tokio::time::sleep(server.next_timeout()) => server.on_timeout(),
        }
    }
    for number in server.numbers() {
        server.close(number, b"the server stops");
    }
    Ok(())
}

async fn receive(socket: Arc<UdpSocket>, datagrams: Sender<Datagram>) -> Result<(), Failure> {
    let to = socket.local_addr()?;
    let mut buffer = vec![0; 65_536];
    loop {
        // An error tells of an earlier datagram that found nobody.
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        let octets = buffer[..length].to_vec();
        datagrams.send(Datagram { octets, from, to }).await?;
    }
}

impl Server {
    fn take(&mut self, mut datagram: Datagram) {
        let length = self.cids.pool().cid_length().unwrap_or_default();
        let Ok(header) = Header::from_slice(&mut datagram.octets, length) else {
            return;
        };
        // join: begin
        let known = self.cids.route(&header.dcid);
        // join: end
        let Some(number) = known.or_else(|| self.begin(&header, &datagram)) else {
            return;
        };
        if let Some(client) = self.clients.get_mut(&number) {
            let Datagram {
                mut octets,
                from,
                to,
            } = datagram;
            // One that cannot be read is dropped; quiche closes the connection where it has to.
            let _ = client.quic.recv(&mut octets, RecvInfo { from, to });
            client.echo();
        }
        self.serve(number);
    }

    fn begin(&mut self, header: &Header, datagram: &Datagram) -> Option<u64> {
        match header.ty {
            // Of a connection that an earlier process had.
            Type::Short => {
                // join: begin
                let reset = self.cids.reset(&header.dcid, datagram.octets.len())?;
                // join: end
                self.send(datagram.to, datagram.from, &reset);
            }
            Type::Initial if datagram.octets.len() >= SMALLEST_INITIAL => {
                if !quiche::version_is_supported(header.version) {
                    let mut out = [0; DATAGRAM];
                    let length = quiche::negotiate_version(&header.scid, &header.dcid, &mut out);
                    self.send(datagram.to, datagram.from, &out[..length.ok()?]);
                    return None;
                }
                let (to, from) = (datagram.to, datagram.from);
                // join: begin
                let first = self.cids.first(&mut self.config).ok()?;
                let scid = ConnectionId::from_ref(&first);
                let quic = quiche::accept(&scid, None, to, from, &mut self.config).ok()?;
                let cids = self.cids.accepted(first, &header.dcid);
                let number = cids.number();
                // join: end
                self.clients.insert(
                    number,
                    Client {
                        quic,
                        cids,
                        echoes: BTreeMap::new(),
                    },
                );
                return Some(number);
            }
            _ => {}
        }
        None
    }

    /// Gives the client of a connection its CIDs, and sends what there is to send.
    fn serve(&mut self, number: u64) {
        let Some(client) = self.clients.get_mut(&number) else {
            return;
        };
        // join: begin
        if client.cids.update(&mut client.quic).is_err() {
            let _ = client.quic.close(true, 0, b"moved"); // It may be closed already.
        }
        // join: end
        let mut out = [0; DATAGRAM];
        let mut packets = Vec::new();
        while let Ok((length, info)) = client.quic.send(&mut out) {
            packets.push((info, out[..length].to_vec()));
        }
        if client.quic.is_closed() {
            self.clients.remove(&number);
        }
        for (info, octets) in packets {
            self.send(info.from, info.to, &octets);
        }
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = self.clients.len() as u64;
    }

    fn send(&self, from: SocketAddr, to: SocketAddr, octets: &[u8]) {
        if let Some(socket) = self.sockets.get(&from) {
            let _ = socket.try_send_to(octets, to); // As if it had been lost on its way.
        }
    }

    fn obey(&mut self, turn: Turn) {
        match turn {
            Turn::Replace(number) => self.serve(number),
            Turn::Close(number) => self.close(number, b"moved"),
        }
    }

    fn close(&mut self, number: u64, reason: &[u8]) {
        if let Some(client) = self.clients.get_mut(&number) {
            let _ = client.quic.close(true, 0, reason); // It may be closed already.
        }
        self.serve(number);
    }

    fn numbers(&self) -> Vec<u64> {
        self.clients.keys().copied().collect()
    }

    fn next_timeout(&self) -> Duration {
        let timeouts = self
            .clients
            .values()
            .filter_map(|client| client.quic.timeout());
        timeouts.min().unwrap_or(Duration::from_secs(60))
    }

    fn on_timeout(&mut self) {
        for number in self.numbers() {
            let client = self.clients.get_mut(&number);
            if let Some(client) =
                client.filter(|client| client.quic.timeout() == Some(Duration::ZERO))
            {
                client.quic.on_timeout();
                self.serve(number);
            }
        }
    }
}

impl Client {
    fn echo(&mut self) {
        let mut buffer = [0; 16_384];
        for stream in self.quic.readable() {
            while let Ok((length, fin)) = self.quic.stream_recv(stream, &mut buffer) {
                let (octets, all) = self.echoes.entry(stream).or_default();
                octets.extend_from_slice(&buffer[..length]);
                *all |= fin;
            }
        }
        self.echoes.retain(|stream, (octets, all)| {
            match self.quic.stream_send(*stream, octets, *all) {
                Ok(sent) => {
                    octets.drain(..sent);
                    !octets.is_empty() || !*all
                }
                Err(quiche::Error::Done) => true,
                Err(_) => false,
            }
        });
    }
}

fn config(arguments: &Arguments) -> Result<Config, Failure> {
    let mut config = Config::new(quiche::PROTOCOL_VERSION)?;
    config.load_cert_chain_from_pem_file(&arguments.certificate.to_string_lossy())?;
    config.load_priv_key_from_pem_file(&arguments.private_key.to_string_lossy())?;
    config.set_application_protos(&[b"echo"])?;
    config.set_max_idle_timeout(30_000);
    config.set_max_recv_udp_payload_size(DATAGRAM);
    config.set_max_send_udp_payload_size(DATAGRAM);
    config.set_initial_max_data(10_000_000);
    config.set_initial_max_stream_data_bidi_remote(1_000_000);
    config.set_initial_max_streams_bidi(100);
    // A client may change its address that often, because it gives up no CID that it has left.
    config.set_active_connection_id_limit(1024);
    Ok(config)
}

fn statistics(cids: &QuicheCids, open: &Mutex<u64>) -> Statistics {
    let counts = cids.counts();
    Statistics {
        open: *open.lock().unwrap_or_else(PoisonError::into_inner),
        accepted: counts.accepted,
        moved: counts.moved,
        closed_for_reissue: counts.closed_for_reissue,
    }
}
