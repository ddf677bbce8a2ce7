//! Rules about the one document that describes the code itself, which would otherwise drift from it:
//! every path and every type that it names exists.

use std::collections::BTreeSet;

use super::code;
use super::markdown::{code_spans, exists, prose};

/// The document.
pub(super) const DOCUMENT: &str = "docs/architecture.md";

/// Where our own files live; a path that begins otherwise belongs to somebody else.
const ROOTS: &[&str] = &[
    ".cargo", ".ci", ".github", "benches", "crates", "docs", "xtask",
];

/// Names from the standard library that need no path to be understood.
const STANDARD: &[&str] = &[
    "Arc",
    "Box",
    "Clone",
    "Debug",
    "Default",
    "Display",
    "Drop",
    "Duration",
    "Err",
    "Error",
    "From",
    "Future",
    "Instant",
    "Into",
    "IntoIterator",
    "Iterator",
    "None",
    "Ok",
    "Option",
    "Result",
    "Self",
    "Send",
    "Some",
    "String",
    "Sync",
    "Unpin",
    "Vec",
];

/// The names that the workspace's sources define and use.
#[derive(Default)]
pub(super) struct Names {
    defined: BTreeSet<String>,
    used: BTreeSet<String>,
}

impl Names {
    /// Takes in one source file.
    pub(super) fn learn(&mut self, text: &str) {
        const KEYWORDS: &[&str] = &[
            "struct", "enum", "union", "trait", "type", "fn", "mod", "const", "static",
        ];
        let code = code::only(text);
        let mut before = "";
        for word in code
            .split(|c: char| !is_word(c))
            .filter(|word| !word.is_empty())
        {
            if KEYWORDS.contains(&before) {
                self.defined.insert(word.to_owned());
            }
            self.used.insert(word.to_owned());
            before = word;
        }
    }
}

/// What the document says that is not so. `crates` are the members' names as Rust spells them.
pub(super) fn check(
    documents: &[(String, String)],
    paths: &[String],
    names: &Names,
    crates: &[String],
) -> Vec<String> {
    let Some((_, text)) = documents.iter().find(|(name, _)| name == DOCUMENT) else {
        return vec![format!("{DOCUMENT} is missing: it is the map of the code")];
    };
    let mut findings = Vec::new();
    for (number, line) in prose(text) {
        for span in code_spans(line) {
            if is_gone(span, paths) {
                findings.push(format!(
                    "{DOCUMENT}:{number}: `{span}` does not exist: correct it"
                ));
            }
            for name in names_in(span).filter(|name| is_unknown(name, names, crates)) {
                findings.push(format!(
                    "{DOCUMENT}:{number}: nothing in the workspace defines `{name}`: correct it, or, \
                     if it is another crate's, write it with its path, as `other_crate::{name}`"
                ));
            }
        }
    }
    findings
}

