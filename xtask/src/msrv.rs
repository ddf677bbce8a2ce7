//! `cargo xtask msrv`: `rust-version` says what is needed, and not more. It must be the greater of
//! what our own code needs and what the published crates' dependencies in `Cargo.lock` declare.

use std::fmt;

use crate::dependencies::{Features, Tree};
use crate::report::{Failure, Outcome, StepResult};
use crate::workspace::Workspace;

/// What our own code needs. Raise it, with its reason, when the code starts to use something newer.
const OWN: Version = Version(1, 88, 0);
const OWN_REASON: &str = "let chains, which edition 2024 has since then";

const RERUN: &str = "cargo xtask msrv";

/// Compares what the members declare with what is needed.
pub(crate) fn check(workspace: &Workspace) -> StepResult {
    let theirs = greatest_of_dependencies(workspace)?;
    for member in &workspace.members {
        let declared = member.rust_version.as_deref().and_then(Version::parse);
        if let Some(finding) = judge(declared, &theirs) {
            return Err(Failure::new(format!("{}: {finding}", member.name), RERUN));
        }
    }
    let (needed, who) = &theirs;
    Ok(Outcome::passed(format!(
        "our code needs {OWN} ({OWN_REASON}), dependencies {needed} ({who})"
    )))
}

/// What is wrong with the declared version, if anything.
fn judge(declared: Option<Version>, theirs: &(Version, String)) -> Option<String> {
    let (needed, who) = theirs;
    let Some(declared) = declared else {
        return Some("declares no rust-version: add `rust-version.workspace = true`".to_owned());
    };
    if declared < OWN {
        return Some(format!(
            "declares rust-version {declared}, and our own code needs {OWN} ({OWN_REASON}): set \
             `rust-version = \"{}\"` in the root Cargo.toml",
            OWN.max(*needed)
        ));
    }
    if declared < *needed {
        return Some(format!(
            "declares rust-version {declared}, and {who} needs {needed}: set `rust-version = \
             \"{needed}\"` in the root Cargo.toml, or hold that dependency back"
        ));
    }
    if declared > OWN.max(*needed) {
        return Some(format!(
            "declares rust-version {declared}, and nothing needs more than {}: lower it in the root \
             Cargo.toml, or, if our own code now needs it, say so in xtask/src/msrv.rs",
            OWN.max(*needed)
        ));
    }
    None
}

/// The greatest `rust-version` among what a user of any published crate compiles, and whose it is.
fn greatest_of_dependencies(workspace: &Workspace) -> Result<(Version, String), Failure> {
    let mut greatest = (Version(0, 0, 0), "none of them declares one".to_owned());
    for member in workspace.published() {
        let tree = Tree::read(workspace, &member.name, Features::All)?;
        for node in tree.nodes() {
            let key = (node.name.clone(), node.version.clone());
            let declared = workspace
                .rust_versions
                .get(&key)
                .and_then(|text| Version::parse(text));
            if let Some(version) = declared.filter(|version| *version > greatest.0) {
                greatest = (version, format!("{} {}", node.name, node.version));
            }
        }
    }
    Ok(greatest)
}

/// A Rust version; one with two numbers has the patch 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u32, u32, u32);

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split('.').map(str::parse);
        let major = numbers.next()?.ok()?;
        let minor = numbers.next()?.ok()?;
        let patch = numbers.next().unwrap_or(Ok(0)).ok()?;
        numbers
            .next()
            .is_none()
            .then_some(Self(major, minor, patch))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.2 {
            0 => write!(f, "{}.{}", self.0, self.1),
            patch => write!(f, "{}.{}.{patch}", self.0, self.1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn theirs(minor: u32) -> (Version, String) {
        (Version(1, minor, 0), "dep 1.0.0".to_owned())
    }

    #[test]
    fn exactly_what_is_needed_passes() {
        assert_eq!(judge(Some(OWN), &theirs(70)), None);
        assert_eq!(judge(Some(Version(1, 95, 0)), &theirs(95)), None);
    }

    #[test]
    fn too_low_names_who_demands_more() {
        let finding = judge(Some(OWN), &theirs(99)).unwrap();
        assert!(finding.contains("dep 1.0.0 needs 1.99"), "{finding}");
        let finding = judge(Some(Version(1, 70, 0)), &theirs(60)).unwrap();
        assert!(finding.contains("our own code needs 1.88"), "{finding}");
    }

    #[test]
    fn higher_than_anything_needs_fails() {
        let finding = judge(Some(Version(1, 95, 0)), &theirs(70)).unwrap();
        assert!(
            finding.contains("nothing needs more than 1.88"),
            "{finding}"
        );
    }

    #[test]
    fn none_at_all_fails() {
        assert!(
            judge(None, &theirs(70))
                .unwrap()
                .contains("rust-version.workspace")
        );
    }

    #[test]
    fn versions_with_two_and_three_numbers() {
        assert_eq!(Version::parse("1.88"), Version::parse("1.88.0"));
        assert!(Version::parse("1.88.1") > Version::parse("1.88"));
        assert!(Version::parse("1.100") > Version::parse("1.88"));
        assert_eq!(Version::parse("nightly"), None);
        assert_eq!(Version::parse("1.2.3.4"), None);
    }
}
