//! A socket that does not wait for ever. Its invariant: while something is to be written, the other side takes at least
//! 1 KiB a second, after a grace of 30 seconds, or the connection ends with an error.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

/// How long a write may stand still.
pub(crate) const GRACE: Duration = Duration::from_secs(30);
/// What a reader must take on average.
const LEAST_BYTES_PER_S: f64 = 1024.0;

/// A TCP connection with a limit to its patience.
#[derive(Debug)]
pub(crate) struct Patient {
    socket: TcpStream,
    grace: Duration,
    /// When patience ends; `None` while nothing waits.
    ends: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    /// Wraps `socket`; a write may stand still for `grace`.
    pub(crate) fn new(socket: TcpStream, grace: Duration) -> Self {
        Self { socket, grace, ends: None }
    }

    fn waited(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Pending => {
                let ends =
                    self.ends.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + self.grace)));
                ready!(ends.as_mut().poll(cx));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            Poll::Ready(Ok(n)) => {
                if let Some(ends) = &mut self.ends {
                    let earned = ends.deadline() + Duration::from_secs_f64(n as f64 / LEAST_BYTES_PER_S);
                    ends.as_mut().reset(earned.min(Instant::now() + self.grace));
                }
                Poll::Ready(Ok(n))
            }
            error => error,
        }
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, buf);
        self.waited(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, bufs);
        self.waited(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.ends = None; // only flushed when nothing is left to write
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
