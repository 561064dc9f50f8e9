//! Quoting for printed commands that are pasted into a shell.

use std::borrow::Cow;

/// Quotes a word so that a POSIX shell does not change it.
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
