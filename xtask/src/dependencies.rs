//! `cargo xtask dependencies`: who may know whom, proven with `cargo tree`. The rules are data in
//! `rules.rs`; this file holds each against the tree and names the path that breaks it.

mod rules;
mod tree;

use std::collections::BTreeMap;

pub(crate) use self::rules::Features;
pub(crate) use self::tree::Tree;

use self::rules::{Absent, Crates, RULES, Rule};
use crate::report::{Failure, StepResult};
use crate::workspace::Workspace;

/// Holds every rule against the trees of the packages that it names.
pub(crate) fn check(workspace: &Workspace) -> StepResult {
    let mut trees = BTreeMap::new();
    let mut findings = Vec::new();
    for rule in RULES {
        for package in rule.packages(workspace)? {
            let key = (package.clone(), rule.features);
            if !trees.contains_key(&key) {
                trees.insert(key.clone(), Tree::read(workspace, &package, rule.features)?);
            }
            findings.extend(violations(rule, &package, &trees[&key]));
        }
    }
    let note = format!(
        "{} rules over {} dependency trees",
        RULES.len(),
        trees.len()
    );
    Failure::unless_empty(&findings, note, "cargo xtask dependencies")
}

impl Rule {
    /// The packages that the rule speaks of.
    ///
    /// # Errors
    ///
    /// If it names one that is gone: a rule about nothing would hold for ever.
    fn packages(&self, workspace: &Workspace) -> Result<Vec<String>, Failure> {
        match self.crates {
            Crates::Published => Ok(workspace.published().map(|m| m.name.clone()).collect()),
            Crates::Named(names) => names
                .iter()
                .map(|&name| {
                    if workspace.members.iter().any(|member| member.name == name) {
                        return Ok(name.to_owned());
                    }
                    let text = format!(
                        "a rule names the package `{name}`, which the workspace does not have: \
                         correct xtask/src/dependencies/rules.rs"
                    );
                    Err(Failure::new(text, "cargo xtask dependencies"))
                })
                .collect(),
        }
    }
}

/// What `tree` holds although `rule` forbids it: one sentence each.
fn violations(rule: &Rule, package: &str, tree: &Tree) -> Vec<String> {
    let absent = rule.absent.iter().filter_map(|absent| {
        let (path, what) = match absent {
            Absent::Package(name) => (tree.path_to(name)?, format!("`{name}`")),
            Absent::Feature(name, feature) => (
                tree.path_to_feature(name, feature)?,
                format!("`{name}` with its feature `{feature}`"),
            ),
        };
        let features = rule.features.describe();
        let why = rule.why;
        Some(format!(
            "{package} ({features}) must not depend on {what}: {why}\n    {path}"
        ))
    });
    let present = rule
        .present
        .iter()
        .filter(|name| tree.path_to(name).is_none())
        .map(|name| {
            let features = rule.features.describe();
            format!(
                "{package} ({features}) must depend on `{name}`: {}",
                rule.why
            )
        });
    absent.chain(present).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule {
        crates: Crates::Named(&["app"]),
        features: Features::All,
        absent: &[Absent::Package("ring"), Absent::Feature("tokio", "net")],
        present: &["aws-lc-rs"],
        why: "there is one of each.",
    };

    fn tree(listing: &str) -> Tree {
        Tree::parse(listing).unwrap()
    }

    #[test]
    fn a_forbidden_package_is_named_with_the_path_to_it() {
        let tree = tree(
            "0app v0.1.0 (/w/app)|\n1tls v1.0.0|\n2aws-lc-rs v1.0.0|\n1web v2.0.0|default\n\
             2crypto v0.3.0|\n3ring v0.17.0|\n",
        );
        let found = violations(&RULE, "app", &tree);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("must not depend on `ring`"), "{found:?}");
        assert!(
            found[0].contains("app -> web -> crypto -> ring 0.17.0"),
            "{found:?}"
        );
    }

    #[test]
    fn a_forbidden_feature_is_found_only_where_it_is_on() {
        let on = tree("0app v0.1.0|\n1aws-lc-rs v1.0.0|\n1tokio v1.0.0|net,rt\n");
        let off = tree("0app v0.1.0|\n1aws-lc-rs v1.0.0|\n1tokio v1.0.0|network,rt\n");
        assert!(violations(&RULE, "app", &on)[0].contains("feature `net`"));
        assert_eq!(violations(&RULE, "app", &off), Vec::<String>::new());
    }

    #[test]
    fn a_package_that_must_be_there_is_missed() {
        let found = violations(&RULE, "app", &tree("0app v0.1.0|\n"));
        assert!(found[0].contains("must depend on `aws-lc-rs`"), "{found:?}");
    }
}
