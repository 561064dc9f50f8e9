//! A notice's text in its two forms: whatever is written, the plain text and the HTML say the same.

use proptest::prelude::*;
use tegata_common::xml;
use tegata_notices::render::body;

/// Pieces of Markdown as vendors of plug-ins write it, and pieces that break it.
fn markdown() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "一覧の表示",
        "「集計」",
        "（1.9.0）",
        "速くなります。",
        "kintone",
        "two words",
        "、",
        "。",
        "・一覧",
        "※ 例外",
        "■日時",
        "【重要】",
        "日時：22時",
        "①",
        "ｶﾅ",
        "　",
        " ",
        "\n",
        "\n",
        "\n\n",
        "**",
        "**",
        "*",
        "_",
        "`",
        "``",
        "```\n",
        "~~",
        "# ",
        "## ",
        "- ",
        "* ",
        "1. ",
        "3) ",
        "> ",
        "    ",
        "  ",
        "\\",
        "\\*",
        "---",
        "***",
        "===",
        "<https://example.com/a?b=1&c=2>",
        "[一覧](https://example.com/)",
        "[a*b*](mailto:a@example.com)",
        "[x](http://example.com)",
        "![絵](https://example.com/x.png)",
        "[a]: https://example.com",
        "[a]",
        "](",
        "<b>",
        "</b>",
        "<!-- a -->",
        "&amp;",
        "&lt;p&gt;",
        "&#1;",
        "&#xFFFE;",
        "&nbsp;",
        "<",
        ">",
        "\"",
        "😀",
        "\t",
        "\r\n",
    ]);
    let random = "\\PC{0,4}";
    let piece = prop_oneof![20 => piece.prop_map(str::to_owned), 1 => random];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// What a reader sees of HTML, as words: the marks of lists, quotations and headings as the plain
/// text writes them. Written against the elements that Markdown has, and not with the code under
/// test.
fn words_of_html(page: &str) -> Vec<String> {
    let mut shown = String::new();
    let mut lists: Vec<Option<usize>> = Vec::new();
    let mut link: Option<(String, usize)> = None;
    let mut rest = page;
    while let Some((text, after)) = rest.split_once('<') {
        shown.push_str(&unescape(text));
        let (tag, after) = after.split_once('>').unwrap();
        rest = after;
        let name = tag.split(' ').next().unwrap_or(tag);
        match name {
            "em" | "/em" | "strong" | "/strong" | "code" | "/code" => {}
            "br" | "p" | "/p" | "pre" | "/pre" | "/h2" | "/li" | "blockquote" | "/blockquote" => {
                shown.push('\n');
            }
            "h2" => shown.push_str("\n■ "),
            "hr" => shown.push_str("\n----------\n"),
            "ul" => lists.push(None),
            "ol" => {
                let start = tag
                    .split('"')
                    .nth(1)
                    .map_or(1, |start| start.parse().unwrap());
                lists.push(Some(start));
            }
            "/ul" | "/ol" => {
                lists.pop();
            }
            "li" => match lists.last_mut().unwrap() {
                Some(number) => {
                    shown.push_str(&format!("\n{number}. "));
                    *number += 1;
                }
                None => shown.push_str("\n- "),
            },
            "a" => {
                let url = unescape(tag.split('"').nth(1).unwrap());
                link = Some((url, shown.len()));
            }
            "/a" => {
                let (url, start) = link.take().unwrap();
                let text = &shown[start..];
                if url != text && url.strip_prefix("mailto:") != Some(text) {
                    shown.push_str(&format!(" ( {url} )"));
                }
            }
            other => panic!("<{other}> in {page}"),
        }
    }
    shown.push_str(&unescape(rest));
    words(&shown)
}

fn unescape(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">");
    text.replace("&quot;", "\"").replace("&amp;", "&")
}

/// Words without the marks of quotations, which the plain text repeats on every line.
fn words(text: &str) -> Vec<String> {
    let words = text.split_whitespace();
    let words = words.filter(|word| word.contains(|c| c != '>'));
    words.map(decoded).collect()
}

/// A word without percent encoding: HTML encodes characters of URLs that the plain text shows.
fn decoded(word: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = word.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let encoded = rest.get(1..3).filter(|_| *first == b'%');
        let hex = encoded.and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &rest[3..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

proptest! {
    #[test]
    fn plain_text_and_html_say_the_same(markdown in markdown()) {
        let (page, text) = (body::html(&markdown, 2), body::text(&markdown));
        prop_assert_eq!(words_of_html(&page), words(&text), "{:?}\n{}\n{}", markdown, page, text);
        prop_assert_eq!(xml::first_forbidden(&page), None);
        prop_assert_eq!(xml::first_forbidden(&text), None);
    }

    #[test]
    fn what_passes_the_check_shows_no_marks_of_emphasis(markdown in markdown()) {
        let is_code = markdown.contains(['\\', '`', '~', '\t']) || markdown.contains("    ");
        if body::problems(&markdown).is_empty() && !is_code {
            prop_assert!(!body::text(&markdown).contains("**"), "{:?}", markdown);
        }
    }
}
