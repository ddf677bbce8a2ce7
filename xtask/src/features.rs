//! `cargo xtask features`: each crate on its own. In a workspace build cargo unifies features, so a
//! crate that forgot to ask for `tokio/time` compiles as long as any neighbour asks for it. Here each
//! is compiled the way a stranger would get it.

use crate::report::{Outcome, StepResult};
use crate::shell::Shell;
use crate::workspace::{Member, Workspace};

/// `preq` without any backend compiles, but only to say so; its users build it with one or more.
const NEVER_WITHOUT: &[&str] = &["pr-cli"];

/// The crate whose features choose the backends.
const FACADE: &str = "parallel-requests";

/// Lints each published package, and each other one that has features, in every combination.
pub(crate) fn check(workspace: &Workspace) -> StepResult {
    let mut count = 0;
    for member in &workspace.members {
        for flags in combinations(member) {
            let name = &member.name;
            let command = format!("clippy --locked -p {name} {flags} -- -D warnings");
            Shell::cargo(&command).run(&workspace.root)?;
            count += 1;
        }
    }
    Ok(Outcome::passed(format!("{count} combinations")))
}

/// Runs the facade's tests with no backend and with each alone. `cargo test --workspace` has them all
/// compiled in, so what the facade says when one is missing would otherwise never be tested.
pub(crate) fn test_facade(workspace: &Workspace) -> StepResult {
    let has_backend = |name: &str| {
        workspace
            .members
            .iter()
            .any(|member| member.name == format!("pr-backend-{name}"))
    };
    let mut count = 0;
    for member in workspace
        .members
        .iter()
        .filter(|member| member.name == FACADE)
    {
        let backends = member
            .features
            .iter()
            .filter(|feature| has_backend(feature));
        let alone = backends.map(|feature| format!("--features {feature}"));
        for flags in std::iter::once(String::new()).chain(alone) {
            let command = format!("test --locked -p {FACADE} --no-default-features {flags}");
            Shell::cargo(&command).run(&workspace.root)?;
            count += 1;
        }
    }
    Ok(Outcome::passed(format!("{count} combinations")))
}

/// Cargo's flags for: no features, each alone, and all together.
fn combinations(member: &Member) -> Vec<String> {
    let mut combinations = Vec::new();
    let never_without = NEVER_WITHOUT.contains(&member.name.as_str());
    if !never_without && (member.published || !member.features.is_empty()) {
        combinations.push("--no-default-features".to_owned());
    }
    for feature in &member.features {
        combinations.push(format!("--no-default-features --features {feature}"));
    }
    // With a single feature, alone is all.
    if member.features.len() > 1 {
        combinations.push("--all-features".to_owned());
    }
    combinations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, features: &[&str], published: bool) -> Member {
        Member {
            name: name.to_owned(),
            dir: "/w".into(),
            features: features.iter().map(|&feature| feature.to_owned()).collect(),
            published,
            has_benches: false,
            rust_version: None,
        }
    }

    #[test]
    fn none_each_and_all() {
        assert_eq!(
            combinations(&member("facade", &["a", "b"], true)),
            [
                "--no-default-features",
                "--no-default-features --features a",
                "--no-default-features --features b",
                "--all-features",
            ]
        );
    }

    #[test]
    fn a_published_package_without_features_is_still_compiled_alone() {
        assert_eq!(
            combinations(&member("pr-tls", &[], true)),
            ["--no-default-features"]
        );
        assert_eq!(
            combinations(&member("xtask", &[], false)),
            Vec::<String>::new()
        );
    }

    #[test]
    fn the_command_is_never_built_without_a_backend() {
        let combinations = combinations(&member("pr-cli", &["h2", "hyper"], false));
        assert!(
            !combinations.contains(&"--no-default-features".to_owned()),
            "{combinations:?}"
        );
        assert_eq!(combinations.len(), 3);
    }
}
