//! Reads a journal back: what has an outcome there, and where its last whole line ends.

use std::io::{self, BufRead, Read};

use serde::{Deserialize, de::IgnoredAny};

use super::{Done, Identity};

/// What a journal holds.
#[derive(Debug, Default)]
pub(super) struct Replay {
    pub(super) done: Done,
    /// How many bytes of it are whole lines. What follows is what a crash has left of one.
    pub(super) keep: u64,
    /// Whether the last of those lines has everything but its end.
    pub(super) lacks_line_end: bool,
}

/// Why a journal cannot be gone on with, for people.
#[derive(Debug, PartialEq)]
pub(super) struct Refusal(String);

/// A first line is shorter, unless it has thousands of header fields.
const LONGEST_HEADER: u64 = 1 << 20;

/// Reads a journal whose first line must say what `header` does. With `fail`, 4xx and 5xx are
/// failures.
pub(super) fn replay(
    mut journal: impl BufRead,
    header: &[u8],
    fail: bool,
) -> Result<Replay, Refusal> {
    let mut line = Vec::new();
    journal
        .by_ref()
        .take(LONGEST_HEADER)
        .read_until(b'\n', &mut line)?;
    // A crash came right at the beginning.
    if line.last() != Some(&b'\n') && header.starts_with(&line) {
        return Ok(Replay::default());
    }
    match Identity::differences(header, &line) {
        None => return Err("it is no journal of preq".into()),
        Some(differing) if !differing.is_empty() => {
            let differing = differing.join(", ");
            return Err(format!("it belongs to another run: not the same {differing}").into());
        }
        Some(_) => {}
    }
    let mut replay = Replay {
        keep: line.len() as u64,
        ..Replay::default()
    };
    for number in 2_u64.. {
        line.clear();
        if journal.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let whole = line.last() == Some(&b'\n');
        match serde_json::from_slice::<Line>(&line) {
            // What is cut off anywhere does not parse, so if it does, only the line's end is missing.
            Ok(outcome) => {
                let failed = outcome.failed(fail).ok_or_else(|| no_outcome(number))?;
                replay.done.note(outcome.index, failed);
                replay.keep += line.len() as u64;
                replay.lacks_line_end = !whole;
            }
            Err(_) if !whole => break,
            Err(_) => return Err(no_outcome(number)),
        }
    }
    Ok(replay)
}

fn no_outcome(line: u64) -> Refusal {
    format!("line {line} is no outcome; something else than preq has written there").into()
}

/// As much of an outcome as it takes.
#[derive(Deserialize)]
struct Line {
    index: u64,
    status: Option<u16>,
    error: Option<IgnoredAny>,
}

impl Line {
    /// Whether it is of a request that failed; `None` if it is none of a request.
    fn failed(&self, fail: bool) -> Option<bool> {
        match (self.status, &self.error) {
            (Some(status), None) => Some(fail && status >= 400),
            (None, Some(_)) => Some(true),
            _ => None,
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<String> for Refusal {
    fn from(why: String) -> Self {
        Self(why)
    }
}

impl From<&str> for Refusal {
    fn from(why: &str) -> Self {
        Self(why.to_owned())
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = concat!(
        r#"{"preq_journal":1,"run":{"urls":{"bytes":3,"fnv1a64":"00"},"repeat":1,"headers":[]}}"#,
        "\n"
    );
    const ANSWER: &str =
        "{\"index\":0,\"url\":\"http://h.example/\",\"status\":404,\"body\":\"a{\"}\n";
    const FAILURE: &str = "{\"index\":2,\"url\":\"http://h.example/ü\",\"error\":{\"kind\":\"dns\",\"message\":\"\"}}\n";

    fn read(journal: &[u8], fail: bool) -> Result<Replay, Refusal> {
        replay(journal, HEADER.as_bytes(), fail)
    }

    #[test]
    fn outcomes_are_found_again() {
        let journal = format!("{HEADER}{ANSWER}{FAILURE}");
        for (fail, failures) in [(false, 1), (true, 2)] {
            let replay = read(journal.as_bytes(), fail).unwrap();
            assert_eq!(replay.keep, journal.len() as u64);
            assert!(!replay.lacks_line_end);
            assert_eq!((replay.done.count(), replay.done.failures()), (2, failures));
            let found: Vec<_> = (0..9)
                .filter(|&index| replay.done.contains(index))
                .collect();
            assert_eq!(found, [0, 2]);
        }
    }

    #[test]
    fn a_line_that_was_cut_off_anywhere_is_no_outcome_and_spoils_none() {
        for last in [ANSWER, FAILURE] {
            let whole = format!("{HEADER}{ANSWER}{last}");
            let before = HEADER.len() + ANSWER.len();
            for length in before..whole.len() {
                let replay = read(&whole.as_bytes()[..length], false).unwrap();
                // All that is missing is the line's end.
                let complete = length == whole.len() - 1;
                let keep = if complete { length } else { before };
                assert_eq!(replay.keep, keep as u64, "{length}");
                assert_eq!(replay.lacks_line_end, complete);
                assert_eq!(replay.done.contains(2), complete && last == FAILURE);
                assert!(replay.done.contains(0));
            }
        }
    }

    #[test]
    fn a_header_that_was_cut_off_anywhere_is_begun_anew() {
        for length in 0..HEADER.len() {
            assert_eq!(read(&HEADER.as_bytes()[..length], false).unwrap().keep, 0);
        }
    }

    #[test]
    fn what_is_no_journal_is_left_alone() {
        let longer = format!("{}x", HEADER.trim_end());
        let other = HEADER.replace("\"repeat\":1", "\"repeat\":2");
        for (journal, hint) in [
            (ANSWER, "no journal"),
            ("precious", "no journal"),
            (&longer, "no journal"),
            (&other, "another run: not the same --repeat"),
            (&format!("{HEADER}{ANSWER}precious\n{FAILURE}"), "line 3"),
            (&format!("{HEADER}{ANSWER}\n"), "line 3"),
            (&format!("{HEADER}{{\"index\":1}}\n"), "line 2"),
            (
                &format!("{HEADER}{{\"index\":1,\"status\":200,\"error\":{{}}}}\n"),
                "line 2",
            ),
            (
                &format!("{HEADER}{{\"index\":-1,\"status\":200}}\n"),
                "line 2",
            ),
        ] {
            let Refusal(why) = read(journal.as_bytes(), false).unwrap_err();
            assert!(why.contains(hint), "{journal}: {why}");
        }
    }
}
