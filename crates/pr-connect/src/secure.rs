//! TLS over a stream: with whom, under which configuration, and for which version of HTTP.

use std::sync::Arc;

use pr_core::{BackendError, ConnectionKey, ErrorKind, Proxy, TlsConfig};
use pr_tls::{
    Alpn, TlsContext, handshake_error, proxy_name,
    rustls::{ClientConfig, pki_types::ServerName},
    server_name,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// A handshake that can begin: everything that is wrong with its settings has been found.
pub(crate) struct Secure {
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
    alpn: Alpn,
}

impl Secure {
    pub(crate) fn with_origin(
        context: &TlsContext,
        key: &ConnectionKey,
        alpn: Alpn,
    ) -> Result<Self, BackendError> {
        Ok(Self {
            name: server_name(key)?,
            config: context.client_config(key.tls(), key.verify_ssl(), alpn)?,
            alpn,
        })
    }

    /// A proxy is verified as the backend's settings say, whatever the request's own are, and does
    /// not get to see the certificate that is meant for origins.
    pub(crate) fn with_proxy(context: &TlsContext, proxy: &Proxy) -> Result<Self, BackendError> {
        let settings = context.default_settings();
        let settings = TlsConfig::default()
            .roots(settings.roots_setting().clone())
            .min_version(settings.min_version_setting());
        Ok(Self {
            name: proxy_name(proxy)?,
            config: context.client_config(Some(&settings), true, Alpn::Http1)?,
            alpn: Alpn::Http1,
        })
    }

    pub(crate) async fn shake_hands<S>(self, stream: S) -> Result<TlsStream<S>, BackendError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let stream = TlsConnector::from(self.config)
            .connect(self.name, stream)
            .await
            .map_err(handshake_error)?;
        let agreed = stream.get_ref().1.alpn_protocol();
        if self.alpn == Alpn::Http1 && agreed == Some(b"h2") {
            // Only settings of the user's own can have offered it.
            return Err(BackendError::new(
                ErrorKind::Tls,
                "the peer chose HTTP/2, which the TLS settings offer by ALPN, but HTTP/1.1 is all \
                 that can be spoken here",
            ));
        }
        Ok(stream)
    }
}
