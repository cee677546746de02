//! One connection, from its first message to its close.

use std::time::Duration;

use axum::{
    Error,
    extract::ws::{CloseFrame, Message, WebSocket, close_code},
};
use futures_util::SinkExt;
use rendezvous::Verdict;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};
use tokio_tungstenite::tungstenite;

use crate::{
    hub::{Guest, Membership},
    outbox::{Outbox, Overflown},
};

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The other side closed it, or it broke.
    Gone,
    GoingAway,
    TooBig,
    Broken,
    Flood,
    Slow,
    Silent,
    Idle,
}

pub(crate) async fn serve(mut socket: WebSocket, guest: Guest) {
    let Guest { membership, mut closing } = guest;
    let config = membership.config().clone();
    let end = tokio::select! {
        end = converse(&mut socket, &membership) => end,
        _ = closing.wait_for(|&closing| closing) => End::GoingAway,
    };
    tracing::debug!(?end, "connection ends");
    let outbox = membership.outbox().clone();
    drop(membership);
    if end == End::Flood {
        // The reason, if it can still be read.
        let _ = flush(&mut socket, &outbox, config.close_within).await;
    }
    if let Some(frame) = frame(end) {
        let _ = timeout(config.close_within, close(&mut socket, frame)).await;
    }
    if end == End::TooBig {
        // What was not read makes the system reset the connection, and the reset can overtake the reason.
        sleep(config.close_within).await;
    }
}

async fn converse(socket: &mut WebSocket, membership: &Membership) -> End {
    let config = membership.config();
    let outbox = membership.outbox();
    let mut ticks = interval_at(Instant::now() + config.ping_every, config.ping_every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = Instant::now();
    let mut spoken = heard;
    loop {
        tokio::select! {
            received = socket.recv() => {
                let verdict = match received {
                    Some(Ok(Message::Text(text))) => {
                        spoken = Instant::now();
                        membership.handle(text.as_bytes())
                    }
                    Some(Ok(Message::Binary(bytes))) => {
                        spoken = Instant::now();
                        membership.handle(&bytes)
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => membership.charge(),
                    Some(Ok(Message::Close(_))) | None => return End::Gone,
                    Some(Err(error)) => return end_of(error),
                };
                heard = Instant::now();
                if verdict == Verdict::Close {
                    return End::Flood;
                }
            }
            () = outbox.changed() => {
                if let Err(end) = flush(socket, outbox, config.write_within).await {
                    return end;
                }
            }
            _ = ticks.tick() => {
                membership.expire();
                if heard.elapsed() >= config.silent_after {
                    return End::Silent;
                }
                // Its memberships are over by then, and a client that still wants something announces in time.
                if spoken.elapsed() >= config.table.lifetime() {
                    return End::Idle;
                }
                let ping = socket.send(Message::Ping(Default::default()));
                if !matches!(timeout(config.write_within, ping).await, Ok(Ok(()))) {
                    return End::Slow;
                }
            }
        }
    }
}

/// Writes what waits, in as few writes as it takes.
async fn flush(socket: &mut WebSocket, outbox: &Outbox, within: Duration) -> Result<(), End> {
    loop {
        let texts = outbox.take().map_err(|Overflown| End::Slow)?;
        if texts.is_empty() {
            return Ok(());
        }
        let bytes = texts.iter().map(|text| text.len()).sum();
        let write = timeout(within, async {
            for text in texts {
                socket.feed(Message::Text(text)).await?;
            }
            socket.flush().await
        });
        tokio::pin!(write);
        let written = loop {
            tokio::select! {
                written = &mut write => break written,
                () = outbox.changed() => if outbox.overflown() {
                    return Err(End::Slow);
                }
            }
        };
        written.map_err(|_| End::Slow)?.map_err(|_| End::Gone)?;
        outbox.written(bytes);
    }
}

fn end_of(error: Error) -> End {
    match error.into_inner().downcast_ref::<tungstenite::Error>() {
        Some(tungstenite::Error::Capacity(_)) => End::TooBig,
        Some(tungstenite::Error::Protocol(
            tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
        )) => End::Gone,
        Some(tungstenite::Error::Protocol(_) | tungstenite::Error::Utf8(_)) => End::Broken,
        _ => End::Gone,
    }
}

fn frame(end: End) -> Option<CloseFrame> {
    let (code, reason) = match end {
        End::Gone => return None,
        End::GoingAway => (close_code::AWAY, "the tracker is going away"),
        End::TooBig => (close_code::SIZE, "message too long"),
        End::Broken => (close_code::PROTOCOL, "not a WebSocket frame"),
        End::Flood => (close_code::POLICY, "too many messages"),
        End::Slow => (close_code::POLICY, "reads too slowly"),
        End::Silent => (close_code::AWAY, "no answer to pings"),
        End::Idle => (close_code::AWAY, "no announce for too long"),
    };
    Some(CloseFrame { code, reason: reason.into() })
}

/// Says why, then waits for the other side to close as well.
async fn close(socket: &mut WebSocket, frame: CloseFrame) {
    if socket.send(Message::Close(Some(frame))).await.is_ok() {
        while let Some(Ok(_)) = socket.recv().await {}
    }
}
