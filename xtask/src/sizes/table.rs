//! The table of sizes in Markdown.

use std::env::consts;
use std::fmt::Write;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::report::Failure;
use crate::shell::Shell;

/// What was measured of one program.
pub(super) struct Row {
    /// The facade's feature.
    pub(super) subject: &'static str,
    /// How many crates are in it.
    pub(super) crates: usize,
    /// How long a build from nothing took.
    pub(super) build: Duration,
    /// The size of the stripped executable.
    pub(super) bytes: u64,
}

/// The table in Markdown, with a sentence that says where and how it came about.
pub(super) fn render(rows: &[Row], machine: &str) -> String {
    let mut text = String::from(
        "| Feature | Crates | Cold release build | Stripped program |\n|---|---:|---:|---:|\n",
    );
    for row in rows {
        let seconds = row.build.as_secs_f64();
        let tenths = row.bytes * 10 / (1024 * 1024);
        let (mib, tenth) = (tenths / 10, tenths % 10);
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| `{}` | {} | {seconds:.0} s | {mib}.{tenth} MiB |",
            row.subject, row.crates
        );
    }
    let _ = write!(
        text,
        "\nMeasured by `cargo xtask sizes` on {machine}: a program that does one request and depends \
         on nothing else, in the release profile with `strip = true`. `default` is `h2` with the content \
         codings and the cookie jar, which the others are without."
    );
    text
}

/// What the figures depend on: the number of cores, the platform, the compiler.
pub(super) fn machine() -> Result<String, Failure> {
    let version = Shell::new("rustc", "--version").read(Path::new("."))?;
    // `rustc 1.95.0 (hash date)`: the first two words say it.
    let compiler: Vec<&str> = version.split_whitespace().take(2).collect();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let cores = match cores {
        1 => "1 core".to_owned(),
        many => format!("{many} cores"),
    };
    let (system, processor) = (consts::OS, consts::ARCH);
    Ok(format!(
        "{cores} ({processor}, {system}, {})",
        compiler.join(" ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_whole_seconds_and_tenths_of_mebibytes() {
        let rows = [Row {
            subject: "h2",
            crates: 93,
            build: Duration::from_millis(61_700),
            bytes: 4_400_000,
        }];
        let text = render(&rows, "2 cores");
        assert!(
            text.contains("\n| `h2` | 93 | 62 s | 4.1 MiB |\n"),
            "{text}"
        );
        assert!(text.contains("on 2 cores: "), "{text}");
    }
}
