//! Being told to stop.

use std::process::ExitCode;

/// Resolves at ctrl-C or SIGTERM, with the exit code that says so.
pub async fn requested() -> ExitCode {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut term) = signal(SignalKind::terminate()) {
            return tokio::select! {
                _ = tokio::signal::ctrl_c() => ExitCode::from(130),
                _ = term.recv() => ExitCode::from(143),
            };
        }
    }
    // Where even this cannot be waited for, the system's default ends the process.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
    ExitCode::from(130)
}
