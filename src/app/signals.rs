//! Signals of the operating system: SIGTERM and SIGINT stop, SIGHUP reloads.

use std::io;

use futures::Stream;
use futures::stream::poll_fn;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// One item per SIGTERM or SIGINT.
pub(super) fn stops() -> io::Result<impl Stream<Item = ()> + Unpin + Send> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(poll_fn(move |cx| {
        if terminate.poll_recv(cx).is_ready() {
            return std::task::Poll::Ready(Some(()));
        }
        interrupt.poll_recv(cx)
    }))
}

pub(super) fn reloads() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}
