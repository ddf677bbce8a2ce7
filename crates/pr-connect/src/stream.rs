//! A connection's bytes, encrypted or not, as one type.

use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client::TlsStream;

use crate::{Place, Protocol, StreamParts, transport::Transport};

/// A connection over TCP or a Unix socket, with or without TLS over it.
///
/// Writes are vectored: a head and a body that are written together leave together. Without a
/// proper end by the peer (TLS's `close_notify`), reading from a TLS stream ends with
/// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof), so that a body that ends with the connection
/// cannot be cut short unnoticed.
///
/// It has its place among the connections that may be open ([`Budget`](crate::Budget)) until it is
/// dropped.
///
/// ```
/// use pr_connect::Stream;
/// use tokio::io::{AsyncRead, AsyncWrite};
///
/// fn is_a_transport<T: AsyncRead + AsyncWrite + Send + Unpin + 'static>() {}
/// is_a_transport::<Stream>();
/// ```
#[derive(Debug)]
pub struct Stream {
    kind: Kind,
    // After it, so that the socket has been closed when the place comes back.
    place: Option<Place>,
}

#[derive(Debug)]
enum Kind {
    Plain(Transport),
    // Boxed because a TLS session is some hundred times the size of a socket.
    Tls(Box<TlsStream<Transport>>),
    /// An origin's TLS within that of a proxy.
    Nested(Box<TlsStream<TlsStream<Transport>>>),
}

/// The same call on whichever stream it is.
macro_rules! each {
    ($kind:expr, $stream:ident => $call:expr) => {
        match $kind {
            Kind::Plain($stream) => $call,
            Kind::Tls($stream) => $call,
            Kind::Nested($stream) => $call,
        }
    };
}

impl Stream {
    pub(crate) fn plain(transport: Transport) -> Self {
        Kind::Plain(transport).into()
    }

    pub(crate) fn tls(stream: TlsStream<Transport>) -> Self {
        Kind::Tls(Box::new(stream)).into()
    }

    pub(crate) fn nested(stream: TlsStream<TlsStream<Transport>>) -> Self {
        Kind::Nested(Box::new(stream)).into()
    }

    /// The same stream, which has its place among the open connections from now on.
    pub(crate) fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// Takes the stream apart, for use without a runtime: the socket blocks from then on.
    ///
    /// It must happen within the runtime on which the connection was opened, or while that still
    /// exists. An error is one of the socket that cannot be taken from the runtime.
    pub fn into_parts(self) -> io::Result<StreamParts> {
        let (transport, sessions) = match self.kind {
            Kind::Plain(transport) => (transport, Vec::new()),
            Kind::Tls(stream) => {
                let (transport, session) = stream.into_inner();
                (transport, vec![session])
            }
            Kind::Nested(stream) => {
                let (stream, inner) = stream.into_inner();
                let (transport, outer) = stream.into_inner();
                (transport, vec![outer, inner])
            }
        };
        Ok(StreamParts {
            socket: transport.into_socket()?,
            sessions,
            place: self.place,
        })
    }

    /// What the handshake with the origin agreed on.
    pub(crate) fn protocol(&self) -> Protocol {
        let agreed = match &self.kind {
            Kind::Plain(_) => None,
            Kind::Tls(stream) => stream.get_ref().1.alpn_protocol(),
            Kind::Nested(stream) => stream.get_ref().1.alpn_protocol(),
        };
        if agreed == Some(b"h2") {
            Protocol::Http2
        } else {
            Protocol::Http1
        }
    }

    /// The address of the peer, or of the proxy; a Unix socket has none.
    pub(crate) fn remote_addr(&self) -> Option<SocketAddr> {
        match &self.kind {
            Kind::Plain(transport) => transport.remote_addr(),
            Kind::Tls(stream) => stream.get_ref().0.remote_addr(),
            Kind::Nested(stream) => stream.get_ref().0.get_ref().0.remote_addr(),
        }
    }
}

impl From<Kind> for Stream {
    fn from(kind: Kind) -> Self {
        Self { kind, place: None }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each!(&mut self.get_mut().kind, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        each!(&mut self.get_mut().kind, stream => Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(&mut self.get_mut().kind, stream => Pin::new(stream).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        each!(&self.kind, stream => stream.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(&mut self.get_mut().kind, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(&mut self.get_mut().kind, stream => Pin::new(stream).poll_shutdown(cx))
    }
}
