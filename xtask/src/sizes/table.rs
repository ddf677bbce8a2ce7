//! The table: as it is printed, and as it replaces the one between two marks of a document.

use std::env::consts;
use std::fmt::Write;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::{DOCUMENT, RERUN};
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

const OPENING: &str = "<!-- sizes -->";
const CLOSING: &str = "<!-- /sizes -->";

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
         on nothing else, in the release profile with `strip = true`."
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

/// The document with `table` between its marks.
///
/// # Errors
///
/// If it does not have each of the two marks once, in order.
pub(super) fn replace(document: &str, table: &str) -> Result<String, Failure> {
    let missing = || {
        let text = format!("{DOCUMENT} needs one {OPENING} and after it one {CLOSING}");
        Failure::new(text, RERUN)
    };
    let (before, rest) = document.split_once(OPENING).ok_or_else(missing)?;
    let (old, after) = rest.split_once(CLOSING).ok_or_else(missing)?;
    let again = |text: &str| text.contains(OPENING) || text.contains(CLOSING);
    if again(before) || again(old) || again(after) {
        return Err(missing());
    }
    Ok(format!("{before}{OPENING}\n\n{table}\n\n{CLOSING}{after}"))
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

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let document = "a\n<!-- sizes -->\n\nold\n\n<!-- /sizes -->\nb\n";
        let new = replace(document, "new").unwrap();
        assert_eq!(new, "a\n<!-- sizes -->\n\nnew\n\n<!-- /sizes -->\nb\n");
        assert_eq!(replace(&new, "new").unwrap(), new);
    }

    #[test]
    fn marks_that_are_missing_twice_there_or_out_of_order_are_an_error() {
        for document in [
            "none",
            "<!-- sizes --> only",
            "<!-- /sizes --> <!-- sizes -->",
            "<!-- sizes --> <!-- sizes --> <!-- /sizes -->",
            "<!-- sizes --> <!-- /sizes --> <!-- /sizes -->",
        ] {
            let failure = replace(document, "new").unwrap_err();
            assert!(failure.output.contains(DOCUMENT), "{document}");
        }
    }
}
