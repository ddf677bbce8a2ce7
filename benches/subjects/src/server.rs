//! `bench-server`: the test servers as a process, so that what they spend is on nobody's account.
//!
//! ```text
//! bench-server serve --protocol both --tls --origins 3
//! bench-server certificates DIR
//! ```

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use pr_testkit::{Server, TestCa};
use serde_json::json;
use tempfile::TempDir;

#[derive(Parser)]
#[command(
    name = "bench-server",
    about = "The server of `cargo xtask bench`, where no other is chosen"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until standard input is closed; prints one line of JSON when ready
    Serve(ServeArgs),
    /// Write ca.pem, cert.pem and key.pem, for localhost and 127.0.0.1, and end
    Certificates {
        /// Where to; it is made if need be
        directory: PathBuf,
    },
}

#[derive(Args)]
struct ServeArgs {
    /// What to speak
    #[arg(long, default_value = "both")]
    protocol: Protocol,
    /// Speak TLS
    #[arg(long)]
    tls: bool,
    /// How many servers, each on a port and a thread of its own
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    origins: u32,
}

#[derive(Clone, Copy, ValueEnum)]
enum Protocol {
    /// HTTP/1.1
    H1,
    /// HTTP/2
    H2,
    /// Both, told apart by ALPN or by the first bytes
    Both,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Serve(args) => serve(&args),
        Command::Certificates { directory } => write_certificates(&directory),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(args: &ServeArgs) -> io::Result<()> {
    let servers = (0..args.origins)
        .map(|_| start(args))
        .collect::<io::Result<Vec<Server>>>()?;
    let urls: Vec<String> = servers
        .iter()
        .map(|server| server.url("/").trim_end_matches('/').to_owned())
        .collect();
    let directory = args.tls.then(TempDir::new).transpose()?;
    let mut ca = None;
    if let Some(directory) = &directory {
        let path = directory.path().join("ca.pem");
        fs::write(&path, TestCa::shared().pem())?;
        ca = Some(path);
    }
    println!("{}", json!({ "ready": true, "urls": urls, "ca": ca }));
    // The end of the input is the end of whoever wanted this server.
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// More than any workload has in flight: what a client gets out of one connection is to be the
/// client's doing, not the server's limit.
const MAX_STREAMS: u32 = 10_000;

/// A server that counts but keeps no records, so that its memory does not grow with the requests.
fn start(args: &ServeArgs) -> io::Result<Server> {
    let mut server = Server::builder()
        .record_requests(false)
        .recorded_body(0)
        .max_concurrent_streams(MAX_STREAMS);
    server = match args.protocol {
        Protocol::H1 => server.http1_only(),
        Protocol::H2 => server.http2_only(),
        Protocol::Both => server,
    };
    if args.tls {
        server = server.tls(TestCa::shared().localhost());
    }
    server.try_start()
}

fn write_certificates(directory: &Path) -> io::Result<()> {
    let ca = TestCa::shared();
    let identity = ca.localhost();
    fs::create_dir_all(directory)?;
    fs::write(directory.join("ca.pem"), ca.pem())?;
    fs::write(directory.join("cert.pem"), identity.certificate_pem())?;
    fs::write(directory.join("key.pem"), identity.key_pem())
}
