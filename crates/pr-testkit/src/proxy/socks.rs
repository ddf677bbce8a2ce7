//! The SOCKS5 proxy (RFC 1928), with user name and password (RFC 1929).

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};

use super::connection::{Client, Io, read_to_end};
use super::{ProxyFault, ProxyRequest, ProxyTarget, pair};

const VERSION: u8 = 5;
const NO_CREDENTIALS: u8 = 0;
const USER_AND_PASSWORD: u8 = 2;
const NO_METHOD: u8 = 0xff;

/// Replies (RFC 1928 section 6).
const SUCCEEDED: u8 = 0;
const NOT_ALLOWED: u8 = 2;
const HOST_UNREACHABLE: u8 = 4;
const REFUSED: u8 = 5;
const NO_SUCH_COMMAND: u8 = 7;
const NO_SUCH_ADDRESS_TYPE: u8 = 8;

pub(super) async fn speak(mut io: impl Io, client: &Client) {
    // A client that says something else, or goes, is told nothing; what it said is on record.
    match converse(&mut io, client).await {
        Ok(Outcome::Over) => {}
        Ok(Outcome::Refused) | Err(_) => {
            io.shutdown().await.ok();
            read_to_end(&mut io).await;
        }
    }
}

enum Outcome {
    /// The tunnel was used until it ended, or there is nobody to talk to.
    Over,
    /// The client has been told no.
    Refused,
}

async fn converse(io: &mut impl Io, client: &Client) -> io::Result<Outcome> {
    let methods = methods(io).await?;
    let is_open = client.shared.credentials.is_none();
    let method = if methods.contains(&USER_AND_PASSWORD) {
        USER_AND_PASSWORD
    } else if is_open && methods.contains(&NO_CREDENTIALS) {
        NO_CREDENTIALS
    } else {
        io.write_all(&[VERSION, NO_METHOD]).await?;
        return Ok(Outcome::Refused);
    };
    io.write_all(&[VERSION, method]).await?;
    let credentials = match method {
        USER_AND_PASSWORD => Some(credentials(io).await?),
        _ => None,
    };
    if let Some(credentials) = &credentials {
        let admitted = client.shared.admits(Some(credentials));
        if !admitted {
            client.rejected(credentials.clone());
        }
        io.write_all(&[1, u8::from(!admitted)]).await?;
        if !admitted {
            return Ok(Outcome::Refused);
        }
    }
    request(io, client, credentials).await
}

async fn request(
    io: &mut impl Io,
    client: &Client,
    credentials: Option<String>,
) -> io::Result<Outcome> {
    let [version, command, _, address_type] = read(io).await?;
    if version != VERSION {
        return Ok(Outcome::Over);
    }
    let Some(target) = target(io, address_type).await? else {
        return refuse(io, NO_SUCH_ADDRESS_TYPE).await;
    };
    let asked = client.asked(ProxyRequest {
        target: target.clone(),
        tunnel: true,
        credentials,
        head: None,
        accepted: false,
    });
    match client.shared.fault() {
        Some(ProxyFault::Stall) => {
            read_to_end(io).await;
            return Ok(Outcome::Over);
        }
        Some(ProxyFault::Close) => return Ok(Outcome::Over),
        Some(ProxyFault::Answer(bytes)) => {
            io.write_all(&bytes).await?;
            return Ok(Outcome::Refused);
        }
        Some(ProxyFault::Refuse { .. }) => return refuse(io, NOT_ALLOWED).await,
        Some(ProxyFault::SocksReply(reply)) => return refuse(io, reply).await,
        Some(ProxyFault::TunnelHead(_)) | None => {}
    }
    if command != 1 {
        return refuse(io, NO_SUCH_COMMAND).await;
    }
    match client.shared.routes.dial(&target).await {
        Ok(mut origin) => {
            client.accepted(asked);
            reply(io, SUCCEEDED).await?;
            copy_bidirectional(io, &mut origin).await?;
            Ok(Outcome::Over)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => refuse(io, HOST_UNREACHABLE).await,
        Err(_) => refuse(io, REFUSED).await,
    }
}

async fn methods(io: &mut impl Io) -> io::Result<Vec<u8>> {
    let [version, count] = read(io).await?;
    if version != VERSION {
        return Err(io::ErrorKind::InvalidData.into());
    }
    read_vec(io, count).await
}

/// `user:password`.
async fn credentials(io: &mut impl Io) -> io::Result<String> {
    let [_version, length] = read(io).await?;
    let user = read_vec(io, length).await?;
    let [length] = read(io).await?;
    let password = read_vec(io, length).await?;
    Ok(pair(
        String::from_utf8_lossy(&user),
        String::from_utf8_lossy(&password),
    ))
}

async fn target(io: &mut impl Io, address_type: u8) -> io::Result<Option<ProxyTarget>> {
    let port = |bytes| u16::from_be_bytes(bytes);
    Ok(match address_type {
        1 => {
            let ip = Ipv4Addr::from(read::<4>(io).await?);
            let addr = SocketAddr::from((ip, port(read(io).await?)));
            Some(ProxyTarget::Address(addr))
        }
        3 => {
            let [length] = read(io).await?;
            let name = read_vec(io, length).await?;
            let name = String::from_utf8_lossy(&name).into_owned();
            // Not parsed: an address that is sent as a name is a name to be looked up.
            Some(ProxyTarget::Name(name, port(read(io).await?)))
        }
        4 => {
            let ip = Ipv6Addr::from(read::<16>(io).await?);
            let addr = SocketAddr::from((ip, port(read(io).await?)));
            Some(ProxyTarget::Address(addr))
        }
        _ => None,
    })
}

async fn refuse(io: &mut impl Io, code: u8) -> io::Result<Outcome> {
    reply(io, code).await?;
    Ok(Outcome::Refused)
}

/// A reply, bound to 0.0.0.0:0, as many proxies have it.
async fn reply(io: &mut impl Io, code: u8) -> io::Result<()> {
    io.write_all(&[VERSION, code, 0, 1, 0, 0, 0, 0, 0, 0]).await
}

async fn read<const N: usize>(io: &mut impl Io) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    io.read_exact(&mut bytes).await?;
    Ok(bytes)
}

async fn read_vec(io: &mut impl Io, length: u8) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::from(length)];
    io.read_exact(&mut bytes).await?;
    Ok(bytes)
}
