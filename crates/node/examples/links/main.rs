//! One end of links that are measured, in a process of its own: `bench/links.mjs` starts two of these, or one and a browser,
//! carries descriptions between them, and looks from outside at what they cost.
//!
//! Invariant: both stacks are given the same work by the same code ([`talk`]); what differs is what carries it.
//!
//! Lines of JSON go in and out. In: `{"what":"offer"|"answer","who":0,"id":"..","sdp":".."}`, `{"what":"go"}` (ask for
//! pieces from now on) and `{"what":"count"}`. Out: offers and answers, and `{"what":"count",..}` with what was moved so far
//! and by how many links. It ends with its input.

mod bare;
mod links;
mod talk;
mod udp;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use serde_json::{Value, json};
use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tokio::sync::{Semaphore, mpsc};

/// Links that one side makes at a time.
const DIALS: usize = 16;

/// One end of links that are measured.
#[derive(Parser, Clone)]
pub struct Args {
    /// What carries the messages.
    #[arg(value_enum)]
    stack: Stack,
    /// Links to make, each from a socket of its own. None: offers are answered, on one socket.
    #[arg(long, default_value_t = 0)]
    dial: u32,
    /// Data channels of each link. More than one only on the bare stack.
    #[arg(long, default_value_t = 1)]
    channels: usize,
    /// The address of the sockets.
    #[arg(long, default_value = "127.0.0.1")]
    bind: IpAddr,
    /// Bytes of a piece, which is one message.
    #[arg(long, default_value_t = 32 * 1024)]
    message: usize,
    /// Bytes a link may have under way.
    #[arg(long, default_value_t = 128 * 1024)]
    buffer: usize,
    /// Pieces that each channel has asked for and not got yet, once it may ask.
    #[arg(long, default_value_t = 16)]
    ask: usize,
    /// Bytes each channel asks for in all. 0: without end.
    #[arg(long, default_value_t = 0)]
    each: u64,
    /// Bits a second by which each link asks, whatever it has got. 0: as fast as pieces come.
    #[arg(long, default_value_t = 0)]
    rate: u64,
    /// How many of the links ask.
    #[arg(long, default_value_t = u32::MAX)]
    asking: u32,
}

/// What carries the messages.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Stack {
    /// The links of a node.
    Links,
    /// str0m alone, with batches of datagrams (GSO, GRO, recvmmsg).
    Bare,
    /// str0m alone, each datagram by a system call.
    BareUnbatched,
}

/// What the harness tells one end of a link, or all links of a socket.
pub enum Command {
    /// An offer came.
    Offer {
        /// Which of the other side's sockets it is from.
        who: u32,
        /// Its name.
        id: String,
        /// The description.
        sdp: String,
    },
    /// The answer to the socket's own offer came.
    Answer {
        /// The offer's name.
        id: String,
        /// The description.
        sdp: String,
    },
    /// Pieces may be asked for.
    Go,
}

/// What all sockets of this process have in common.
pub struct Shared {
    args: Args,
    up: AtomicU64,
    down: AtomicU64,
    taken: AtomicU64,
    given: AtomicU64,
    dials: Semaphore,
}

impl Shared {
    /// Has a description carried to the other side.
    pub fn describe(&self, what: &str, who: u32, id: &str, sdp: &str) {
        say(&json!({ "what": what, "who": who, "id": id, "sdp": sdp }));
    }

    /// A link is open.
    pub fn count_up(&self, dialled: bool) {
        self.up.fetch_add(1, Ordering::Relaxed);
        if dialled {
            self.dials.add_permits(1);
        }
    }

    /// A link is gone, which no bench wants.
    pub fn count_down(&self) {
        self.down.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits until one more link may be made.
    pub async fn may_dial(&self) {
        if let Ok(permit) = self.dials.acquire().await {
            permit.forget();
        }
    }

    fn count(&self, since: Instant) -> Value {
        let of = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        json!({
            "what": "count",
            "seconds": since.elapsed().as_secs_f64(),
            "up": of(&self.up),
            "down": of(&self.down),
            "taken": of(&self.taken),
            "given": of(&self.given),
        })
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    let mut runtime = match args.stack {
        // As the program has it.
        Stack::Links => tokio::runtime::Builder::new_multi_thread(),
        Stack::Bare | Stack::BareUnbatched => tokio::runtime::Builder::new_current_thread(),
    };
    runtime.enable_all().build()?.block_on(run(args))
}

async fn run(args: Args) -> Result<()> {
    let began = Instant::now();
    let shared = Arc::new(Shared {
        args: args.clone(),
        up: AtomicU64::new(0),
        down: AtomicU64::new(0),
        taken: AtomicU64::new(0),
        given: AtomicU64::new(0),
        dials: Semaphore::new(DIALS),
    });
    let sockets: Vec<mpsc::UnboundedSender<Command>> = (0..args.dial.max(1))
        .map(|who| {
            let (into, commands) = mpsc::unbounded_channel();
            let dial = (args.dial > 0).then_some(who);
            let shared = shared.clone();
            tokio::spawn(async move {
                let ended = match shared.args.stack {
                    Stack::Links => links::run(&shared, dial, commands).await,
                    Stack::Bare => bare::run(&shared, dial, commands, true).await,
                    Stack::BareUnbatched => bare::run(&shared, dial, commands, false).await,
                };
                if let Err(error) = ended {
                    eprintln!("{error:#}");
                    std::process::exit(1);
                }
            });
            into
        })
        .collect();

    let mut lines = input();
    while let Some(line) = lines.recv().await {
        let told: Value = serde_json::from_str(&line).context("a line of JSON")?;
        let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
        let who = told["who"].as_u64().and_then(|who| u32::try_from(who).ok()).unwrap_or(0);
        let tell = |socket: &mpsc::UnboundedSender<Command>, command| {
            socket.send(command).ok().context("a socket has ended")
        };
        match told["what"].as_str() {
            Some("offer") => {
                tell(&sockets[0], Command::Offer { who, id: text("id"), sdp: text("sdp") })?;
            }
            Some("answer") => {
                let socket = sockets.get(who as usize).context("nobody dialled that")?;
                tell(socket, Command::Answer { id: text("id"), sdp: text("sdp") })?;
            }
            Some("go") => {
                for socket in sockets.iter().take(args.asking as usize) {
                    tell(socket, Command::Go)?;
                }
            }
            Some("count") => say(&shared.count(began)),
            _ => anyhow::bail!("{line} says nothing"),
        }
    }
    Ok(())
}

/// The lines of the input, read by a thread of their own, as nothing of it may hold up the sockets.
fn input() -> mpsc::UnboundedReceiver<String> {
    let (into, lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if into.send(line).is_err() {
                break;
            }
        }
    });
    lines
}

fn say(line: &Value) {
    let mut out = std::io::stdout().lock();
    // The harness may be gone; then the input ends, too.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
