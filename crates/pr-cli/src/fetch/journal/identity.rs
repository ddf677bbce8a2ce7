//! What makes two runs the same run: the journal of one is none of another's business.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use serde::{Deserialize, Serialize};

use crate::args::FetchArgs;

/// What says which requests a run sends, and in which order.
///
/// How they are sent may change from one part of a run to the next. So may the values of header
/// fields, for tokens expire.
#[derive(Debug, Serialize, Deserialize, PartialEq)]
pub(in crate::fetch) struct Identity {
    urls: Print,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<Input>,
    repeat: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Print>,
    /// The names of the header fields, in lower case and order.
    headers: Vec<String>,
}

/// The first line of a journal.
#[derive(Serialize, Deserialize)]
struct Header<T> {
    /// The version of the format.
    preq_journal: u32,
    run: T,
}

/// What other versions may have said is of no interest.
const FORMAT: u32 = 1;

#[derive(Debug, Serialize, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Input {
    /// Whatever comes; it cannot be told in advance.
    Stream,
    File(Print),
}

/// The size of something, and a hash of it.
#[derive(Debug, Serialize, Deserialize, PartialEq)]
struct Print {
    bytes: u64,
    fnv1a64: String,
}

/// How much of a file is looked at, at its beginning and at its end.
const LOOK: u64 = 64 << 10;

impl Identity {
    /// The identity of the run that these arguments ask for, with this body.
    pub(in crate::fetch) fn new(args: &FetchArgs, data: Option<&[u8]>) -> io::Result<Self> {
        let mut headers: Vec<_> = args.header.iter().map(|field| name(field)).collect();
        headers.sort_unstable();
        Ok(Self {
            urls: Print::of(args.urls.iter().flat_map(|url| [url.as_bytes(), b"\n"])),
            input: args.input.as_deref().map(Input::of).transpose()?,
            repeat: args.repeat,
            method: args.method.as_ref().map(ToString::to_string),
            data: data.map(|data| Print::of([data])),
            headers,
        })
    }

    /// The first line of its journal.
    pub(super) fn to_line(&self) -> Vec<u8> {
        let header = Header {
            preq_journal: FORMAT,
            run: self,
        };
        let mut line = serde_json::to_vec(&header).expect("texts and numbers are JSON");
        line.push(b'\n');
        line
    }

    /// In what this run is not that of the journal with this first line; `None` if the line is none
    /// of a journal.
    pub(super) fn differences(ours: &[u8], line: &[u8]) -> Option<Vec<&'static str>> {
        let ours: Header<Self> = serde_json::from_slice(ours).ok()?;
        let theirs: Header<serde_json::Value> = serde_json::from_slice(line).ok()?;
        if theirs.preq_journal != FORMAT {
            return Some(vec!["the version of preq"]);
        }
        let theirs = Self::deserialize(theirs.run).ok()?;
        let ours = ours.run;
        let parts = [
            ("the URLs", ours.urls == theirs.urls),
            ("--input", ours.input == theirs.input),
            ("--repeat", ours.repeat == theirs.repeat),
            ("--method", ours.method == theirs.method),
            ("--data", ours.data == theirs.data),
            ("the names of --header", ours.headers == theirs.headers),
        ];
        let differing = parts.iter().filter(|(_, same)| !same);
        Some(differing.map(|(part, _)| *part).collect())
    }
}

impl Input {
    fn of(path: &Path) -> io::Result<Self> {
        if path == Path::new("-") || !path.metadata()?.is_file() {
            return Ok(Self::Stream);
        }
        let mut file = File::open(path)?;
        let bytes = file.metadata()?.len();
        let mut looked_at = Vec::new();
        file.by_ref().take(LOOK).read_to_end(&mut looked_at)?;
        file.seek(SeekFrom::Start(bytes.saturating_sub(LOOK)))?;
        file.take(LOOK).read_to_end(&mut looked_at)?;
        Ok(Self::File(Print {
            bytes,
            ..Print::of([&*looked_at])
        }))
    }
}

