//! When a server may be asked: once somebody accepts connections at its port, or once it says so.

use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Child;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;

/// How long a server may take to start.
const LIMIT: Duration = Duration::from_secs(10);

/// Where a server listens, and the authority that signed its certificate.
pub(super) type Listening = (Vec<String>, Option<PathBuf>);

/// A port of the loopback address on which nobody listens.
pub(super) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

/// Waits until the child accepts connections at this port.
pub(super) fn at_port(child: &mut Child, port: u16) -> Result<(), String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let until = Instant::now() + LIMIT;
    loop {
        // Looked at first: if the child has ended, whoever answers at the port is somebody else.
        if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
            return Err(format!("it ended with {status}"));
        }
        if TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok() {
            return Ok(());
        }
        if Instant::now() > until {
            return Err(format!("nothing listens at port {port}"));
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// The line that the test server prints once it listens.
#[derive(Deserialize)]
struct Ready {
    urls: Vec<String>,
    ca: Option<PathBuf>,
}

/// Waits for the child to print where it listens.
pub(super) fn as_it_says(child: &mut Child) -> Result<Listening, String> {
    let (sender, receiver) = mpsc::channel();
    let stdout = child.stdout.take();
    thread::spawn(move || {
        let mut line = String::new();
        if let Some(stdout) = stdout {
            // Without a line there is nothing to parse, which is then what is said.
            let _ = BufReader::new(stdout).read_line(&mut line);
        }
        // Nobody listens any more after the time limit.
        let _ = sender.send(line);
    });
    let line = receiver
        .recv_timeout(LIMIT)
        .map_err(|_| "it does not say that it is ready".to_owned())?;
    let ready: Ready = serde_json::from_str(&line).map_err(|_| {
        let line = line.trim();
        format!("it says `{line}` instead of where it listens")
    })?;
    Ok((ready.urls, ready.ca))
}
