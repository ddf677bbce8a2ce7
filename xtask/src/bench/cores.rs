//! Which cores the server and the subjects run on. Two programs that push each other off a core
//! measure the scheduler, so each gets its own where the machine and `taskset` allow it.

use std::fs;
use std::process::Command;
use std::thread;

use super::tools;

/// How the cores are shared out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cores {
    server: Option<String>,
    client: Option<String>,
}

impl Cores {
    /// The server gets the last core; the subject gets the others, or all if it is meant to use
    /// several threads. Without `taskset` or with a single core, everybody runs everywhere.
    pub(crate) fn share(multi_threaded: bool) -> Self {
        let pinning = cfg!(target_os = "linux") && tools::find("taskset").is_some();
        let allowed = if pinning { allowed() } else { Vec::new() };
        Self::split(&allowed, multi_threaded)
    }

    fn split(allowed: &[usize], multi_threaded: bool) -> Self {
        let [others @ .., last] = allowed else {
            return Self {
                server: None,
                client: None,
            };
        };
        if others.is_empty() {
            return Self::split(&[], multi_threaded);
        }
        Self {
            server: Some(last.to_string()),
            client: (!multi_threaded).then(|| list(others)),
        }
    }

    /// A command for the server's core.
    pub(crate) fn server(&self, program: &str) -> Command {
        pinned(self.server.as_deref(), program)
    }

    /// A command for the subjects' cores.
    pub(crate) fn client(&self, program: &str) -> Command {
        pinned(self.client.as_deref(), program)
    }

    /// Who runs where, in words.
    pub(crate) fn describe(&self) -> String {
        let in_words = |list: Option<&str>| match list {
            Some(list) if list.contains(['-', ',']) => format!("cores {list}"),
            Some(number) => format!("core {number}"),
            None => "all cores".to_owned(),
        };
        format!(
            "server on {}, client on {}",
            in_words(self.server.as_deref()),
            in_words(self.client.as_deref())
        )
    }
}

/// The cores that this process may use.
pub(crate) fn available() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// The cores that Linux lets this process use: inside a container these need not start at 0.
fn allowed() -> Vec<usize> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    numbers(field.unwrap_or_default()).unwrap_or_default()
}

/// The numbers in a list like `0-3,8`.
fn numbers(text: &str) -> Option<Vec<usize>> {
    let mut numbers = Vec::new();
    for part in text.trim().split(',') {
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        numbers.extend(low.parse::<usize>().ok()?..=high.parse().ok()?);
    }
    Some(numbers)
}

/// The list for some ascending numbers, as a range where they are one.
fn list(numbers: &[usize]) -> String {
    match numbers {
        [first, .., last] if last - first + 1 == numbers.len() => format!("{first}-{last}"),
        _ => numbers
            .iter()
            .map(usize::to_string)
            .collect::<Vec<_>>()
            .join(","),
    }
}

fn pinned(cores: Option<&str>, program: &str) -> Command {
    let Some(cores) = cores else {
        return Command::new(program);
    };
    let mut command = Command::new("taskset");
    command.args(["-c", cores, program]);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_never_shares_with_a_single_threaded_client() {
        for (allowed, multi, expected) in [
            ("0-1", false, "server on core 1, client on core 0"),
            ("0-7", false, "server on core 7, client on cores 0-6"),
            ("4,6,8", false, "server on core 8, client on cores 4,6"),
            ("0-1", true, "server on core 1, client on all cores"),
            ("3", false, "server on all cores, client on all cores"),
        ] {
            let allowed = numbers(allowed).unwrap();
            assert_eq!(Cores::split(&allowed, multi).describe(), expected);
        }
        let unpinned = Cores::split(&[], false);
        assert_eq!(unpinned.client("curl").get_program(), "curl");
        let pinned = Cores::split(&[0, 1], false);
        assert_eq!(pinned.client("curl").get_program(), "taskset");
    }

    #[test]
    fn a_list_of_cores_is_read_as_linux_writes_it() {
        assert_eq!(numbers("\t0-2,8\n"), Some(vec![0, 1, 2, 8]));
        assert_eq!(numbers(""), None);
        assert_eq!(list(&[0, 1, 2]), "0-2");
        assert_eq!(list(&[0, 2]), "0,2");
        assert_eq!(list(&[5]), "5");
    }
}
