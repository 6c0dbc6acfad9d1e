//! The wish of the system that this process ends.

/// Waits for Ctrl-C or, on Unix, for SIGTERM, which is how service managers and containers end a process.
///
/// # Cancellation
///
/// When the future is dropped, the signals are still caught: they do not end the process by themselves any more.
pub async fn termination() {
    tokio::select! {
        () = interrupted() => {}
        () = terminated() => {}
    }
}

async fn interrupted() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        cannot_listen(&error).await;
    }
}

#[cfg(unix)]
async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};

    match signal(SignalKind::terminate()) {
        Ok(mut signals) => drop(signals.recv().await),
        Err(error) => cannot_listen(&error).await,
    }
}

#[cfg(not(unix))]
async fn terminated() {
    std::future::pending::<()>().await;
}

/// A server that cannot be told to end is better than one that ends at once.
async fn cannot_listen(error: &std::io::Error) {
    tracing::error!(%error, "a signal cannot be listened for; it will end the process without a shutdown");
    std::future::pending::<()>().await;
}
