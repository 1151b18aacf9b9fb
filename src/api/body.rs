//! Reads a request body within its bounds of size and time.

use std::time::Duration;

use actix_web::HttpMessage as _;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use actix_web::web::{Bytes, BytesMut, Payload};
use actix_web::{HttpRequest, mime};
use futures::{Stream, StreamExt as _};

use super::ApiConfig;
use super::error::{ApiError, Plain};

/// Bytes of a body that is too large which are still read and dropped, because
/// most clients read the answer only when they have sent everything.
const DRAIN_BYTES_MAX: usize = 64 << 20;

/// The whole body of a JSON request.
pub(crate) async fn read(
    request: &HttpRequest,
    payload: Payload,
    config: &ApiConfig,
) -> Result<Bytes, ApiError> {
    if let Err(error) = check_headers(request) {
        drain(request.headers(), payload, config).await;
        return Err(error);
    }
    let wait = Duration::from_millis(config.body_wait_ms_max);
    match tokio::time::timeout(wait, collect(payload, config.body_bytes_max)).await {
        Ok(body) => body,
        Err(_) => Err(Plain::BodyTooSlow.into()),
    }
}

/// Reads and drops a body that nobody wants, within the bounds of one that is wanted.
///
/// Most clients read the answer only when they have sent everything. What announces no body, as
/// CONNECT, is not waited for.
pub(crate) async fn drain<S, E>(headers: &HeaderMap, mut payload: S, config: &ApiConfig)
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    if !headers.contains_key(CONTENT_LENGTH) && !headers.contains_key(TRANSFER_ENCODING) {
        return;
    }
    let wait = Duration::from_millis(config.body_wait_ms_max);
    let mut seen = 0usize;
    let read = async {
        while let Some(Ok(chunk)) = payload.next().await {
            seen = seen.saturating_add(chunk.len());
            if seen > config.body_bytes_max {
                break;
            }
        }
    };
    // Whatever is left after that costs the client its answer.
    let _ = tokio::time::timeout(wait, read).await;
}

fn check_headers(request: &HttpRequest) -> Result<(), ApiError> {
    // A page of another origin cannot send this type without asking first.
    let json = request
        .mime_type()
        .ok()
        .flatten()
        .is_some_and(|mime| mime.type_() == mime::APPLICATION && mime.subtype() == mime::JSON);
    if !json {
        return Err(Plain::NotJson.into());
    }
    // Nothing is decompressed, so nothing can expand.
    let encoding = request.headers().get(CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Plain::Compressed.into());
    }
    let announced = request.headers().get(CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > DRAIN_BYTES_MAX) {
        return Err(Plain::BodyTooLarge.into());
    }
    Ok(())
}

async fn collect(mut payload: Payload, bytes_max: usize) -> Result<Bytes, ApiError> {
    let mut body = BytesMut::new();
    let mut seen = 0usize;
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Plain::BodyCutShort)?;
        seen = seen.saturating_add(chunk.len());
        if seen <= bytes_max {
            body.extend_from_slice(&chunk);
        } else if seen > DRAIN_BYTES_MAX {
            break;
        } else {
            body = BytesMut::new();
        }
    }
    if seen > bytes_max { Err(Plain::BodyTooLarge.into()) } else { Ok(body.freeze()) }
}
