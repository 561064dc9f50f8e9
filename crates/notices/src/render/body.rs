//! Conversion of a notice's Markdown text into HTML and plain text.

use pulldown_cmark::{Event, LinkType, Parser, Tag, TagEnd, html};

/// The problems of a text, as texts for operators.
pub fn problems(markdown: &str) -> Vec<String> {
    let mut problems = Vec::new();
    for event in Parser::new(markdown) {
        match event {
            Event::Start(Tag::Image { .. }) => {
                problems.push("has an image: mails must not have remote content".to_owned());
            }
            Event::Html(_) | Event::InlineHtml(_) => {
                problems.push("has HTML: use Markdown".to_owned());
            }
            Event::Start(Tag::Link { dest_url, .. }) if !is_allowed(&dest_url) => {
                problems.push(format!(
                    "links to {dest_url}: a link must start with https:// or mailto:"
                ));
            }
            _ => {}
        }
    }
    problems.dedup();
    problems
}

fn is_allowed(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or(url.strip_prefix("mailto:"));
    rest.is_some_and(|rest| !rest.is_empty())
        && !url.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// Converts a text into HTML. HTML in the text is escaped; images and invalid links are removed.
pub fn html(markdown: &str) -> String {
    let mut is_dropped = Vec::new();
    let events = Parser::new(markdown).filter_map(|event| match event {
        Event::Html(text) | Event::InlineHtml(text) => Some(Event::Text(text)),
        Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => None,
        Event::Start(Tag::Link { ref dest_url, .. }) => {
            let is_bad = !is_allowed(dest_url);
            is_dropped.push(is_bad);
            (!is_bad).then_some(event)
        }
        Event::End(TagEnd::Link) => (is_dropped.pop() == Some(false)).then_some(event),
        // The first two levels are reserved for the page's own headings.
        Event::Start(Tag::Heading {
            id, classes, attrs, ..
        }) => Some(Event::Start(Tag::Heading {
            level: pulldown_cmark::HeadingLevel::H3,
            id,
            classes,
            attrs,
        })),
        Event::End(TagEnd::Heading(_)) => Some(Event::End(TagEnd::Heading(
            pulldown_cmark::HeadingLevel::H3,
        ))),
        other => Some(other),
    });
    let mut page = String::new();
    html::push_html(&mut page, events);
    page
}

/// Converts a text into plain text with paragraphs, lists and the URLs of links.
pub fn text(markdown: &str) -> String {
    let mut out = PlainText::default();
    for event in Parser::new(markdown) {
        out.push(event);
    }
    out.text.trim_end().to_owned()
}

#[derive(Default)]
struct PlainText {
    text: String,
    /// The next number of each open list; `None` for an unnumbered list.
    lists: Vec<Option<u64>>,
    link: Option<(String, usize)>,
}

impl PlainText {
    fn push(&mut self, event: Event<'_>) {
        match event {
            Event::Text(text) | Event::Code(text) | Event::Html(text) | Event::InlineHtml(text) => {
                self.text.push_str(&text);
            }
            Event::SoftBreak | Event::HardBreak => {
                self.text.push('\n');
                self.indent();
            }
            Event::Rule => self.block("----------\n"),
            Event::Start(Tag::Paragraph) if self.lists.is_empty() => self.block(""),
            Event::Start(Tag::Heading { .. }) => self.block("■ "),
            Event::Start(Tag::BlockQuote(_)) => self.block("> "),
            Event::Start(Tag::List(first)) => {
                if self.lists.is_empty() {
                    self.block("");
                }
                self.lists.push(first);
            }
            Event::Start(Tag::Item) => {
                self.line();
                self.text
                    .push_str(&"  ".repeat(self.lists.len().saturating_sub(1)));
                match self.lists.last_mut() {
                    Some(Some(number)) => {
                        self.text.push_str(&format!("{number}. "));
                        *number += 1;
                    }
                    _ => self.text.push_str("- "),
                }
            }
            Event::Start(Tag::Link {
                dest_url,
                link_type,
                ..
            }) => {
                let is_itself = matches!(link_type, LinkType::Autolink | LinkType::Email);
                self.link = (!is_itself).then(|| (dest_url.into_string(), self.text.len()));
            }
            Event::End(TagEnd::Link) => {
                if let Some((url, start)) = self.link.take()
                    && self.text.get(start..) != Some(url.as_str())
                {
                    self.text.push_str(&format!(" ( {url} )"));
                }
            }
            Event::End(TagEnd::List(_)) => {
                self.lists.pop();
                self.line();
            }
            Event::End(TagEnd::Paragraph | TagEnd::Heading(_) | TagEnd::CodeBlock) => self.line(),
            _ => {}
        }
    }

    /// Starts a block after an empty line.
    fn block(&mut self, mark: &str) {
        self.line();
        // A paragraph in a block quote follows the quote's mark on the same line.
        if !self.text.is_empty() && !self.text.ends_with("\n\n") && !self.text.ends_with("> ") {
            self.text.push('\n');
        }
        self.text.push_str(mark);
    }

    fn line(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with('\n') && !self.text.ends_with("> ") {
            self.text.push('\n');
        }
    }

    fn indent(&mut self) {
        if !self.lists.is_empty() {
            self.text.push_str(&"  ".repeat(self.lists.len()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "シート 1.9.0 を公開します。\n一覧が*速く*なります。\n\n## 変わること\n\n- 一覧\n- 集計\n  - 合計\n\n1. one\n2. two\n\n> 引用\n\n詳しくは[お知らせ](https://example.com/a?b=1&c=2)、<https://example.com/>。";

    #[test]
    fn text_reads_without_markup() {
        let expected = "シート 1.9.0 を公開します。\n一覧が速くなります。\n\n■ 変わること\n\n- 一覧\n- 集計\n  - 合計\n\n1. one\n2. two\n\n> 引用\n\n詳しくはお知らせ ( https://example.com/a?b=1&c=2 )、https://example.com/。";
        assert_eq!(text(SAMPLE), expected);
    }

    #[test]
    fn html_has_only_allowed_elements() {
        let page = html(SAMPLE);
        assert!(page.contains("<h3>変わること</h3>"), "{page}");
        assert!(
            page.contains(r#"<a href="https://example.com/a?b=1&amp;c=2">"#),
            "{page}"
        );
        let hostile = "a <script>alert(1)</script> ![x](https://example.com/x.png)\n\n\
                       [a](javascript:alert(1)) [b](http://example.com)\n\n<div onclick=x>";
        let page = html(hostile);
        for forbidden in ["<script", "<img", "href", "<div"] {
            assert!(!page.contains(forbidden), "{forbidden} in {page}");
        }
        let expected = [
            "has HTML: use Markdown",
            "has an image: mails must not have remote content",
            "links to javascript:alert(1): a link must start with https:// or mailto:",
            "links to http://example.com: a link must start with https:// or mailto:",
            "has HTML: use Markdown",
        ];
        assert_eq!(problems(hostile), expected);
        assert_eq!(problems(SAMPLE), Vec::<String>::new());
    }
}
