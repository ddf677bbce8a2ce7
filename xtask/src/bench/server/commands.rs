//! The command lines of the servers: one process each, so that ending it ends the server.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use crate::bench::cores::Cores;
use crate::bench::plan::{ORIGINS, Protocol, Target, Workload};
use crate::bench::scene::Scene;

/// Our own test server.
pub(super) fn testkit(workload: &Workload, cores: &Cores, scene: &Scene) -> Command {
    let mut command = cores.server(&scene.server.to_string_lossy());
    let protocol = match (workload.target, workload.protocol) {
        (Target::Origins | Target::EitherVersion, _) => "both",
        (_, Protocol::H1) => "h1",
        (_, Protocol::H2) => "h2",
    };
    command.args(["serve", "--protocol", protocol]);
    if workload.tls {
        command.arg("--tls");
    }
    if workload.target == Target::Origins {
        command.args(["--origins", &ORIGINS.to_string()]);
    }
    command
}

/// nghttpd with one worker.
pub(super) fn nghttpd(port: u16, workload: &Workload, cores: &Cores, scene: &Scene) -> Command {
    let mut command = cores.server("nghttpd");
    command.args(["--address", "127.0.0.1", "--workers", "1", "--htdocs"]);
    command.arg(scene.documents());
    let port = port.to_string();
    if workload.tls {
        let certificates = scene.certificates();
        command.arg(port);
        command.arg(certificates.join("key.pem"));
        command.arg(certificates.join("cert.pem"));
    } else {
        command.args(["--no-tls", &port]);
    }
    command
}

/// nginx with one worker that is the only process: there is no master whose death it could survive,
/// and it runs as whoever started it.
pub(super) fn nginx(
    port: u16,
    workload: &Workload,
    cores: &Cores,
    scene: &Scene,
) -> io::Result<Command> {
    let path = scene.directory.join("nginx.conf");
    fs::write(&path, nginx_configuration(port, workload, scene))?;
    let mut command = cores.server("nginx");
    command.arg("-c").arg(&path).arg("-p").arg(&scene.directory);
    // Its error log of before it has read the configuration, which may not be writable.
    command.args(["-e", "stderr"]);
    Ok(command)
}

fn nginx_configuration(port: u16, workload: &Workload, scene: &Scene) -> String {
    let directory = scene.directory.display();
    let documents = scene.documents();
    let mut listen = format!("127.0.0.1:{port}");
    let mut certificate = String::new();
    if workload.tls {
        listen.push_str(" ssl");
        let file = |name: &str| quoted(&scene.certificates().join(name));
        certificate = format!(
            "ssl_certificate {}; ssl_certificate_key {};",
            file("cert.pem"),
            file("key.pem")
        );
    }
    if workload.protocol == Protocol::H2 {
        listen.push_str(" http2");
    }
    let mut temporary = String::new();
    for name in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        let path = quoted(&scene.directory.join(format!("nginx-{name}")));
        let _ = writeln!(temporary, "    {name}_temp_path {path};");
    }
    format!(
        "daemon off;
master_process off;
worker_processes 1;
pid \"{directory}/nginx.pid\";
error_log stderr crit;
events {{
    worker_connections 4096;
}}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    open_file_cache max=16;
    keepalive_requests 1000000000;
    keepalive_timeout 300s;
    default_type application/octet-stream;
{temporary}    server {{
        listen {listen};
        root {root};
        {certificate}
    }}
}}
",
        root = quoted(&documents),
    )
}

fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::bench::plan::WORKLOADS;

    fn configuration(name: &str) -> String {
        let scene = std::mem::ManuallyDrop::new(Scene {
            directory: PathBuf::from("/tmp/a b"),
            subject: PathBuf::new(),
            server: PathBuf::new(),
        });
        let workload = WORKLOADS.iter().find(|w| w.name == name).unwrap();
        nginx_configuration(4711, workload, &scene)
    }

    #[test]
    fn nginx_listens_for_what_the_workload_speaks() {
        assert!(configuration("http1").contains("listen 127.0.0.1:4711;"));
        assert!(configuration("http2").contains("listen 127.0.0.1:4711 http2;"));
        let tls = configuration("http2-tls");
        assert!(tls.contains("listen 127.0.0.1:4711 ssl http2;"));
        assert!(tls.contains("ssl_certificate \"/tmp/a b/certificates/cert.pem\";"));
    }

    #[test]
    fn braces_match() {
        let text = configuration("http2-tls");
        assert_eq!(text.matches('{').count(), text.matches('}').count());
    }
}
