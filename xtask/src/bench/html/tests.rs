//! What must hold of every page: it refers to nothing outside, and a parser gets through it.

use super::super::model::{Group, Run};
use super::super::samples;
use super::*;

fn sample() -> String {
    let failing = Run {
        failed: 1,
        first_error: Some("https://127.0.0.1:1/<small> & \"more\"".to_owned()),
        ..samples::run(1_000, 0.1)
    };
    page(&samples::report(&[
        ("http2", "facade-h2", Group::Ours, samples::run(3_000, 0.1)),
        ("http2", "raw-h2", Group::Floor, samples::run(4_000, 0.1)),
        ("http2", "reqwest", Group::Rival, failing),
        (
            "million",
            "facade-h2",
            Group::Ours,
            samples::run(3_000, 0.1),
        ),
        ("download", "curl", Group::Rival, Run::default()),
    ]))
}

#[test]
fn it_needs_nothing_but_itself() {
    let page = sample();
    for outside in [
        "http://", "https://", "<script", "<link", "<img", "url(", "@import", "src=",
    ] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn every_element_is_closed_in_order() {
    const EMPTY: &[&str] = &["!DOCTYPE", "meta"];
    let page = sample();
    let mut open: Vec<String> = Vec::new();
    // What style sheets say is not markup, and this one has no `<` in it.
    for part in page.split('<').skip(1) {
        let (tag, _) = part.split_once('>').expect("every tag has an end");
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        let name = tag.split_whitespace().next().unwrap_or_default();
        if let Some(closing) = name.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(closing), "</{closing}>");
        } else if !EMPTY.contains(&name) && !tag.ends_with('/') {
            open.push(name.to_owned());
        }
    }
    assert_eq!(open, Vec::<String>::new());
}

#[test]
fn names_are_given_once_and_references_lead_somewhere() {
    let page = sample();
    let values = |start: &str| -> Vec<String> {
        page.split(start)
            .skip(1)
            .filter_map(|rest| rest.split('"').next().map(str::to_owned))
            .collect()
    };
    let mut ids = values(" id=\"");
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count);
    let mut references = values(" href=\"#");
    for list in values(" aria-labelledby=\"") {
        references.extend(list.split(' ').map(str::to_owned));
    }
    for reference in references {
        assert!(ids.contains(&reference), "{reference}");
    }
}

#[test]
fn it_shows_figures_failures_and_verdicts() {
    let page = sample();
    assert!(page.contains(">30,000<"));
    assert!(page.contains("reqwest failed:"));
    assert!(page.contains("&lt;small&gt; &amp; &quot;more&quot;"));
    assert!(page.contains("Not measured in this run: "));
}