impl Print {
    fn of<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut bytes = 0;
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for piece in pieces {
            bytes += piece.len() as u64;
            for &byte in piece {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        Self {
            bytes,
            fnv1a64: format!("{hash:016x}"),
        }
    }
}

/// The name of a header field that is written `Name: value`.
fn name(field: &str) -> String {
    let name = field.split_once(':').map_or(field, |(name, _)| name);
    name.trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};

    fn identity(args: &[&str]) -> Identity {
        let args = ["preq", "fetch"].iter().chain(args);
        let Command::Fetch(args) = Cli::try_parse_from(args).unwrap().command else {
            panic!("it is fetch");
        };
        Identity::new(&args, args.data.as_deref().map(str::as_bytes)).unwrap()
    }

    fn differences(one: &[&str], other: &[&str]) -> Vec<&'static str> {
        let lines = [one, other].map(|args| identity(args).to_line());
        Identity::differences(&lines[0], &lines[1]).unwrap()
    }

    #[test]
    fn a_run_is_the_same_however_it_is_sent() {
        let run = ["http://h.example/", "-H", "Authorization: one"];
        let mut same = vec![
            "--concurrency",
            "9",
            "--ordered",
            "--no-http2",
            "--rate",
            "1/m",
        ];
        same.extend(["http://h.example/", "-H", "authorization:two"]);
        assert_eq!(differences(&run, &same), [""; 0]);
    }

    #[test]
    fn what_changes_the_requests_changes_the_run() {
        let run = &["http://h.example/", "-X", "PUT", "-d", "x"];
        for (other, part) in [
            (
                &["http://h.example/a", "-X", "PUT", "-d", "x"][..],
                "the URLs",
            ),
            (
                &["http://h.example", "/", "-X", "PUT", "-d", "x"],
                "the URLs",
            ),
            (&["http://h.example/", "-X", "POST", "-d", "x"], "--method"),
            (&["http://h.example/", "-X", "PUT", "-d", "y"], "--data"),
            (&["http://h.example/", "-X", "PUT"], "--data"),
            (
                &["http://h.example/", "-X", "PUT", "-d", "x", "--repeat", "2"],
                "--repeat",
            ),
            (
                &["http://h.example/", "-X", "PUT", "-d", "x", "--input", "-"],
                "--input",
            ),
            (
                &["http://h.example/", "-X", "PUT", "-d", "x", "-H", "a: b"],
                "the names of --header",
            ),
        ] {
            assert_eq!(differences(run, other), [part], "{other:?}");
        }
    }

    #[test]
    fn a_file_is_known_by_its_size_its_beginning_and_its_end() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        let of = |text: &[u8]| {
            std::fs::write(&file, text).unwrap();
            identity(&["--input", path]).input.unwrap()
        };
        let text = vec![b'a'; 200 << 10];
        let one = of(&text);
        assert_eq!(one, of(&text));
        for place in [0, text.len() - 1] {
            let mut other = text.clone();
            other[place] = b'b';
            assert_ne!(one, of(&other), "{place}");
        }
        assert_ne!(one, of(&text[1..]));
        assert_ne!(of(b""), of(b"a"));
    }

    #[test]
    fn a_header_has_no_value_of_a_header_field_in_it() {
        let line = identity(&["http://h.example/", "-H", "Authorization: canary"]).to_line();
        let line = String::from_utf8(line).unwrap();
        assert!(
            line.contains("authorization") && !line.contains("canary"),
            "{line}"
        );
        assert_eq!(
            Identity::differences(line.as_bytes(), b"{\"index\":0}"),
            None
        );
        let newer = line.replace("{\"preq_journal\":1,", "{\"preq_journal\":2,");
        let differences = Identity::differences(line.as_bytes(), newer.as_bytes());
        assert_eq!(differences, Some(vec!["the version of preq"]));
    }
}
