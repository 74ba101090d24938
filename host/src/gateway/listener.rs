//! The public socket: a permit, then a connection, then the next.

use super::connection;
use super::request::Gateway;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

/// Connections that the system keeps while all permits are out.
const BACKLOG: i32 = 4_096;

/// Bytes that the system may hold of what a peer was sent but is not yet ready
/// to take. It bounds what a slow reader costs, and has the host see each few of
/// the bytes that it takes: by default megabytes must go first.
const UNSENT: u32 = 128 * 1024;

/// Pause after an error that concerns the listener, such as too many open
/// files: trying again at once would only burn CPU.
const ERROR_PAUSE: Duration = Duration::from_millis(50);

/// Why the host cannot listen.
#[derive(Debug, Error)]
pub enum BindError {
    /// Somebody else does.
    #[error(
        "port {} on {} is in use: stop what listens there, or choose another with `{flag}` \
         (port 0 takes a free one)",
        address.port(), address.ip()
    )]
    InUse {
        /// What was asked for.
        address: SocketAddr,
        /// Where it was asked for.
        flag: &'static str,
    },
    /// Anything else.
    #[error("cannot listen on {address} (`{flag}`)")]
    Io {
        /// What was asked for.
        address: SocketAddr,
        /// Where it was asked for.
        flag: &'static str,
        /// Why not.
        source: io::Error,
    },
}

/// Binds a listening socket; `flag` is named when that fails.
///
/// # Errors
///
/// When the address is in use or not this machine's.
pub fn bind(address: SocketAddr, flag: &'static str) -> Result<TcpListener, BindError> {
    let listen = || {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        socket.set_reuse_address(true)?;
        // Connections inherit it.
        #[cfg(target_os = "linux")]
        socket.set_tcp_notsent_lowat(UNSENT)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(socket.into())
    };
    listen().map_err(|source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse { address, flag },
        _ => BindError::Io {
            address,
            flag,
            source,
        },
    })
}

/// The public listener.
pub struct Listener {
    socket: tokio::net::TcpListener,
}

impl Listener {
    /// Listens on `address`.
    ///
    /// # Errors
    ///
    /// When the address is in use or not this machine's.
    pub fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let flag = "--listen";
        let socket = bind(address, flag)?;
        let socket = tokio::net::TcpListener::from_std(socket).map_err(|source| BindError::Io {
            address,
            flag,
            source,
        })?;
        Ok(Self { socket })
    }

    /// The address that was bound.
    ///
    /// # Errors
    ///
    /// When the system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves connections until the gateway drains; returns when the last of
    /// them has ended, and the last invocation that goes on without its caller.
    pub async fn serve(self, gateway: Arc<Gateway>) {
        let permits = Arc::new(Semaphore::new(gateway.config.max_connections));
        let connections = TaskTracker::new();
        let start = |permit: OwnedSemaphorePermit, (stream, peer)| {
            // Boxed: each future around it would hold it twice, before and after
            // its first poll, and most connections are idle.
            let connection = Box::pin(connection::serve(stream, peer, gateway.clone()));
            let connection = connections.track_future(async move {
                connection.await;
                drop(permit);
            });
            gateway.lanes.least_connected().serve(connection);
        };
        loop {
            let next = async {
                let permit = permits.clone().acquire_owned().await;
                (permit.expect("never closed"), self.accept().await)
            };
            tokio::select! {
                () = gateway.draining.cancelled() => break,
                (permit, accepted) = next => start(permit, accepted),
            }
        }
        // Whoever has connected already may have sent a request. The system is
        // asked: the event loop may not have heard of it yet.
        if let Ok(socket) = self.socket.into_std() {
            while let Ok(permit) = permits.clone().try_acquire_owned()
                && let Ok((stream, peer)) = socket.accept()
            {
                if stream.set_nonblocking(true).is_ok() {
                    start(permit, (stream, peer));
                }
            }
        }
        connections.close();
        connections.wait().await;
        gateway.detached.close();
        gateway.detached.wait().await;
    }

    /// The next connection; errors are survived.
    async fn accept(&self) -> (TcpStream, SocketAddr) {
        loop {
            let accepted = self.socket.accept().await;
            // Lived on a worker's event loop, not on this one.
            match accepted.and_then(|(stream, peer)| Ok((stream.into_std()?, peer))) {
                Ok(accepted) => return accepted,
                // The peer's trouble, over before it began.
                Err(error) if is_about_the_peer(&error) => {}
                Err(error) => {
                    tracing::warn!(target: "dunlin", "cannot accept a connection: {error}");
                    tokio::time::sleep(ERROR_PAUSE).await;
                }
            }
        }
    }
}

fn is_about_the_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
