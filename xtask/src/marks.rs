//! Parts of documents that a command writes, each between two marks that name it, so that the rest of
//! the page stays as people wrote it.

use crate::report::Failure;

/// Where a command writes.
pub(crate) struct Place {
    /// The document, by its path from the workspace's root.
    pub(crate) document: &'static str,
    /// The name of the marks: `<!-- name -->` and `<!-- /name -->`.
    pub(crate) marks: &'static str,
    /// The command.
    pub(crate) rerun: &'static str,
}

/// The document with `text` between its marks.
///
/// # Errors
///
/// If it does not have each of the two once, in order.
pub(crate) fn replace(document: &str, place: &Place, text: &str) -> Result<String, Failure> {
    let name = place.marks;
    let (opening, closing) = (format!("<!-- {name} -->"), format!("<!-- /{name} -->"));
    let missing = || {
        let path = place.document;
        let text = format!("{path} needs one {opening} and after it one {closing}");
        Failure::new(text, place.rerun)
    };
    let (before, rest) = document.split_once(&opening).ok_or_else(missing)?;
    let (old, after) = rest.split_once(&closing).ok_or_else(missing)?;
    let again = |text: &str| text.contains(&opening) || text.contains(&closing);
    if again(before) || again(old) || again(after) {
        return Err(missing());
    }
    Ok(format!("{before}{opening}\n\n{text}\n\n{closing}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place {
        document: "docs/a.md",
        marks: "sizes",
        rerun: "cargo xtask sizes",
    };

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let document = "a\n<!-- sizes -->\n\nold\n\n<!-- /sizes -->\nb\n";
        let new = replace(document, &PLACE, "new").unwrap();
        assert_eq!(new, "a\n<!-- sizes -->\n\nnew\n\n<!-- /sizes -->\nb\n");
        assert_eq!(replace(&new, &PLACE, "new").unwrap(), new);
    }

    #[test]
    fn marks_that_are_missing_twice_there_or_out_of_order_are_an_error() {
        for document in [
            "none",
            "<!-- sizes --> only",
            "<!-- /sizes --> <!-- sizes -->",
            "<!-- sizes --> <!-- sizes --> <!-- /sizes -->",
            "<!-- sizes --> <!-- /sizes --> <!-- /sizes -->",
        ] {
            let failure = replace(document, &PLACE, "new").unwrap_err();
            assert!(failure.output.contains("<!-- sizes -->"), "{document}");
            assert!(failure.output.contains(PLACE.document), "{document}");
            assert_eq!(failure.rerun, PLACE.rerun);
        }
    }
}
