//! Commands that are printed to be pasted into a shell.

use std::borrow::Cow;

/// A word as a POSIX shell reads it unchanged.
pub(crate) fn quote(word: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => Cow::Borrowed(word),
        false => Cow::Owned(format!("'{}'", word.replace('\'', r"'\''"))),
    }
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn what_a_shell_would_change_is_quoted() {
        assert_eq!(quote("--local=/tmp/place-1"), "--local=/tmp/place-1");
        assert_eq!(quote(""), "''");
        assert_eq!(quote("a b"), "'a b'");
        assert_eq!(
            quote("it's $(x) `y` \"z\" ~ \\"),
            r#"'it'\''s $(x) `y` "z" ~ \'"#
        );
    }
}
