//! The server's end without its sessions: heads are read, handshakes answered and frames understood by the same code, and
//! every message goes back as it came.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use lunette::net::http::parse_head;
use lunette::net::limits::NetLimits;
use lunette::net::output::OutputQueue;
use lunette::net::websocket::{Incoming, WebSocketEndpoint, write_handshake};

/// Longer than any case is silent.
const SILENCE: Duration = Duration::from_secs(60);

/// Serves until the process ends.
pub fn start(message_bytes: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it has an address");
    thread::spawn(move || serve(&listener, message_bytes));
    address
}

pub fn serve(listener: &TcpListener, message_bytes: usize) {
    for stream in listener.incoming().flatten() {
        let limits = NetLimits {
            message_bytes,
            ..NetLimits::default()
        };
        thread::spawn(move || {
            // A peer that is gone has seen what it wanted.
            let _ = talk(stream, &limits);
        });
    }
}

fn talk(mut stream: TcpStream, limits: &NetLimits) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SILENCE))?;
    let mut buffer = vec![0; 64 << 10];
    let mut input = Vec::new();
    let mut endpoint = loop {
        let n = stream.read(&mut buffer)?;
        if n == 0 {
            return Ok(());
        }
        input.extend_from_slice(&buffer[..n]);
        let Some((request, len)) = parse_head(&input, limits).expect("an acceptable head") else {
            continue;
        };
        let key = request.websocket_key().expect("a good handshake");
        let mut output = OutputQueue::default();
        write_handshake(key.expect("a handshake"), None, output.tail());
        break WebSocketEndpoint::new(output, &input[len..], limits);
    };
    loop {
        let ended = echo_all(&mut endpoint);
        let output = endpoint.output();
        stream.write_all(output.pending())?;
        output.consume(output.len());
        if ended {
            stream.shutdown(Shutdown::Write)?;
            while stream.read(&mut buffer)? > 0 {}
            return Ok(());
        }
        let n = stream.read(&mut buffer)?;
        if n == 0 {
            return Ok(());
        }
        endpoint.feed(&buffer[..n]);
    }
}

/// Answers what is there; whether it is over.
fn echo_all(endpoint: &mut WebSocketEndpoint) -> bool {
    while let Some(incoming) = endpoint.read() {
        match incoming {
            Incoming::Text(text) => {
                endpoint.send_text(|out| out.extend_from_slice(text.as_bytes()))
            }
            Incoming::Binary(data) => push_binary(&data, endpoint.output().tail()),
            Incoming::Alive | Incoming::Pinged => {}
            Incoming::Closed { .. } => return true,
        }
    }
    false
}

/// The protocol of the pages has no binary frames to the page, so that only a test writes one.
fn push_binary(data: &[u8], out: &mut Vec<u8>) {
    out.push(0x82);
    match data.len() {
        n @ 0..126 => out.push(n as u8),
        n @ 126..65536 => {
            out.push(126);
            out.extend_from_slice(&(n as u16).to_be_bytes());
        }
        n => {
            out.push(127);
            out.extend_from_slice(&(n as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(data);
}
