//! What can be typed about the journal, from which a run can be resumed.

use std::path::PathBuf;

use clap::Args;

const JOURNAL_HELP: &str = "\
Append each outcome to this file as it happens, before it is printed

The lines are those of standard output, in the order of completion, after a first one that says \
what run they belong to. A file that has something in it is refused without --resume.";

const RESUME_HELP: &str = "\
Go on where the journal ends: send only what has no outcome there

The run must be the same: the same URLs or --input, --repeat, --method, --data and names of --header; \
everything else may differ. What comes from standard input cannot be compared: feed the same lines \
in the same order. Only new outcomes are printed; the journal has all of them, each once. Without a \
journal there yet, it is begun. However a run ends, kill -9 included, nothing in its journal is lost; \
requests that were in flight then are sent again, POSTs included.";

const FSYNC_HELP: &str = "\
Have the journal on the disk before an outcome is printed

Without it the journal survives whatever happens to this program, but a crash of the whole machine \
may take the last seconds of it. With it, every write waits for the disk.";

/// What the journal is made of.
#[derive(Args)]
pub(crate) struct JournalArgs {
    /// Append each outcome to this file as it happens, before it is printed
    #[arg(long, value_name = "FILE", long_help = JOURNAL_HELP, help_heading = "Journal")]
    pub(crate) journal: Option<PathBuf>,

    /// Go on where the journal ends: send only what has no outcome there
    #[arg(long, requires = "journal", long_help = RESUME_HELP, help_heading = "Journal")]
    pub(crate) resume: bool,

    /// With --resume, also send again what has failed (with --fail: 4xx and 5xx too)
    ///
    /// The journal then has a second outcome of such a request, and the later one counts.
    #[arg(long, requires = "resume", help_heading = "Journal")]
    pub(crate) retry_failed: bool,

    /// Have the journal on the disk before an outcome is printed
    #[arg(long, requires = "journal", long_help = FSYNC_HELP, help_heading = "Journal")]
    pub(crate) fsync: bool,
}
