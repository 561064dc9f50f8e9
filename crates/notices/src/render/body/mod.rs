//! Conversion of a notice's Markdown text into HTML and plain text. Both are made from the same
//! document, so that they say the same.
//!
//! Emphasis follows the [CJK-friendly amendment](https://github.com/tats-u/markdown-cjk-friendly)
//! of CommonMark, so that it works next to 「」（）。 in Japanese text. How line breaks are treated:
//! `lines`.

mod lines;
mod plain;

use comrak::nodes::{Node, NodeValue};
use comrak::{Arena, Options, format_html, parse_document};
use tegata_common::xml;

/// A problem of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextProblem {
    /// The line of the text, from 1.
    pub line: usize,
    /// What is wrong, and what is expected.
    pub message: String,
}

/// The problems of a text, in the order of their lines.
pub fn problems(markdown: &str) -> Vec<TextProblem> {
    let mut options = options();
    // Distinguishes `\*\*`, which is to be shown, from marks that are shown by mistake.
    options.parse.escaped_char_spans = true;
    let arena = Arena::new();
    let root = parse_document(&arena, markdown, &options);
    let mut problems = Vec::new();
    for node in root.descendants() {
        let ast = node.data();
        problems.extend(problem(&ast.value).map(|message| TextProblem {
            line: ast.sourcepos.start.line,
            message,
        }));
    }
    problems.sort_by_key(|problem| problem.line);
    problems.dedup();
    problems
}

fn problem(value: &NodeValue) -> Option<String> {
    let forbidden = |text: &str| {
        let number = u32::from(xml::first_forbidden(text)?);
        Some(format!(
            "has the character reference of U+{number:04X}, which XML 1.0 forbids: remove it"
        ))
    };
    match value {
        NodeValue::Image(_) => Some("has an image: mails must not have remote content".to_owned()),
        NodeValue::HtmlBlock(_) | NodeValue::HtmlInline(_) => {
            Some("has HTML: use Markdown".to_owned())
        }
        NodeValue::Link(link) if !is_allowed(&link.url) => Some(format!(
            "links to {}: a link must start with https:// or mailto:",
            link.url.escape_debug()
        )),
        NodeValue::Link(link) => forbidden(&link.title),
        NodeValue::Text(text) => forbidden(text).or_else(|| leftover(text)),
        _ => None,
    }
}

/// Reports marks of emphasis that have not become emphasis. They would be shown as they are.
fn leftover(text: &str) -> Option<String> {
    let mark = ["**", "__"].into_iter().find(|mark| text.contains(mark))?;
    Some(format!(
        "has {mark} without effect: write **text** with no blank inside the marks, or {} to show \
         the characters",
        mark.replace('*', "\\*").replace('_', "\\_")
    ))
}

fn is_allowed(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or(url.strip_prefix("mailto:"));
    rest.is_some_and(|rest| !rest.is_empty())
        && !url.contains(|c: char| c.is_whitespace() || c.is_control() || !xml::is_allowed(c))
}

/// Converts a text into HTML. HTML in the text is escaped; images and invalid links are removed.
/// All headings get the level that follows the page's own headings.
pub fn html(markdown: &str, heading_level: u8) -> String {
    let arena = Arena::new();
    let root = document(&arena, markdown);
    for node in root.descendants() {
        if let NodeValue::Heading(heading) = &mut node.data_mut().value {
            heading.level = heading_level;
        }
    }
    let mut page = String::new();
    // Writing into a `String` does not fail.
    let _ = format_html(root, &options(), &mut page);
    page.retain(xml::is_allowed);
    page
}

/// Converts a text into plain text with paragraphs, lists and the URLs of links.
pub fn text(markdown: &str) -> String {
    let arena = Arena::new();
    let mut text = plain::text(document(&arena, markdown));
    text.retain(xml::is_allowed);
    text
}

fn options() -> Options<'static> {
    let mut options = Options::default();
    options.extension.cjk_friendly_emphasis = true;
    options.render.escape = true;
    options
}

/// The document that both forms are made from.
fn document<'a>(arena: &'a Arena<'a>, markdown: &str) -> Node<'a> {
    let root = parse_document(arena, markdown, &options());
    let nodes: Vec<Node<'a>> = root.descendants().collect();
    for node in nodes {
        let mut ast = node.data_mut();
        match &mut ast.value {
            NodeValue::Image(_) => {
                drop(ast);
                unwrap(node);
            }
            NodeValue::Link(link) if !is_allowed(&link.url) => {
                drop(ast);
                unwrap(node);
            }
            _ => {}
        }
    }
    lines::join(root);
    root
}

