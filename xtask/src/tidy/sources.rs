//! Rules about Rust sources.

use super::code;

/// A file this long has more than one subject.
const MAX_LINES: usize = 600;

/// Macros that stand for code that is missing or for a session at the debugger.
const UNFINISHED: &[&str] = &["todo!", "unimplemented!", "dbg!"];

/// What is wrong with one source file.
pub(super) fn check(name: &str, text: &str) -> Vec<String> {
    let code = code::only(text);
    let mut findings = Vec::new();
    findings.extend(opening(name, text));
    findings.extend(length(name, text));
    findings.extend(unfinished(name, &code));
    findings.extend(reasons(name, &code));
    findings
}

fn opening(name: &str, text: &str) -> Option<String> {
    if text.starts_with("//! ") {
        return None;
    }
    Some(format!(
        "{name}:1: open the file with `//!`: one to three sentences on why it exists"
    ))
}

fn length(name: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (lines > MAX_LINES).then(|| {
        format!("{name}: {lines} lines, and {MAX_LINES} are the most: split it by subject")
    })
}

fn unfinished(name: &str, code: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for (index, line) in code.lines().enumerate() {
        for call in UNFINISHED {
            let calls = line
                .match_indices(call)
                .any(|(at, _)| !ends_in_word(&line[..at]));
            if calls {
                let line = index + 1;
                findings.push(format!(
                    "{name}:{line}: `{call}` must not be committed: finish it"
                ));
            }
        }
    }
    findings
}

/// Every lint that is switched off says why.
fn reasons(name: &str, code: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for (at, attribute) in attributes(code) {
        for level in ["allow(", "expect("] {
            let switches_off = attribute
                .match_indices(level)
                .any(|(place, _)| !ends_in_word(&attribute[..place]));
            if switches_off && !attribute.contains("reason =") {
                let line = code[..at].matches('\n').count() + 1;
                let level = level.trim_end_matches('(');
                findings.push(format!(
                    "{name}:{line}: `#[{level}(...)]` without a reason: add `reason = \"...\"`"
                ));
            }
        }
    }
    findings
}

/// The attributes, from `#[` or `#![` to the bracket that closes it, each with its place.
fn attributes(code: &str) -> impl Iterator<Item = (usize, &str)> {
    code.match_indices('#').filter_map(|(at, _)| {
        let after = code[at + 1..].trim_start_matches('!');
        if !after.starts_with('[') {
            return None;
        }
        let mut depth = 0_usize;
        for (offset, character) in code[at..].char_indices() {
            match character {
                '[' => depth += 1,
                ']' if depth == 1 => return Some((at, &code[at..=at + offset])),
                ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        None
    })
}

fn ends_in_word(text: &str) -> bool {
    text.ends_with(|c: char| c.is_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> String {
        let findings = check("a.rs", text);
        assert_eq!(findings.len(), 1, "{findings:?}");
        findings[0].clone()
    }

    #[test]
    fn a_file_without_an_opening_sentence_is_found() {
        assert!(one("use std::fmt;\n").starts_with("a.rs:1: open the file with `//!`"));
        assert!(one("//!\n").contains("open the file"));
        assert_eq!(check("a.rs", "//! Why.\n"), Vec::<String>::new());
    }

    #[test]
    fn a_long_file_is_found() {
        let lines = |count: usize| format!("//! Why.\n{}", "\n".repeat(count - 1));
        assert!(one(&lines(601)).contains("601 lines"));
        assert_eq!(check("a.rs", &lines(600)), Vec::<String>::new());
    }

    #[test]
    fn unfinished_code_is_found_where_it_is_code() {
        assert!(one("//! Why.\nfn f() {\n    todo!()\n}\n").starts_with("a.rs:3: `todo!`"));
        assert!(one("//! Why.\nfn f() { dbg!(1); }\n").contains("`dbg!`"));
        assert!(one("//! Why.\nfn f() { unimplemented!(\"x\") }\n").contains("unimplemented"));
        let mentioned = "//! Why.\n// todo!() once\nconst A: &str = \"dbg!(a)\"; my_todo!();\n";
        assert_eq!(check("a.rs", mentioned), Vec::<String>::new());
    }

    #[test]
    fn a_lint_switched_off_without_a_reason_is_found() {
        assert!(one("//! Why.\n#[allow(dead_code)]\nfn f() {}\n").starts_with("a.rs:2: `#[allow"));
        assert!(one("//! Why.\n#![expect(\n    dead_code\n)]\n").starts_with("a.rs:2: `#[expect"));
        assert!(one("//! Why.\n#[cfg_attr(test, allow(unused))]\nfn f() {}\n").contains("allow"));
        let with_reason =
            "//! Why.\n#[allow(\n    dead_code,\n    reason = \"why\"\n)]\nfn f() {}\n";
        assert_eq!(check("a.rs", with_reason), Vec::<String>::new());
    }

    #[test]
    fn a_call_named_expect_is_no_lint() {
        let code = "//! Why.\nfn f() { g().expect(\"h\"); [1][0]; }\n#[test]\nfn t() {}\n";
        assert_eq!(check("a.rs", code), Vec::<String>::new());
    }
}
