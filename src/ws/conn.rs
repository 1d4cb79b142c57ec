//! A handle to the TCP connection under a request: limits set when it opens, a way to cut it from outside, since a relay
//! whose peer does not read is never polled, and a look whether the peer is still there.

use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use socket2::{SockRef, Socket};
use std::any::Any;
use std::io::ErrorKind;
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;

/// Cuts one connection.
#[derive(Clone)]
pub struct ConnHandle(Arc<Socket>);

impl ConnHandle {
    /// Shuts both directions down; the server's own tasks on the connection then end. Does not block.
    pub fn cut(&self) {
        // The peer may have gone first.
        let _ = self.0.shutdown(Shutdown::Both);
    }

    /// Returns whether the peer closed the connection, as far as one can see without reading from it: the server itself
    /// answers on to a peer that closed its half, and would find out by writing only. Does not block.
    pub fn is_gone(&self) -> bool {
        match self.0.peek(&mut [MaybeUninit::uninit()]) {
            Ok(bytes) => bytes == 0,
            Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        }
    }
}

/// Sets the limits of a fresh connection and keeps a handle to it. For `HttpServer::on_connect`.
pub fn on_connect(connection: &dyn Any, data: &mut Extensions, user_timeout: Duration) {
    let Some(stream) = connection.downcast_ref::<TcpStream>() else { return };
    let socket = SockRef::from(stream);
    // Captions are small and late ones are worthless.
    let _ = socket.set_tcp_nodelay(true);
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(Some(user_timeout));
    #[cfg(not(target_os = "linux"))]
    let _ = user_timeout;
    match socket.try_clone() {
        Ok(socket) => {
            data.insert(ConnHandle(Arc::new(socket)));
        }
        Err(error) => tracing::warn!(cause = %error, "no handle to a connection, out of file descriptors"),
    }
}
