//! The programs that other people use for the same work: how each is found, started and understood.

mod curl;
mod h2load;
mod units;
mod wrk;

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cores::Cores;
use super::model::Run;
use super::plan::{Protocol, Target, Tool, Workload};
use super::process;

/// What a tool is asked to do.
pub(crate) struct Job<'a> {
    pub(crate) workload: &'a Workload,
    pub(crate) url: &'a str,
    pub(crate) requests: u64,
    pub(crate) ca: Option<&'a Path>,
    /// A place for files that it needs.
    pub(crate) directory: &'a Path,
    pub(crate) quick: bool,
}

/// The path of a program, if it is installed.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let directories = env::var_os("PATH")?;
    env::split_paths(&directories)
        .flat_map(|directory| {
            [program.to_owned(), format!("{program}.exe")].map(|name| directory.join(name))
        })
        .find(|path| path.is_file())
}

/// What a program says of its version: the first word with a digit in it that is no option.
pub(crate) fn version(program: &str) -> Option<String> {
    let flag = match program {
        "nginx" | "wrk" => "-v",
        _ => "--version",
    };
    let mut command = Command::new(program);
    command.arg(flag);
    // nginx tells it on standard error, and wrk with a failure.
    let ended = process::run(command).ok()?;
    let text = format!("{}\n{}", ended.stdout, ended.stderr);
    let numbered = |word: &&str| {
        word.contains('.') && word.chars().any(|character| character.is_ascii_digit())
    };
    let word = text.split_whitespace().find(numbered)?;
    let number = word.rsplit('/').next().unwrap_or(word);
    Some(number.trim_end_matches([',', ')']).to_owned())
}

impl Tool {
    /// How it is used, in words.
    pub(crate) fn settings(self, workload: &Workload) -> String {
        let transfer = if workload.target == Target::Upload {
            "-X POST -T FILE without Expect, so it reads what others make up"
        } else {
            "-o /dev/null"
        };
        match self {
            Self::H2load => "one connection, 100 streams, one thread; checks no certificate".into(),
            Self::Wrk => "100 connections, one thread, for a fixed time".into(),
            Self::Curl => format!("{transfer}; its own clock, CPU time of the whole process"),
            Self::CurlParallel => {
                "--parallel-max 100, one process, start and end included".to_owned()
            }
        }
    }

    /// Runs it once.
    ///
    /// # Errors
    ///
    /// If it fails or prints what it never printed before.
    pub(crate) fn run(self, job: &Job<'_>, cores: &Cores) -> Result<Run, String> {
        let mut command = cores.client(self.program());
        // curl writes decimal commas where that is the custom.
        command.env("LC_ALL", "C");
        match self {
            Self::H2load => h2load::prepare(&mut command, job),
            Self::Wrk => wrk::prepare(&mut command, job),
            Self::Curl => curl::prepare_one(&mut command, job)?,
            Self::CurlParallel => curl::prepare_many(&mut command, job)?,
        }
        let ended = process::run(command)?;
        let parsed = match self {
            Self::H2load => h2load::parse(ended.output()?),
            Self::Wrk => wrk::parse(ended.output()?),
            Self::Curl => curl::one(ended.output()?),
            // Its exit status speaks of single transfers, which are counted from its output.
            Self::CurlParallel => curl::many(&ended.stdout, job.requests),
        };
        let mut run = parsed.ok_or_else(|| {
            let program = self.program();
            format!(
                "{program} printed something unknown: {}",
                ended.stdout.trim()
            )
        })?;
        run.user_s = ended.user.as_secs_f64();
        run.system_s = ended.system.as_secs_f64();
        run.process_s = ended.wall.as_secs_f64();
        if self == Self::CurlParallel {
            run.wall_s = run.process_s;
        }
        Ok(run)
    }
}

/// The flags that make curl speak a workload's protocol.
fn curl_protocol(workload: &Workload) -> &'static str {
    match (workload.protocol, workload.tls) {
        (Protocol::H1, _) => "--http1.1",
        (Protocol::H2, true) => "--http2",
        (Protocol::H2, false) => "--http2-prior-knowledge",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_or_it_is_not() {
        assert!(find("cargo").is_some());
        assert_eq!(find("no-such-program-at-all"), None);
        let version = version("cargo").unwrap();
        assert!(version.starts_with("1."), "{version}");
    }
}
