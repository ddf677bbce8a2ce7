//! Rules about `Cargo.toml`. They read the text and not the parsed document, because what they look
//! for are comments.

/// What is wrong with one manifest.
pub(super) fn check(name: &str, text: &str) -> Vec<String> {
    let mut findings = members(name, text);
    findings.extend(features(name, text));
    findings
}

/// Each member of the workspace has a line above it that says what it is for.
fn members(name: &str, text: &str) -> Vec<String> {
    let mut inside = false;
    let mut findings = Vec::new();
    for (index, line, above) in lines(text) {
        if line.starts_with("members = [") {
            inside = true;
        } else if line == "]" {
            inside = false;
        } else if inside && line.starts_with('"') && !above.starts_with('#') {
            findings.push(format!(
                "{name}:{}: say in a comment above it what the member {} is for",
                index + 1,
                line.trim_end_matches(',')
            ));
        }
    }
    findings
}

/// Each feature but `default` has a line above it that says what it brings.
fn features(name: &str, text: &str) -> Vec<String> {
    let mut inside = false;
    let mut depth = 0_usize;
    let mut findings = Vec::new();
    for (index, line, above) in lines(text) {
        if line.starts_with('[') && depth == 0 {
            inside = line == "[features]";
            continue;
        }
        if !inside || line.starts_with('#') {
            continue;
        }
        // A feature's list may span lines; what stands inside it is no feature.
        let opens_feature = depth == 0 && line.contains('=');
        depth = (depth + line.matches('[').count()).saturating_sub(line.matches(']').count());
        let feature = line
            .split('=')
            .next()
            .unwrap_or_default()
            .trim()
            .trim_matches('"');
        if opens_feature && feature != "default" && !above.starts_with('#') {
            findings.push(format!(
                "{name}:{}: say in a comment above it what the feature `{feature}` brings",
                index + 1
            ));
        }
    }
    findings
}

/// Each line without its indent, with its index and the line above it.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str, &str)> {
    let above = std::iter::once("").chain(text.lines());
    text.lines()
        .zip(above)
        .enumerate()
        .map(|(index, (line, above))| (index, line.trim(), above.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_without_a_comment_is_found() {
        let text = "[workspace]\nmembers = [\n    # What it is.\n    \"a\",\n    \"b\",\n]\n";
        assert_eq!(
            check("Cargo.toml", text),
            ["Cargo.toml:5: say in a comment above it what the member \"b\" is for"]
        );
    }

    #[test]
    fn a_feature_without_a_comment_is_found() {
        let text = "[features]\ndefault = [\"a\"]\n# Brings a.\na = [\n    \"x=y\",\n]\nb = []\n\n\
                    [dependencies]\nc = \"1\"\n";
        assert_eq!(
            check("Cargo.toml", text),
            ["Cargo.toml:7: say in a comment above it what the feature `b` brings"]
        );
    }

    #[test]
    fn a_manifest_without_either_is_fine() {
        let text = "[package]\nname = \"a\"\n\n[dependencies]\nb = \"1\"\n";
        assert_eq!(check("Cargo.toml", text), Vec::<String>::new());
    }
}
