//! What a failed handshake is called, in words that say what to do about it.

use std::{borrow::Cow, error::Error as StdError, io};

use pr_core::{BackendError, ErrorKind};
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};

/// The error of kind [`Tls`](ErrorKind::Tls) for a handshake that failed with `error`.
///
/// Its message says which it was: a certificate that has expired, is for another host or comes
/// from an unknown issuer, a peer that does not speak TLS at all, and so on. `error` becomes its
/// source.
///
/// ```
/// use std::io;
/// use pr_tls::handshake_error;
///
/// let error = handshake_error(io::ErrorKind::UnexpectedEof.into());
/// assert!(error.is_tls());
/// assert!(error.message().contains("closed the connection"));
/// ```
pub fn handshake_error(error: io::Error) -> BackendError {
    let message = match tls_failure(&error) {
        Some(message) => message,
        None if ended(&error) => "the peer closed the connection during the TLS handshake".into(),
        None => "the connection failed during the TLS handshake".into(),
    };
    BackendError::new(ErrorKind::Tls, message).with_source(error)
}

/// What went wrong in TLS, in words, if TLS is somewhere among the causes of an error.
///
/// For the errors of a connection whose handshake seemed complete: in TLS 1.3 a peer that wants a
/// client certificate, for one, refuses only after the client is done (RFC 8446, section 4.4.2.4).
///
/// ```
/// use std::io;
/// use pr_tls::{rustls, tls_failure};
///
/// let alert = rustls::Error::AlertReceived(rustls::AlertDescription::CertificateRequired);
/// let error = io::Error::new(io::ErrorKind::InvalidData, alert);
/// assert_eq!(tls_failure(&error).unwrap(), "the peer asks for a client certificate");
/// assert!(tls_failure(&io::Error::from(io::ErrorKind::BrokenPipe)).is_none());
/// ```
pub fn tls_failure(error: &(dyn StdError + 'static)) -> Option<Cow<'static, str>> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<Error>() {
            return Some(describe(found));
        }
        // An `io::Error` in the chain hides what it wraps from `source()`.
        cause = match error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(inner) => Some(inner as _),
            None => error.source(),
        };
    }
    None
}

fn ended(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(
        error.kind(),
        BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof
    )
}

fn describe(error: &Error) -> Cow<'static, str> {
    match error {
        Error::InvalidCertificate(error) => describe_certificate(error),
        Error::NoCertificatesPresented => "the peer showed no certificate".into(),
        Error::InvalidMessage(
            InvalidMessage::InvalidContentType
            | InvalidMessage::UnknownProtocolVersion
            | InvalidMessage::MessageTooLarge
            | InvalidMessage::InvalidEmptyPayload,
        ) => "the peer does not speak TLS on this port; is it an http:// URL?".into(),
        Error::AlertReceived(AlertDescription::ProtocolVersion) => {
            "the peer speaks no version of TLS that may be used here: TLS 1.3, or TLS 1.2 unless \
             min_version excludes it"
                .into()
        }
        Error::AlertReceived(AlertDescription::UnrecognisedName) => {
            "the peer does not know the host's name".into()
        }
        Error::AlertReceived(AlertDescription::NoApplicationProtocol)
        | Error::NoApplicationProtocol => {
            "the peer speaks none of the versions of HTTP that were offered".into()
        }
        Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "the peer asks for a client certificate".into()
        }
        Error::AlertReceived(alert) => {
            format!("the peer ended the TLS handshake with the alert {alert:?}").into()
        }
        Error::PeerIncompatible(_) => {
            "the peer and this client have no TLS version or algorithm in common".into()
        }
        Error::PeerMisbehaved(_) | Error::InvalidMessage(_) => {
            "the peer broke the TLS protocol".into()
        }
        _ => "the TLS handshake failed".into(),
    }
}

fn describe_certificate(error: &CertificateError) -> Cow<'static, str> {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the peer's certificate has expired"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the peer's certificate is not valid yet; is this machine's clock right?"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the peer's certificate is for another host"
        }
        CertificateError::UnknownIssuer => {
            "the peer's certificate comes from an unknown issuer; to trust it, give its CA \
             certificate as a root"
        }
        CertificateError::Revoked => "the peer's certificate has been revoked",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "the peer's certificate is not meant for servers"
        }
        CertificateError::BadSignature => "a signature in the TLS handshake is wrong",
        CertificateError::BadEncoding => "the peer's certificate cannot be read",
        _ => "the peer's certificate is not acceptable",
    }
    .into()
}
