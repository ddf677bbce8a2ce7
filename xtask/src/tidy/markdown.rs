//! Rules about documents: a relative link leads to a file that exists, and to a heading in it.

use std::collections::BTreeMap;

/// What is wrong with the links of the documents, given as name and text; `paths` is every file.
pub(super) fn check(documents: &[(String, String)], paths: &[String]) -> Vec<String> {
    let anchors: BTreeMap<&str, Vec<String>> = documents
        .iter()
        .map(|(name, text)| (name.as_str(), headings(text)))
        .collect();
    let mut findings = Vec::new();
    for (name, text) in documents {
        for (line, target) in links(text) {
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = if path.is_empty() {
                name.clone()
            } else {
                resolve(name, path)
            };
            if !exists(&path, paths) {
                findings.push(format!(
                    "{name}:{line}: the link to `{target}` leads nowhere: there is no `{path}`"
                ));
            } else if let Some(headings) = anchors.get(path.as_str()).filter(|_| !anchor.is_empty())
                && !headings.iter().any(|heading| heading == anchor)
            {
                findings.push(format!(
                    "{name}:{line}: the link to `{target}` leads to no heading: `{path}` has none \
                     that reads `#{anchor}`"
                ));
            }
        }
    }
    findings
}

/// The lines of a document that are text, with their numbers: those in code blocks are not.
pub(super) fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_block = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let fence = line.trim_start().starts_with("```");
        in_block ^= fence;
        (!in_block && !fence).then_some((index + 1, line))
    })
}

/// The contents of the code spans of one line.
pub(super) fn code_spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// Whether `path` is one of the files, or a directory that holds one.
pub(super) fn exists(path: &str, paths: &[String]) -> bool {
    let path = path.trim_end_matches('/');
    path.is_empty()
        || paths.iter().any(|file| {
            file.strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
}

/// The relative targets of a document's links, inline ones and definitions, with their lines.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut links = Vec::new();
    for (number, line) in prose(text) {
        for (at, _) in line.match_indices("](") {
            // Inside a code span it is an example of a link.
            if line[..at].matches('`').count() % 2 == 1 && line[at..].contains('`') {
                continue;
            }
            let target = line[at + 2..].split([')', ' ']).next().unwrap_or_default();
            links.push((number, target));
        }
        if let Some((label, target)) = line.split_once("]: ")
            && label.starts_with('[')
        {
            links.push((number, target.split(' ').next().unwrap_or_default()));
        }
    }
    links.retain(|(_, target)| {
        !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:")
    });
    links
}

/// The path from the root that `target` means in the document `name`.
fn resolve(name: &str, target: &str) -> String {
    let mut parts: Vec<&str> = name.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The anchors of a document's headings, spelled as GitHub spells them.
fn headings(text: &str) -> Vec<String> {
    let mut anchors: Vec<String> = Vec::new();
    for (_, line) in prose(text) {
        let level = line.len() - line.trim_start_matches('#').len();
        if level == 0 || !line[level..].starts_with(' ') {
            continue;
        }
        let anchor: String = line[level + 1..]
            .trim()
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
            .map(|c| {
                if c == ' ' {
                    '-'
                } else {
                    c.to_ascii_lowercase()
                }
            })
            .collect();
        // The second heading of the same text gets `-1`, the third `-2`.
        let numbered = (1..).map(|number| format!("{anchor}-{number}"));
        let mut candidates = std::iter::once(anchor.clone()).chain(numbered);
        anchors.extend(candidates.find(|candidate| !anchors.contains(candidate)));
    }
    anchors
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> Vec<String> {
        let documents = [
            ("docs/a.md".to_owned(), text.to_owned()),
            (
                "README.md".to_owned(),
                "# Top\n\n## The `x`, twice\n\n## The x twice\n".to_owned(),
            ),
        ];
        let paths = ["docs/a.md", "README.md", "crates/x/src/lib.rs"].map(str::to_owned);
        check(&documents, &paths)
    }

    #[test]
    fn a_link_to_a_file_that_is_gone_is_found() {
        assert_eq!(
            findings("a\n[b](gone.md)\n"),
            ["docs/a.md:2: the link to `gone.md` leads nowhere: there is no `docs/gone.md`"]
        );
        assert!(findings("[b]: ../gone.md\n")[0].contains("there is no `gone.md`"));
    }

    #[test]
    fn a_link_to_a_heading_that_is_gone_is_found() {
        assert!(findings("[b](../README.md#bottom)\n")[0].contains("`#bottom`"));
        assert!(findings("# Here\n[b](#there)\n")[0].contains("`docs/a.md` has none"));
    }

    #[test]
    fn links_that_lead_somewhere_pass() {
        let text = "# Here\n[a](../README.md#the-x-twice-1) [b](../crates/x) [c](#here)\n\
                    [d](https://example.org/a.md) <https://example.org> [e](mailto:a@b)\n";
        assert_eq!(findings(text), Vec::<String>::new());
    }

    #[test]
    fn what_looks_like_a_link_in_code_is_none() {
        assert_eq!(
            findings("`[a](b.md)`\n```\n[a](b.md)\n```\n"),
            Vec::<String>::new()
        );
    }
}
