//! Source text without its comments and without what its strings say, so that a rule about code does
//! not trip over a sentence that mentions it.

/// The text with every comment and the inside of every string and character literal blanked. Line
/// breaks and byte offsets stay as they were, so a place in the result is a place in the source.
pub(crate) fn only(text: &str) -> String {
    let mut scanner = Scanner {
        rest: text.as_bytes(),
        out: Vec::with_capacity(text.len()),
    };
    scanner.scan();
    // Only whole characters are copied, and the rest is blanks; a fallback would hide a mistake here.
    String::from_utf8(scanner.out).expect("blanking keeps the text valid UTF-8")
}

struct Scanner<'a> {
    rest: &'a [u8],
    out: Vec<u8>,
}

impl Scanner<'_> {
    fn scan(&mut self) {
        while let Some(&first) = self.rest.first() {
            if self.rest.starts_with(b"//") {
                let end = find(self.rest, b"\n").unwrap_or(self.rest.len());
                self.blank(end);
            } else if self.rest.starts_with(b"/*") {
                self.blank(block_comment(self.rest));
            } else if let Some((hashes, prefix)) = self.raw_string() {
                self.keep(prefix);
                let closing = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
                let end = find(self.rest, &closing).unwrap_or(self.rest.len());
                self.blank(end);
                self.keep(closing.len());
            } else if first == b'"' {
                self.keep(1);
                self.blank(quoted(self.rest, b'"'));
                self.keep(1);
            } else if first == b'\'' && is_character(self.rest) {
                self.keep(1);
                self.blank(quoted(self.rest, b'\''));
                self.keep(1);
            } else {
                self.keep(1);
            }
        }
    }

    /// Whether a raw string opens here: its number of hashes, and the length up to the quote.
    fn raw_string(&self) -> Option<(usize, usize)> {
        // In `for"` or `br#"`, only a word that is exactly `r`, `br` or `cr` makes a string raw.
        if self.out.last().is_some_and(|byte| is_word(*byte)) {
            return None;
        }
        let prefix = [b"r".as_slice(), b"br", b"cr"]
            .into_iter()
            .find(|prefix| {
                self.rest.starts_with(prefix)
                    && matches!(self.rest.get(prefix.len()), Some(b'"' | b'#'))
            })?
            .len();
        let hashes = self.rest[prefix..]
            .iter()
            .take_while(|byte| **byte == b'#')
            .count();
        (self.rest.get(prefix + hashes) == Some(&b'"')).then_some((hashes, prefix + hashes + 1))
    }

    fn keep(&mut self, length: usize) {
        let (kept, rest) = self.rest.split_at(length.min(self.rest.len()));
        self.out.extend_from_slice(kept);
        self.rest = rest;
    }

    fn blank(&mut self, length: usize) {
        let (blanked, rest) = self.rest.split_at(length.min(self.rest.len()));
        self.out.extend(
            blanked
                .iter()
                .map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }),
        );
        self.rest = rest;
    }
}

/// The length of the block comment at the start, with those nested in it.
fn block_comment(text: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// The length up to the closing quote, over escaped ones.
fn quoted(text: &[u8], quote: u8) -> usize {
    let mut at = 0;
    while at < text.len() && text[at] != quote {
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    at
}

/// Whether the quote at the start opens a character and not a lifetime: `'a'`, `'\n'`, `'é'`.
fn is_character(text: &[u8]) -> bool {
    match text.get(1) {
        Some(b'\\') => true,
        // One character of up to four bytes, then the closing quote.
        Some(first) => {
            let length = match first {
                0xF0.. => 4,
                0xE0.. => 3,
                0xC0.. => 2,
                _ => 1,
            };
            text.get(1 + length) == Some(&b'\'')
        }
        None => false,
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len())
        .position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_go_and_line_breaks_stay() {
        let nested = "/* d /* e */ f */";
        let blanks = " ".repeat(nested.len());
        assert_eq!(
            only(&format!("a // b\nc {nested} g")),
            format!("a     \nc {blanks} g")
        );
    }

    #[test]
    fn strings_and_characters_keep_only_their_quotes() {
        assert_eq!(
            only(r#"f("a\"b", 'c', '\'', b"d")"#),
            r#"f("    ", ' ', '  ', b" ")"#
        );
        assert_eq!(only("f(r#\"a \" b\"#) + g"), "f(r#\"     \"#) + g");
    }

    #[test]
    fn lifetimes_are_no_characters() {
        let code = "fn f<'a>(x: &'a str, c: char) { c == 'é' }";
        assert_eq!(only(code), "fn f<'a>(x: &'a str, c: char) { c == '  ' }");
    }

    #[test]
    fn an_unfinished_string_is_no_panic() {
        for text in ["\"abc", "r#\"abc", "'\\", "/* abc", "\"abc\\"] {
            assert_eq!(only(text).len(), text.len());
        }
    }
}
