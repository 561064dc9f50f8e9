//! A document as plain text: paragraphs, lists, quotations and the URLs of links.

use comrak::arena_tree::NodeEdge;
use comrak::nodes::{ListType, Node, NodeValue};

/// Converts a document into plain text.
pub(super) fn text(root: Node<'_>) -> String {
    let mut out = PlainText::default();
    for edge in root.traverse() {
        match edge {
            NodeEdge::Start(node) => out.start(node),
            NodeEdge::End(node) => out.end(node),
        }
    }
    out.text.trim_end().to_owned()
}

#[derive(Default)]
struct PlainText {
    text: String,
    /// The line that is being written, without its prefixes.
    line: String,
    /// What each line begins with, from the outermost block to the innermost.
    prefixes: Vec<Prefix>,
    /// The next number of each open list; `None` for an unnumbered list.
    lists: Vec<Option<usize>>,
    /// Where the text of the open link starts in the line.
    link: usize,
}

/// The beginning of the lines of a quotation or of a list's item.
struct Prefix {
    /// The beginning of the first line, until it has been written.
    first: Option<String>,
    rest: String,
}

impl PlainText {
    fn start(&mut self, node: Node<'_>) {
        match &node.data().value {
            NodeValue::Text(text) => self.line.push_str(text),
            NodeValue::Code(code) => self.line.push_str(&code.literal),
            NodeValue::HtmlInline(html) => self.line.push_str(html),
            NodeValue::SoftBreak | NodeValue::LineBreak => self.end_line(),
            NodeValue::Link(_) => self.link = self.line.len(),
            NodeValue::Paragraph => self.separate(node),
            NodeValue::Heading(_) => {
                self.separate(node);
                self.line.push_str("■ ");
            }
            NodeValue::ThematicBreak => {
                self.separate(node);
                self.line.push_str("----------");
                self.end_line();
            }
            NodeValue::CodeBlock(code) => {
                self.separate(node);
                self.lines(&code.literal);
            }
            NodeValue::HtmlBlock(html) => {
                self.separate(node);
                self.lines(&html.literal);
            }
            NodeValue::BlockQuote => {
                self.separate(node);
                self.prefixes.push(Prefix {
                    first: None,
                    rest: "> ".to_owned(),
                });
            }
            NodeValue::List(list) => {
                self.separate(node);
                let is_numbered = list.list_type == ListType::Ordered;
                self.lists.push(is_numbered.then_some(list.start));
            }
            NodeValue::Item(_) => {
                self.separate(node);
                let mark = match self.lists.last_mut() {
                    Some(Some(number)) => {
                        let mark = format!("{number}. ");
                        *number = number.saturating_add(1);
                        mark
                    }
                    _ => "- ".to_owned(),
                };
                self.prefixes.push(Prefix {
                    first: Some(mark),
                    rest: "  ".to_owned(),
                });
            }
            _ => {}
        }
    }

    fn end(&mut self, node: Node<'_>) {
        match &node.data().value {
            NodeValue::Link(link) => {
                let shown = self.line.get(self.link..).unwrap_or_default();
                let is_itself =
                    link.url == shown || link.url.strip_prefix("mailto:") == Some(shown);
                if !is_itself {
                    self.line.push_str(&format!(" ( {} )", link.url));
                }
            }
            NodeValue::Paragraph | NodeValue::Heading(_) => self.end_line(),
            NodeValue::BlockQuote => {
                self.prefixes.pop();
            }
            NodeValue::Item(_) => {
                // An item without content.
                if self.prefixes.last().is_some_and(|of| of.first.is_some()) {
                    self.end_line();
                }
                self.prefixes.pop();
            }
            NodeValue::List(_) => {
                self.lists.pop();
            }
            _ => {}
        }
    }

    /// Writes an empty line before a block, unless it is the first one of its parent or belongs to a
    /// list whose items follow each other without one.
    fn separate(&mut self, node: Node<'_>) {
        let item = match &node.data().value {
            NodeValue::Item(_) => Some(node),
            _ => node
                .parent()
                .filter(|parent| matches!(parent.data().value, NodeValue::Item(_))),
        };
        let list = item.and_then(|item| item.parent());
        let is_tight =
            list.is_some_and(|list| matches!(&list.data().value, NodeValue::List(of) if of.tight));
        if node.previous_sibling().is_some() && !is_tight {
            self.end_line();
        }
    }

    fn lines(&mut self, text: &str) {
        for line in text.lines() {
            self.line.push_str(line);
            self.end_line();
        }
    }

    fn end_line(&mut self) {
        let start = self.text.len();
        for prefix in &mut self.prefixes {
            let first = prefix.first.take();
            self.text.push_str(first.as_deref().unwrap_or(&prefix.rest));
        }
        self.text.push_str(&self.line);
        self.line.clear();
        self.text
            .truncate(start + self.text[start..].trim_end_matches(' ').len());
        self.text.push('\n');
    }
}
