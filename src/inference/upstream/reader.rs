//! Bytes of an answer into events, with a bound on each event and on the whole.
//!
//! The parser itself has no limits, so its input is metered: it gets small
//! pieces, and an event must be complete before too many of them have gone in.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _};
use reqwest::Response;
use sse_stream::{Error as SseError, SseByteStream};

use super::failure::{cut_short, unsupported};
use crate::inference::InferenceError;

/// Pieces that the parser gets; the bound on an event is exact to one of them.
const PIECE_BYTES_MAX: usize = 4 << 10;

/// Why reading stopped.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error("the connection failed")]
    Transport(#[source] reqwest::Error),
    #[error("the answer is longer than {bytes_max} bytes")]
    AnswerTooLong { bytes_max: usize },
    #[error("an event is longer than {bytes_max} bytes")]
    EventTooLong { bytes_max: usize },
}

/// The data of one server-sent event after the other.
pub(super) struct EventReader {
    events: SseByteStream<Metered>,
    since_event: Arc<AtomicUsize>,
}

impl EventReader {
    pub(super) fn new(response: Response, answer_bytes_max: usize, event_bytes_max: usize) -> Self {
        let since_event = Arc::new(AtomicUsize::new(0));
        let bytes = response.bytes_stream().map(|piece| piece.map_err(ReadError::Transport));
        let metered = Metered {
            bytes: bytes.boxed(),
            piece: Bytes::new(),
            read: 0,
            since_event: Arc::clone(&since_event),
            answer_bytes_max,
            event_bytes_max,
        };
        Self { events: SseByteStream::new(metered), since_event }
    }

    /// The next event's data, or `None` at the end. Events without data are passed over.
    pub(super) async fn next(&mut self) -> Result<Option<String>, InferenceError> {
        while let Some(event) = self.events.next().await {
            self.since_event.store(0, Ordering::Relaxed);
            if let Some(data) = event.map_err(unreadable)?.data {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}

/// The whole body, if it is not longer than `bytes_max`.
pub(super) async fn read_bounded(
    mut response: Response,
    bytes_max: usize,
) -> Result<Vec<u8>, ReadError> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(ReadError::Transport)? {
        if body.len() + piece.len() > bytes_max {
            return Err(ReadError::AnswerTooLong { bytes_max });
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// What a caller is told; bounds are ours to keep, connections the server's.
pub(super) fn not_read(error: ReadError) -> InferenceError {
    match error {
        ReadError::Transport(source) => cut_short().with_source(source.without_url()),
        ReadError::AnswerTooLong { .. } | ReadError::EventTooLong { .. } => {
            unsupported("the model server's answer is too long").with_source(error)
        }
    }
}

fn unreadable(error: SseError) -> InferenceError {
    let SseError::Body(source) = error else {
        return unsupported("the model server's answer is not a valid event stream");
    };
    match source.downcast::<ReadError>() {
        Ok(error) => not_read(*error),
        Err(source) => cut_short().with_source(io::Error::other(source)),
    }
}

/// Passes bytes on while the counts are within bounds.
struct Metered {
    bytes: BoxStream<'static, Result<Bytes, ReadError>>,
    /// Read from the connection, not passed on yet.
    piece: Bytes,
    read: usize,
    since_event: Arc<AtomicUsize>,
    answer_bytes_max: usize,
    event_bytes_max: usize,
}

impl Stream for Metered {
    type Item = Result<Bytes, ReadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        while self.piece.is_empty() {
            match ready!(self.bytes.poll_next_unpin(cx)) {
                Some(Ok(piece)) => self.piece = piece,
                end => return Poll::Ready(end),
            }
        }
        let size = self.piece.len().min(PIECE_BYTES_MAX);
        self.read = self.read.saturating_add(size);
        if self.read > self.answer_bytes_max {
            let bytes_max = self.answer_bytes_max;
            return Poll::Ready(Some(Err(ReadError::AnswerTooLong { bytes_max })));
        }
        // The parser asks for more only when the event at hand is not complete.
        let since = self.since_event.fetch_add(size, Ordering::Relaxed);
        if since.saturating_add(size) > self.event_bytes_max.saturating_add(PIECE_BYTES_MAX) {
            let bytes_max = self.event_bytes_max;
            return Poll::Ready(Some(Err(ReadError::EventTooLong { bytes_max })));
        }
        Poll::Ready(Some(Ok(self.piece.split_to(size))))
    }
}