/// Whether a code span is a path of ours that leads to no file. A `*` stands for part of a name.
fn is_gone(span: &str, paths: &[String]) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./*".contains(c);
    if !span.chars().all(plain) {
        return false;
    }
    let Some((root, _)) = span.split_once('/') else {
        // A bare source file's name: some directory has it.
        let wanted = format!("/{span}");
        let rust_file = span
            .strip_suffix(".rs")
            .is_some_and(|stem| !stem.is_empty());
        return rust_file && !paths.iter().any(|path| path.ends_with(&wanted));
    };
    if !ROOTS.contains(&root) {
        return false;
    }
    if !span.contains('*') {
        return !exists(span, paths);
    }
    let pattern: Vec<&str> = span.trim_end_matches('/').split('/').collect();
    !paths.iter().any(|path| {
        let parts: Vec<&str> = path.split('/').collect();
        parts.len() >= pattern.len() && pattern.iter().zip(&parts).all(|(p, part)| matches(p, part))
    })
}

/// Whether one part of a path fits a pattern with at most one `*`.
fn matches(pattern: &str, part: &str) -> bool {
    match pattern.split_once('*') {
        Some((start, end)) => {
            part.len() >= start.len() + end.len() && part.starts_with(start) && part.ends_with(end)
        }
        None => pattern == part,
    }
}

/// The Rust names in a code span: the span itself, or those that a signature is made of.
fn names_in(span: &str) -> impl Iterator<Item = &str> {
    let signature = span.contains(['<', '(', '&']) || span.contains("->");
    let separator = move |c: char| signature && !is_word(c) && c != ':';
    span.split(separator)
        .map(|name| name.trim_end_matches(':'))
        .filter(|name| {
            let path = name.chars().all(|c| is_word(c) || c == ':');
            path && name.split("::").any(is_camel_case)
        })
}

/// Whether a name, with or without a path, means something of ours that is not there.
fn is_unknown(name: &str, names: &Names, crates: &[String]) -> bool {
    let segments: Vec<&str> = name.split("::").collect();
    let first = segments[0];
    let ours = first == "crate" || crates.iter().any(|own| own == first);
    if !is_camel_case(first) && !ours {
        // Another crate's, which its own documentation answers for.
        return false;
    }
    let mut types = segments.iter().filter(|segment| is_camel_case(segment));
    let Some(head) = types.next() else {
        return false;
    };
    if !names.defined.contains(*head) && !STANDARD.contains(head) {
        return true;
    }
    // A variant or an associated item has no keyword of its own, but somebody must use it.
    !STANDARD.contains(head)
        && segments
            .last()
            .is_some_and(|last| !names.used.contains(*last))
}

fn is_camel_case(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.contains(|c: char| c.is_ascii_lowercase())
        && !name.contains('_')
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> Vec<String> {
        let mut names = Names::default();
        names.learn(
            "pub struct Client;\nenum Kind { Timeout }\ntrait Backend { fn close(&self); }\n",
        );
        let documents = [(DOCUMENT.to_owned(), text.to_owned())];
        let paths = [
            "crates/pr-a/src/lib.rs",
            "crates/pr-b/src/pool.rs",
            "docs/architecture.md",
        ];
        check(
            &documents,
            &paths.map(str::to_owned),
            &names,
            &["pr_a".to_owned()],
        )
    }

    fn passes(text: &str) {
        assert_eq!(findings(text), Vec::<String>::new(), "{text}");
    }

    #[test]
    fn a_path_that_is_gone_is_found() {
        assert!(findings("See `crates/pr-c/`.\n")[0].contains("`crates/pr-c/` does not exist"));
        assert!(findings("a\n`docs/gone.md`\n")[0].starts_with("docs/architecture.md:2: "));
        assert_eq!(
            findings("`crates/pr-*/src/gone.rs` and `gone.rs`\n").len(),
            2
        );
    }

    #[test]
    fn paths_that_exist_and_those_of_others_pass() {
        passes("`crates/pr-a`, `crates/pr-*/src/pool.rs`, `pool.rs`, `text/html`, `HTTP/1.1`\n");
    }

    #[test]
    fn a_type_that_is_gone_is_found() {
        assert!(findings("The `Gone`.\n")[0].contains("nothing in the workspace defines `Gone`"));
        assert!(findings("`pr_a::Gone`\n")[0].contains("`pr_a::Gone`"));
        assert!(findings("`Kind::Gone`\n")[0].contains("`Kind::Gone`"));
        assert!(findings("`send(Gone) -> Client`\n")[0].contains("`Gone`"));
    }

    #[test]
    fn types_that_exist_and_those_of_others_pass() {
        passes("`Client`, `Kind::Timeout`, `Backend::close`, `Arc<dyn Backend>`, `pr_a::Client`\n");
        passes("`tower::Service`, `GOAWAY`, `Content-Type: x`, `reason = \"...\"`, `close()`\n");
        passes("```\nGone in a block\n```\n");
    }

    #[test]
    fn a_missing_document_is_found() {
        let findings = check(&[], &[], &Names::default(), &[]);
        assert_eq!(
            findings,
            ["docs/architecture.md is missing: it is the map of the code"]
        );
    }
}
