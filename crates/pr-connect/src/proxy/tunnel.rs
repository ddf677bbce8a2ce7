//! A way through an HTTP proxy: CONNECT (RFC 9110, section 9.3.6).

use http::{HeaderValue, StatusCode, uri::Authority};
use httparse::Status;
use pr_core::{BackendError, ConnectionKey, Delivery, ErrorKind, FailedHop};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::failed;

/// The longest answer to CONNECT, in bytes, informational ones included.
const HEAD: usize = 16 << 10;
/// How many header fields it may have.
const FIELDS: usize = 100;
/// How many informational responses may come before it.
const INFORMATIONAL: usize = 32;

/// Asks the proxy for a way to the key's origin: what follows on the stream is the origin's.
pub(super) async fn open<S>(
    stream: &mut S,
    key: &ConnectionKey,
    authorization: Option<HeaderValue>,
) -> Result<(), BackendError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let request = connect(key, authorization.as_ref())?;
    // A proxy that has refused already, before it read the request, may have said why.
    let written = async {
        stream.write_all(&request).await?;
        stream.flush().await
    };
    let write_error = written.await.err();

    let mut received = Vec::new();
    let mut left = HEAD;
    let mut informational = 0;
    let status = loop {
        let (status, length) = match read_head(stream, &mut received, left).await {
            Err(Unread::Io(read_error)) => {
                return Err(closed().with_source(write_error.unwrap_or(read_error)));
            }
            Err(Unread::Closed) => {
                let error = closed();
                return Err(match write_error {
                    Some(cause) => error.with_source(cause),
                    None => error,
                });
            }
            Err(Unread::Bad(error)) => return Err(error),
            Ok(head) => head,
        };
        received.drain(..length);
        left -= length;
        // Switching protocols is a final answer, if not one to CONNECT.
        if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
            break status;
        }
        informational += 1;
        if informational > INFORMATIONAL {
            return Err(failed(format!(
                "the proxy answered CONNECT with more than {INFORMATIONAL} informational responses"
            )));
        }
    };
    if !status.is_success() {
        return Err(refused(status, authorization.is_some()));
    }
    // Whatever length the head announces means nothing: the tunnel begins right after it.
    if !received.is_empty() {
        return Err(failed(
            "the proxy sent something before the tunnel was used",
        ));
    }
    Ok(())
}

fn connect(
    key: &ConnectionKey,
    authorization: Option<&HeaderValue>,
) -> Result<Vec<u8>, BackendError> {
    let authority = format!("{}:{}", key.host(), key.port());
    Authority::try_from(authority.as_str()).map_err(|error| {
        BackendError::new(ErrorKind::Input, "the URL's host cannot be sent to a proxy")
            .with_source(error)
    })?;
    let mut request = format!("CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n").into_bytes();
    if let Some(value) = authorization {
        request.extend_from_slice(b"proxy-authorization: ");
        request.extend_from_slice(value.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    Ok(request)
}

/// Why there is no head of a response.
enum Unread {
    Io(std::io::Error),
    Closed,
    Bad(BackendError),
}

/// Reads until `received` begins with a head, and says its status and length, which is `left` at
/// most.
async fn read_head<S>(
    stream: &mut S,
    received: &mut Vec<u8>,
    left: usize,
) -> Result<(StatusCode, usize), Unread>
where
    S: AsyncRead + Unpin,
{
    let mut chunk = [0; 1024];
    loop {
        let head = parse(received).map_err(Unread::Bad)?;
        if let Some((status, length)) = head
            && length <= left
        {
            return Ok((status, length));
        }
        if received.len() > left {
            return Err(Unread::Bad(failed(format!(
                "the proxy's answer to CONNECT is longer than {} KiB",
                HEAD >> 10
            ))));
        }
        match stream.read(&mut chunk).await.map_err(Unread::Io)? {
            0 => return Err(Unread::Closed),
            count => received.extend_from_slice(&chunk[..count]),
        }
    }
}

fn parse(received: &[u8]) -> Result<Option<(StatusCode, usize)>, BackendError> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    let unreadable = || failed("the proxy's answer to CONNECT is not HTTP/1.1");
    match response.parse(received) {
        Ok(Status::Partial) => Ok(None),
        Ok(Status::Complete(length)) => {
            let status = response
                .code
                .and_then(|code| StatusCode::from_u16(code).ok());
            Ok(Some((status.ok_or_else(unreadable)?, length)))
        }
        Err(httparse::Error::TooManyHeaders) => Err(failed(format!(
            "the proxy's answer to CONNECT has more than {FIELDS} header fields"
        ))),
        // No proxy means that: somebody on the way is playing tricks with what ends where.
        Err(error) if received.contains(&0) => Err(BackendError::new(
            ErrorKind::Protocol,
            "the proxy's answer to CONNECT holds a NUL",
        )
        .with_failed_hop(FailedHop::Proxy)
        .with_delivery(Delivery::NotSent)
        .with_source(error)),
        Err(error) => Err(unreadable().with_source(error)),
    }
}

fn refused(status: StatusCode, has_credentials: bool) -> BackendError {
    let message = match status {
        StatusCode::PROXY_AUTHENTICATION_REQUIRED if has_credentials => {
            "the proxy does not accept the credentials of its URL (407)".into()
        }
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            "the proxy wants credentials (407); put them into its URL".into()
        }
        status => format!(
            "the proxy refused the tunnel with status {}",
            status.as_u16()
        ),
    };
    let hop = match status {
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => FailedHop::Proxy,
        _ => FailedHop::Tunnel,
    };
    BackendError::proxy_refused(status, message).with_failed_hop(hop)
}

fn closed() -> BackendError {
    failed("the proxy closed the connection without an answer to CONNECT")
}
