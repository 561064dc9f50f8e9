//! Characters allowed in XML 1.0. The news feeds are XML, and one forbidden character makes a whole
//! feed unreadable.

/// Whether XML 1.0 allows a character (production 2, `Char`). Forbidden are control characters
/// except tab, LF and CR, and U+FFFE and U+FFFF.
pub fn is_allowed(character: char) -> bool {
    matches!(character,
        '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// The first character of a text that XML 1.0 forbids.
pub fn first_forbidden(text: &str) -> Option<char> {
    text.chars().find(|character| !is_allowed(*character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_two_noncharacters_are_forbidden() {
        for forbidden in [
            '\0', '\u{8}', '\u{b}', '\u{1b}', '\u{1f}', '\u{fffe}', '\u{ffff}',
        ] {
            assert_eq!(first_forbidden(&format!("a{forbidden}b")), Some(forbidden));
        }
        let allowed = "\t\r\n a\u{7f}\u{85}あ\u{fdd0}\u{fffd}\u{1fffe}😀\u{10ffff}";
        assert_eq!(first_forbidden(allowed), None);
    }
}
