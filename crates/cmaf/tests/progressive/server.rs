//! The smallest HTTP server that a player can seek with.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Serves ranges of one file and remembers which 16 KiB blocks went out.
pub struct Server {
    pub url: String,
    blocks: Arc<Mutex<Vec<bool>>>,
}

impl Server {
    const BLOCK: usize = 16 << 10;

    pub fn new(file: &[u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let url = format!("http://{}/film.mp4", listener.local_addr().expect("bound"));
        let blocks = Arc::new(Mutex::new(vec![false; file.len().div_ceil(Self::BLOCK)]));
        let (file, sent): (Arc<[u8]>, _) = (file.into(), Arc::clone(&blocks));
        // Ends with the test program.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (file, sent) = (Arc::clone(&file), Arc::clone(&sent));
                // A player that hangs up is no failure.
                std::thread::spawn(move || serve(stream, &file, &sent));
            }
        });
        Self { url, blocks }
    }

    /// Bytes of the blocks that went out.
    pub fn touched(&self) -> u64 {
        let blocks = self.blocks.lock().expect("no thread panicked");
        (blocks.iter().filter(|&&sent| sent).count() * Self::BLOCK) as u64
    }
}

fn serve(mut stream: TcpStream, file: &[u8], sent: &Mutex<Vec<bool>>) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        request.push(byte[0]);
    }
    let request = String::from_utf8_lossy(&request).to_ascii_lowercase();
    let range = request.lines().find_map(|line| line.strip_prefix("range: bytes="));
    let start = range.and_then(|range| range.split('-').next()?.parse().ok()).unwrap_or(0usize);
    let (len, last) = (file.len(), file.len() - 1);
    write!(
        stream,
        "HTTP/1.1 206 Partial Content\r\nAccept-Ranges: bytes\r\nContent-Range: bytes {start}-{last}/{len}\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        len - start
    )?;
    for block in start / Server::BLOCK..len.div_ceil(Server::BLOCK) {
        // What fills the buffers of the line was not asked for.
        while unread(stream.peer_addr()?) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let at = (block * Server::BLOCK).max(start);
        stream.write_all(&file[at..((block + 1) * Server::BLOCK).min(len)])?;
        sent.lock().expect("no thread panicked")[block] = true;
    }
    Ok(())
}

/// Whether the player at that address has bytes before it that it has not read, by the kernel's table.
fn unread(player: SocketAddr) -> bool {
    let SocketAddr::V4(player) = player else { unreachable!("the server is at an IPv4 address") };
    // Addresses are shown as the machine's own numbers.
    let address = format!("{:08X}:{:04X}", u32::from_ne_bytes(player.ip().octets()), player.port());
    let table = std::fs::read_to_string("/proc/net/tcp").expect("a kernel that shows its sockets");
    let socket =
        table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).find(|f| f[1] == address);
    socket.and_then(|fields| fields[4].split(':').nth(1)).is_some_and(|queue| queue != "00000000")
}
