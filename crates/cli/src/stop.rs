//! Being told to stop. Ctrl-C ends the program at once; SIGTERM lets what goes on come to its end, until somebody asks again.

use node::admin::Admin;
use std::process::ExitCode;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Ctrl-C: an end at once.
    Interrupt,
    /// SIGTERM: an end with care.
    Terminate,
}

impl Asked {
    /// The exit code that says so.
    pub fn code(self) -> ExitCode {
        match self {
            Self::Interrupt => ExitCode::from(130),
            Self::Terminate => ExitCode::from(143),
        }
    }
}

/// Resolves at ctrl-C or SIGTERM, with the exit code that says so; see [`asked`].
pub fn requested() -> impl Future<Output = ExitCode> {
    let asked = asked();
    async move { asked.await.code() }
}

/// Resolves at ctrl-C or SIGTERM that comes after this call. Call it before anything begins that must be ended in order: until
/// then the system's default ends the process.
pub fn asked() -> impl Future<Output = Asked> {
    let (interrupt, terminate) = heard();
    async move {
        tokio::select! {
            () = interrupt => Asked::Interrupt,
            () = terminate => Asked::Terminate,
        }
    }
}

#[cfg(unix)]
fn heard() -> (impl Future<Output = ()>, impl Future<Output = ()>) {
    use tokio::signal::unix::{SignalKind, signal};
    let hear = |kind: SignalKind| {
        let signal = signal(kind);
        async move {
            match signal {
                Ok(mut signal) => signal.recv().await.unwrap_or(()),
                // The system's default ends the process.
                Err(_) => std::future::pending().await,
            }
        }
    };
    (hear(SignalKind::interrupt()), hear(SignalKind::terminate()))
}

#[cfg(not(unix))]
fn heard() -> (impl Future<Output = ()>, impl Future<Output = ()>) {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    (interrupt, std::future::pending())
}

/// After SIGTERM, waits for `work` to end, while the admin address says so, or until somebody asks once more: then that is what
/// was asked for, and the work is given up. After anything else there is nothing to wait for.
pub async fn drained(
    what: Option<Asked>,
    admin: Option<&Admin>,
    work: impl Future<Output = ()>,
) -> Option<Asked> {
    if what != Some(Asked::Terminate) {
        return what;
    }
    if let Some(admin) = admin {
        admin.drain();
    }
    tokio::select! {
        again = asked() => Some(again),
        () = work => what,
    }
}

/// SIGHUP, by which a server is told to read its files again; where there is no such thing it never comes.
pub struct Hangup(#[cfg(unix)] Option<tokio::signal::unix::Signal>);

impl Hangup {
    /// From now on the signal does not end the program.
    pub fn new() -> Self {
        Self(
            #[cfg(unix)]
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).ok(),
        )
    }

    /// Resolves at the next one.
    pub async fn told(&mut self) {
        #[cfg(unix)]
        if let Some(hangup) = &mut self.0
            && hangup.recv().await.is_some()
        {
            return;
        }
        std::future::pending().await
    }
}
