//! Who is calling. The only evidence is the bearer key and the address of the
//! socket's other end; forwarding and identity headers prove nothing and are
//! never read as if they did.

use std::net::IpAddr;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, web};
use futures::FutureExt as _;
use futures::future::{LocalBoxFuture, ready};

use super::error::{ApiError, Plain};
use super::{AdminListener, Edge, body};
use crate::admission::Denied;
use crate::domain::{Caller, CallerRole};

/// Headers that only a proxy adds. They never grant anything; where being on
/// the same machine would grant something, their presence takes it away.
const PROXY_HEADERS: &[&str] = &["forwarded", "x-forwarded-for", "x-real-ip", "via"];

/// The caller of an API request.
#[derive(Debug)]
pub(crate) struct Authenticated(pub Caller);

impl FromRequest for Authenticated {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        match identify(request) {
            Ok(caller) => ready(Ok(Self(caller))).boxed_local(),
            Err(error) => {
                let (edge, payload) = (edge(request).cloned(), payload.take());
                let request = request.clone();
                async move {
                    if let Ok(edge) = edge {
                        body::drain(request.headers(), payload, &edge.config).await;
                    }
                    Err(error)
                }
                .boxed_local()
            }
        }
    }
}

fn identify(request: &HttpRequest) -> Result<Caller, ApiError> {
    let edge = edge(request)?;
    let bearer = bearer(request)?;
    if !edge.gate.has_keys() && names_foreign_host(request) {
        return Err(Plain::ForeignHost.into());
    }
    Ok(edge.gate.identify(bearer, peer_is_loopback(request))?)
}

/// Lets administrators pass.
///
/// A key with the admin role always does. Without a key, a direct loopback
/// connection does while no keys are set up, and for reading metrics.
pub(crate) fn admin(request: &HttpRequest, reads_only: bool) -> Result<(), ApiError> {
    let edge = edge(request)?;
    if let Some(bearer) = bearer(request)?.filter(|_| edge.gate.has_keys()) {
        let caller = edge.gate.identify(Some(bearer), peer_is_loopback(request))?;
        return match caller.role {
            CallerRole::Admin => Ok(()),
            CallerRole::User => Err(Denied::NotAdmin.into()),
        };
    }
    let trusted = peer_is_loopback(request)
        && !came_through_proxy(request)
        && !names_foreign_host(request)
        && (reads_only || !edge.gate.has_keys());
    if trusted { Ok(()) } else { Err(Plain::AdminOnly.into()) }
}

/// Lets those pass who may read metrics on this listener.
pub(crate) fn metrics(request: &HttpRequest, listener: AdminListener) -> Result<(), ApiError> {
    match listener {
        AdminListener::Own => Ok(()),
        AdminListener::Shared => admin(request, true),
    }
}

pub(crate) fn edge(request: &HttpRequest) -> Result<&web::Data<Edge>, ApiError> {
    request.app_data::<web::Data<Edge>>().ok_or_else(|| Plain::Internal.into())
}

/// The key of `Authorization: Bearer <key>`; a header that is not that is a wrong key.
fn bearer(request: &HttpRequest) -> Result<Option<&str>, ApiError> {
    let mut values = request.headers().get_all(header::AUTHORIZATION);
    let Some(value) = values.next() else { return Ok(None) };
    let key = value
        .to_str()
        .ok()
        .filter(|_| values.next().is_none())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, key)| key.trim());
    match key {
        Some(key) if !key.is_empty() => Ok(Some(key)),
        _ => Err(Denied::KeyUnknown.into()),
    }
}

fn peer_is_loopback(request: &HttpRequest) -> bool {
    request.peer_addr().is_some_and(|peer| peer.ip().to_canonical().is_loopback())
}

fn came_through_proxy(request: &HttpRequest) -> bool {
    PROXY_HEADERS.iter().any(|name| request.headers().contains_key(*name))
}

/// Whether the request was sent to a name that could be anybody's.
///
/// A web page can make a browser on this machine call its own host name after
/// pointing that name at 127.0.0.1. Addresses and `localhost` cannot be
/// repointed so.
fn names_foreign_host(request: &HttpRequest) -> bool {
    let header = request.headers().get(header::HOST).map(|value| value.to_str().unwrap_or(""));
    let Some(authority) = header.or_else(|| request.uri().authority().map(|host| host.as_str()))
    else {
        return false;
    };
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => authority.split(':').next().unwrap_or(authority),
    };
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let local = host == "localhost" || host.ends_with(".localhost");
    !local && host.parse::<IpAddr>().is_err()
}
