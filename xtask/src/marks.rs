//! Parts of documents that a command writes, each between two marks that name it, so that the rest of
//! the page stays as people wrote it.

use crate::report::Failure;

/// The document with `text` between the marks `<!-- name -->` and `<!-- /name -->`.
///
/// # Errors
///
/// If it does not have each of the two once, in order.
pub(crate) fn replace(document: &str, name: &str, text: &str) -> Result<String, Failure> {
    let (opening, closing) = (format!("<!-- {name} -->"), format!("<!-- /{name} -->"));
    let missing = || {
        let text = format!("the document needs one {opening} and after it one {closing}");
        Failure::new(text, format!("cargo xtask {name}"))
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

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let document = "a\n<!-- sizes -->\n\nold\n\n<!-- /sizes -->\nb\n";
        let new = replace(document, "sizes", "new").unwrap();
        assert_eq!(new, "a\n<!-- sizes -->\n\nnew\n\n<!-- /sizes -->\nb\n");
        assert_eq!(replace(&new, "sizes", "new").unwrap(), new);
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
            let failure = replace(document, "sizes", "new").unwrap_err();
            assert!(failure.output.contains("<!-- sizes -->"), "{document}");
        }
    }
}