/// Replaces a node by its children.
fn unwrap<'a>(node: Node<'a>) {
    let children: Vec<Node<'a>> = node.children().collect();
    for child in children {
        node.insert_before(child);
    }
    node.detach();
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "シート 1.9.0 を公開します。\n一覧が*速く*なります。\n\n## 変わること\n\n- 一覧\n- 集計\n  - 合計\n\n1. one\n2. two\n\n> 引用\n\n詳しくは[お知らせ](https://example.com/a?b=1&c=2)、<https://example.com/>。";

    fn messages(markdown: &str) -> Vec<(usize, String)> {
        let problems = problems(markdown).into_iter();
        problems.map(|of| (of.line, of.message)).collect()
    }

    #[test]
    fn text_reads_without_markup() {
        let expected = "シート 1.9.0 を公開します。一覧が速くなります。\n\n■ 変わること\n\n- 一覧\n- 集計\n  - 合計\n\n1. one\n2. two\n\n> 引用\n\n詳しくはお知らせ ( https://example.com/a?b=1&c=2 )、https://example.com/。";
        assert_eq!(text(SAMPLE), expected);
    }

    #[test]
    fn html_has_only_allowed_elements() {
        let page = html(SAMPLE, 2);
        assert!(page.contains("<h2>変わること</h2>"), "{page}");
        assert!(
            page.contains(r#"<a href="https://example.com/a?b=1&amp;c=2">"#),
            "{page}"
        );
        let hostile = "a <script>alert(1)</script> ![x](https://example.com/x.png)\n\n\
                       [a](javascript:alert(1)) [b](http://example.com)\n\n<div onclick=x>";
        let page = html(hostile, 2);
        for forbidden in ["<script", "<img", "href", "<div"] {
            assert!(!page.contains(forbidden), "{forbidden} in {page}");
        }
        let expected = [
            (1, "has HTML: use Markdown"),
            (1, "has an image: mails must not have remote content"),
            (
                3,
                "links to javascript:alert(1): a link must start with https:// or mailto:",
            ),
            (
                3,
                "links to http://example.com: a link must start with https:// or mailto:",
            ),
            (5, "has HTML: use Markdown"),
        ];
        let expected = expected.map(|(line, message)| (line, message.to_owned()));
        assert_eq!(messages(hostile), expected);
        assert_eq!(messages(SAMPLE), []);
    }

    #[test]
    fn emphasis_works_next_to_japanese_punctuation() {
        for (written, shown) in [
            ("**「一覧」**の表示", "<strong>「一覧」</strong>の表示"),
            (
                "これは**重要なお知らせ。**必ず",
                "これは<strong>重要なお知らせ。</strong>必ず",
            ),
            ("設定（**管理者**）で", "設定（<strong>管理者</strong>）で"),
            (
                "版は**（1.9.0）**です",
                "版は<strong>（1.9.0）</strong>です",
            ),
            ("*「速く」*なります", "<em>「速く」</em>なります"),
            (
                "**`CSV`**の書き出し",
                "<strong><code>CSV</code></strong>の書き出し",
            ),
        ] {
            assert_eq!(html(written, 2), format!("<p>{shown}</p>\n"), "{written}");
            assert_eq!(text(written), written.replace(['*', '`'], ""), "{written}");
            assert_eq!(messages(written), [], "{written}");
        }
    }

    #[test]
    fn emphasis_without_effect_is_a_problem() {
        for (written, line, mark) in [
            ("一覧が\n\n** 速く ** なります", 3, "**"),
            ("一覧が**速くなります", 1, "**"),
            ("一覧が__速く__なります", 1, "__"),
        ] {
            let found = messages(written);
            assert_eq!(found.len(), 1, "{written}: {found:?}");
            assert_eq!(found[0].0, line, "{written}");
            let expected = format!("has {mark} without effect");
            assert!(found[0].1.starts_with(&expected), "{found:?}");
        }
        for written in [
            r"2 の \*\* 3",
            "`a ** b`",
            "    a ** b",
            "a\n\n***\n\nb",
            "*1 注",
        ] {
            assert_eq!(messages(written), [], "{written}");
        }
    }

    #[test]
    fn references_of_forbidden_characters_are_a_problem_and_not_shown() {
        for written in [
            "a\n\nb&#1;c",
            "a\n\n&#xFFFE;",
            "a\n\n[b](https://example.com \"&#xFFFF;\")",
        ] {
            let found = messages(written);
            assert_eq!(found.len(), 1, "{written}");
            assert_eq!(found[0].0, 3, "{written}");
            assert!(found[0].1.contains("which XML 1.0 forbids"), "{found:?}");
            assert_eq!(xml::first_forbidden(&html(written, 2)), None, "{written}");
            assert_eq!(xml::first_forbidden(&text(written)), None, "{written}");
        }
        assert_eq!(messages("[b](https://example.com/&#xFFFE;)").len(), 1);
    }
}
