//! Sockets and HTTP servers: binding, TLS, limits of connections.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::KeepAlive;
use actix_web::{App, HttpServer, web};

use super::StartError;
use crate::api::{self, AdminListener, Edge};
use crate::config::settings::Tls;
use crate::config::{self, Settings};

/// Metrics and admin routes need little.
const ADMIN_WORKERS: usize = 1;

/// A bound socket.
#[derive(Debug)]
pub(super) struct Listener {
    socket: TcpListener,
    pub(super) address: SocketAddr,
}

impl Listener {
    pub(super) fn bind(address: SocketAddr) -> Result<Self, StartError> {
        let bind = || -> io::Result<Self> {
            let socket = TcpListener::bind(address)?;
            let address = socket.local_addr()?;
            Ok(Self { socket, address })
        };
        bind().map_err(|error| StartError::new(format!("cannot listen on {address}"), error))
    }
}

/// Which routes a server has.
#[derive(Debug, Clone, Copy)]
pub(super) enum Routes {
    Public,
    PublicAndAdmin,
    Admin,
}

/// A server that runs once it is polled.
pub(super) fn server(
    listener: Listener,
    routes: Routes,
    edge: web::Data<Edge>,
    settings: &Settings,
    tls: Option<rustls::ServerConfig>,
) -> io::Result<Server> {
    let app = move || {
        let edge = edge.clone();
        App::new().configure(move |cfg| match routes {
            Routes::Public => api::configure_public(cfg, edge),
            Routes::PublicAndAdmin => {
                api::configure_admin(cfg, edge.clone(), AdminListener::Shared);
                api::configure_public(cfg, edge);
            }
            Routes::Admin => api::configure_admin(cfg, edge, AdminListener::Own),
        })
    };
    let workers = match routes {
        Routes::Admin => ADMIN_WORKERS,
        Routes::Public | Routes::PublicAndAdmin => settings.workers,
    };
    let keep_alive = match settings.http.keep_alive_ms_max {
        0 => KeepAlive::Disabled,
        ms => KeepAlive::Timeout(Duration::from_millis(ms)),
    };
    // The application ends the drain itself; this is the net behind it, in whole seconds.
    let shutdown_seconds = settings.shutdown_grace_ms_max.div_ceil(1000) + 1;
    let server = HttpServer::new(app)
        .workers(workers)
        // A token that waits for the acknowledgement of the one before is late by 40 ms.
        .tcp_nodelay(true)
        .keep_alive(keep_alive)
        .client_request_timeout(Duration::from_millis(settings.http.request_timeout_ms_max))
        .max_connections(settings.http.connections_max)
        // Whoever closes while an answer is computed has gone away; it must not keep its slot.
        .h1_allow_half_closed(false)
        .shutdown_timeout(shutdown_seconds)
        .disable_signals();
    let server = match tls {
        Some(tls) => server.listen_rustls_0_23(listener.socket, tls)?,
        None => server.listen(listener.socket)?,
    };
    Ok(server.run())
}

/// TLS with the certificate of the settings, which were checked; files can change.
pub(super) fn tls(files: &Tls) -> Result<rustls::ServerConfig, StartError> {
    config::tls::server_config(files).map_err(|errors| {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        StartError::new("cannot switch TLS on", errors.join("; "))
    })
}
