//! `cargo xtask examples`: no Rust example in a document is only text. Each document that has one
//! must be included into a crate as documentation (`#[cfg(doctest)] #[doc = include_str!(...)]`), so
//! that `cargo test --doc` compiles it, and runs it unless it says `no_run`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::report::{Failure, Outcome, StepResult};
use crate::shell::Shell;
use crate::tidy::code;
use crate::workspace::Workspace;

/// The crate whose documentation tests the project's own documents are part of.
const FACADE: &str = "parallel-requests";

/// Verifies that every example is included, then compiles and runs them.
pub(crate) fn check(workspace: &Workspace) -> StepResult {
    let files = crate::tidy::files::all(workspace)?;
    let included = included_documents(workspace, &files)?;
    let mut findings = Vec::new();
    let mut count = 0;
    for document in files
        .iter()
        .filter(|file| file.extension().is_some_and(|e| e == "md"))
    {
        let name = workspace.relative(document);
        let examples = rust_fences(&read(workspace, document)?);
        count += examples.len();
        findings.extend(judge(&name, &examples, included.contains_key(document)));
    }
    if !included.contains_key(&workspace.root.join("README.md")) {
        findings.push(format!(
            "README.md is not compiled: add `#[cfg(doctest)] #[doc = \
             include_str!(\"../../../README.md\")] struct ReadmeDoctests;` to {FACADE}'s lib.rs"
        ));
    }
    if !findings.is_empty() {
        return Err(Failure::new(findings.join("\n"), "cargo xtask examples"));
    }

    let mut packages: Vec<&str> = included.values().map(String::as_str).collect();
    packages.sort_unstable();
    packages.dedup();
    for package in packages {
        Shell::cargo(&format!("test --locked --doc -p {package} --all-features"))
            .run(&workspace.root)?;
    }
    let note = format!("Rust examples: {count}; documents: {}", included.len());
    Ok(Outcome::passed(note))
}

/// What is wrong with a document's examples.
fn judge(document: &str, examples: &[Fence], included: bool) -> Vec<String> {
    let mut findings: Vec<String> = examples
        .iter()
        .filter(|fence| fence.ignored)
        .map(|fence| {
            let line = fence.line;
            format!(
                "{document}:{line}: an ignored example is never compiled: use `no_run`, or `text`"
            )
        })
        .collect();
    if let Some(first) = examples.first().filter(|_| !included) {
        findings.push(format!(
            "{document}:{}: this Rust example is never compiled: include the document into {FACADE} \
             next to README.md, as documentation under `#[cfg(doctest)]`",
            first.line
        ));
    }
    findings
}

/// The documents that some source file includes, and the package whose tests they so become.
fn included_documents(
    workspace: &Workspace,
    files: &[PathBuf],
) -> Result<BTreeMap<PathBuf, String>, Failure> {
    let mut included = BTreeMap::new();
    for file in files
        .iter()
        .filter(|file| file.extension().is_some_and(|e| e == "rs"))
    {
        let Some(member) = workspace
            .members
            .iter()
            .find(|member| file.starts_with(&member.dir))
        else {
            continue;
        };
        for target in included_strings(&read(workspace, file)?) {
            let document = normal(&file.with_file_name("").join(target));
            included.insert(document, member.name.clone());
        }
    }
    included.retain(|document, _| {
        document
            .extension()
            .is_some_and(|extension| extension == "md")
    });
    Ok(included)
}

fn read(workspace: &Workspace, file: &Path) -> Result<String, Failure> {
    fs::read_to_string(file).map_err(|error| {
        Failure::new(
            format!("{}: {error}", workspace.relative(file)),
            "cargo xtask examples",
        )
    })
}

/// The paths in `include_str!("...")`, where that is code and not a comment.
fn included_strings(text: &str) -> Vec<&str> {
    const OPENING: &str = "include_str!(\"";
    let code = code::only(text);
    let starts = code
        .match_indices(OPENING)
        .map(|(at, _)| at + OPENING.len());
    starts
        .filter_map(|start| text[start..].split('"').next())
        .collect()
}

/// A path without `..`, by its text alone: what it names need not exist.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                normal.pop();
            }
            Component::CurDir => {}
            other => normal.push(other),
        }
    }
    normal
}

/// The opening line of a Rust code block.
#[derive(Debug, PartialEq, Eq)]
struct Fence {
    line: usize,
    ignored: bool,
}

/// The code blocks of a document that call themselves Rust. One without a language is a drawing or
/// a listing to a reader; rustdoc would take it for Rust, and fails where such a document is included.
fn rust_fences(text: &str) -> Vec<Fence> {
    let mut open = false;
    let mut fences = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let Some(info) = line.trim_start().strip_prefix("```") else {
            continue;
        };
        if open {
            open = false;
            continue;
        }
        open = true;
        let words: Vec<&str> = info
            .split([',', ' '])
            .filter(|word| !word.is_empty())
            .collect();
        if words.contains(&"rust") {
            fences.push(Fence {
                line: index + 1,
                ignored: words.contains(&"ignore"),
            });
        }
    }
    fences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust_blocks_are_found_and_others_are_not() {
        let text = "a\n```rust\nlet a;\n```\n```sh\ncargo\n```\n```rust,ignore\nrust\n```\n";
        assert_eq!(
            rust_fences(text),
            [
                Fence {
                    line: 2,
                    ignored: false
                },
                Fence {
                    line: 8,
                    ignored: true
                }
            ]
        );
    }

    #[test]
    fn an_example_that_nobody_includes_is_a_finding() {
        let examples = [Fence {
            line: 7,
            ignored: false,
        }];
        assert_eq!(judge("docs/a.md", &examples, true), Vec::<String>::new());
        let findings = judge("docs/a.md", &examples, false);
        assert!(
            findings[0].starts_with("docs/a.md:7: this Rust example is never"),
            "{findings:?}"
        );
    }

    #[test]
    fn an_ignored_example_is_a_finding() {
        let findings = judge(
            "README.md",
            &[Fence {
                line: 3,
                ignored: true,
            }],
            true,
        );
        assert!(
            findings[0].contains("README.md:3: an ignored example"),
            "{findings:?}"
        );
    }

    #[test]
    fn includes_are_read_from_code_only() {
        let text = "// include_str!(\"no.md\")\n#[doc = include_str!(\"../a.md\")]\nstruct A;\n";
        assert_eq!(included_strings(text), ["../a.md"]);
        assert_eq!(
            normal(Path::new("/w/crates/x/src/../../../a.md")),
            Path::new("/w/a.md")
        );
    }
}
