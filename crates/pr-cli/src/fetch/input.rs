//! Where requests come from: the command line first, then a file or standard input, read line by
//! line on a thread of its own, because reading may wait for ever and sending must not.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
    sync::Arc,
    thread,
};

use tokio::sync::mpsc;

use super::{
    journal::Done,
    line::{Entry, Template},
};
use crate::exit::CommandError;

/// Requests in the order of the input, each with its place there, from 0; or why reading ended
/// before the input did.
pub(super) type Entries = mpsc::Receiver<Result<(u64, Entry), String>>;

/// A file or standard input.
pub(super) type Input = Box<dyn BufRead + Send>;

/// How many entries are read ahead.
const AHEAD: usize = 64;

/// A longer line is taken for a mistake, so that a file without line ends does not fill the memory.
const LONGEST_LINE: usize = 16 << 20;

/// Opens what `--input` names.
pub(super) fn open(name: Option<&Path>) -> Result<Option<Input>, CommandError> {
    let Some(name) = name else {
        return Ok(None);
    };
    if name == Path::new("-") {
        return Ok(Some(Box::new(BufReader::new(io::stdin()))));
    }
    let file = File::open(name)
        .map_err(|error| CommandError::Usage(format!("--input {}: {error}", name.display())))?;
    Ok(Some(Box::new(BufReader::new(file))))
}

/// Starts reading, and passes over what is done, each `repeat` times. The thread ends with the input, or when nobody wants more; one that waits for
/// input then is left behind, and ends with the process.
pub(super) fn read(
    urls: Vec<String>,
    input: Option<Input>,
    template: Template,
    repeat: u64,
    done: Arc<Done>,
) -> Result<Entries, CommandError> {
    let (sender, entries) = mpsc::channel(AHEAD);
    thread::Builder::new()
        .name("input".to_owned())
        .spawn(move || {
            let urls = urls.into_iter().map(|url| Ok((None, Text::Request(url))));
            let lines = input.map(Lines::new).into_iter().flatten();
            let lines = lines.map(|line| line.map(|(line, text)| (Some(line), text)));
            for (number, next) in (0..).zip(urls.chain(lines)) {
                // What is done need not even be understood.
                if next.is_ok() && is_done(&done, number, repeat) {
                    continue;
                }
                let next = next.map(|(line, text)| (number, entry(&template, line, text)));
                if sender.blocking_send(next).is_err() {
                    return;
                }
            }
        })
        .map_err(|error| CommandError::Failed(format!("no thread to read input on: {error}")))?;
    Ok(entries)
}

/// Whether all requests of the entry with this number are done.
fn is_done(done: &Done, number: u64, repeat: u64) -> bool {
    let first = number.saturating_mul(repeat);
    (first..first.saturating_add(repeat)).all(|index| done.contains(index))
}

fn entry(template: &Template, line: Option<u64>, text: Text) -> Entry {
    match (line, text) {
        (None, Text::Request(url)) => template.url(&url, None),
        (Some(line), Text::Request(text)) => template.line(&text, line),
        (line, Text::Refused(why)) => Entry::refused(Arc::from(""), line, why),
    }
}

/// What a line holds.
#[derive(Debug, PartialEq)]
enum Text {
    Request(String),
    Refused(&'static str),
}

/// The lines that count, each with its number from 1.
struct Lines {
    input: Input,
    number: u64,
    ended: bool,
}

impl Lines {
    fn new(input: Input) -> Self {
        Self {
            input,
            number: 0,
            ended: false,
        }
    }

    /// The next line, whatever is on it; `None` at the end.
    fn any(&mut self) -> io::Result<Option<Text>> {
        let mut bytes = Vec::new();
        if self.piece(&mut bytes)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        if bytes.len() > LONGEST_LINE {
            while bytes.last() != Some(&b'\n') {
                bytes.clear();
                if self.piece(&mut bytes)? == 0 {
                    break;
                }
            }
            return Ok(Some(Text::Refused("the line is longer than 16 MiB")));
        }
        // Some editors begin a file with a byte order mark.
        if self.number == 1 && bytes.starts_with(b"\xef\xbb\xbf") {
            bytes.drain(..3);
        }
        Ok(Some(match String::from_utf8(bytes) {
            Ok(text) => Text::Request(text.trim().to_owned()),
            Err(_) => Text::Refused("the line is not UTF-8"),
        }))
    }

    /// Reads to the end of the line, or to one byte more than a line may have.
    fn piece(&mut self, bytes: &mut Vec<u8>) -> io::Result<usize> {
        let limit = LONGEST_LINE as u64 + 1;
        self.input.by_ref().take(limit).read_until(b'\n', bytes)
    }
}

impl Iterator for Lines {
    type Item = Result<(u64, Text), String>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            match self.any() {
                Ok(Some(Text::Request(text))) if text.is_empty() || text.starts_with('#') => {}
                Ok(Some(text)) => return Some(Ok((self.number, text))),
                Ok(None) => self.ended = true,
                Err(error) => {
                    self.ended = true;
                    let line = self.number + 1;
                    return Some(Err(format!(
                        "cannot read the input at line {line}: {error}"
                    )));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(input: impl Into<Vec<u8>>) -> Vec<(u64, Text)> {
        let input = Box::new(io::Cursor::new(input.into()));
        Lines::new(input).map(Result::unwrap).collect()
    }

    fn request(line: u64, text: &str) -> (u64, Text) {
        (line, Text::Request(text.to_owned()))
    }

    #[test]
    fn empty_lines_and_comments_count_but_are_passed_over() {
        let found = lines("\u{feff}a\r\n\n# b\n  c  \n\t\nd");
        assert_eq!(found, [request(1, "a"), request(4, "c"), request(6, "d")]);
        assert_eq!(lines(""), []);
    }

    #[test]
    fn what_cannot_be_a_line_spoils_only_itself() {
        let mut input = b"a\n\xff\n".to_vec();
        input.extend(std::iter::repeat_n(b'x', 2 * LONGEST_LINE + 10));
        input.extend(b"\nb\n");
        let found = lines(input);
        assert_eq!(found.len(), 4);
        assert_eq!(found[1], (2, Text::Refused("the line is not UTF-8")));
        assert!(matches!(found[2], (3, Text::Refused(why)) if why.contains("longer")));
        assert_eq!(found[3], request(4, "b"));
    }

    #[test]
    fn a_line_of_the_greatest_length_is_one() {
        let longest = "x".repeat(LONGEST_LINE);
        assert_eq!(lines(format!("{longest}\ny")).len(), 2);
        assert!(matches!(lines(longest)[0].1, Text::Request(_)));
    }

    #[test]
    fn a_reader_that_fails_ends_the_input_with_the_place() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("gone"))
            }
        }
        let input = io::Cursor::new("a\nb\n").chain(BufReader::new(Broken));
        let found: Vec<_> = Lines::new(Box::new(input)).collect();
        assert_eq!(found.len(), 3);
        let error = found[2].as_ref().unwrap_err();
        assert_eq!(error, "cannot read the input at line 3: gone");
    }
}
