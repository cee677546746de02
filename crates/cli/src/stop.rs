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

/// Resolves at ctrl-C or SIGTERM, with the exit code that says so.
pub async fn requested() -> ExitCode {
    asked().await.code()
}

/// Resolves at ctrl-C or SIGTERM.
pub async fn asked() -> Asked {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut term) = signal(SignalKind::terminate()) {
            return tokio::select! {
                _ = tokio::signal::ctrl_c() => Asked::Interrupt,
                _ = term.recv() => Asked::Terminate,
            };
        }
    }
    // Where even this cannot be waited for, the system's default ends the process.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
    Asked::Interrupt
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
