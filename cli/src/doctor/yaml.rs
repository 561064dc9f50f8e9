//! YAML as CloudFormation and SAM read it: templates as JSON with the long forms of intrinsic
//! functions, and flat files of parameters.

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};
use serde_json::{Map, Value, json};

/// An error in a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub(crate) struct YamlError {
    /// The line number, starting with 1.
    pub(crate) line: usize,
    pub(crate) reason: String,
}

/// A node whose plain scalars are not typed yet.
#[derive(Clone, Debug, PartialEq)]
enum Node {
    Scalar {
        text: String,
        is_plain: bool,
    },
    List(Vec<Self>),
    Map(Vec<Entry>),
    /// A node with the short form of an intrinsic function, such as `!Ref`.
    Tagged(String, Box<Self>),
}

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    line: usize,
    key: String,
    value: Node,
}

/// A parameter in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    /// The line number, starting with 1.
    pub(crate) line: usize,
    pub(crate) name: String,
    /// The value that SAM passes to CloudFormation. An error if YAML would change what is written.
    pub(crate) value: Result<String, String>,
}

/// Parses a template. Short forms of intrinsic functions become long forms.
pub(crate) fn template(text: &str) -> Result<Value, YamlError> {
    Ok(value(parse(text)?))
}

/// Parses a flat file of parameters with lines `Name: value`. A list becomes its items joined by
/// commas.
pub(crate) fn parameters(text: &str) -> Result<Vec<Given>, YamlError> {
    let entries = match parse(text)? {
        Node::Map(entries) => entries,
        Node::Scalar { text, .. } if text.is_empty() => Vec::new(),
        _ => {
            return Err(YamlError {
                line: 1,
                reason: "expected lines of `Name: value`".to_owned(),
            });
        }
    };
    let given = entries.into_iter().map(|entry| Given {
        line: entry.line,
        name: entry.key,
        value: match entry.value {
            Node::List(items) => items
                .iter()
                .map(scalar)
                .collect::<Result<Vec<_>, _>>()
                .map(|items| items.join(",")),
            node => scalar(&node),
        },
    });
    Ok(given.collect())
}

fn scalar(node: &Node) -> Result<String, String> {
    match node {
        // The same as an empty value.
        Node::Scalar {
            text,
            is_plain: true,
        } if text == "null" || text == "~" => Ok(String::new()),
        Node::Scalar { text, is_plain } if *is_plain => match changed_by_yaml(text) {
            Some(reason) => Err(format!("{text} is {reason} to YAML: write it in quotes")),
            None => Ok(text.clone()),
        },
        Node::Scalar { text, .. } => Ok(text.clone()),
        _ => Err("expected a value or a list of values".to_owned()),
    }
}

/// Why YAML would change a plain scalar. SAM reads YAML 1.1.
fn changed_by_yaml(text: &str) -> Option<&'static str> {
    let lower = text.to_ascii_lowercase();
    if ["true", "false", "yes", "no", "on", "off"].contains(&lower.as_str()) {
        return Some("a truth value");
    }
    let digits = text.trim_start_matches(['+', '-']);
    let is_number_like = digits.starts_with(|first: char| first.is_ascii_digit())
        || digits
            .strip_prefix('.')
            .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()));
    if !is_number_like {
        return None;
    }
    let is_plain_number = digits == text
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && (text.len() == 1 || !text.starts_with('0'));
    let looks_like_number = digits.bytes().all(|byte| {
        byte.is_ascii_hexdigit() || matches!(byte, b'_' | b'.' | b'x' | b'o' | b':' | b'+' | b'-')
    });
    let is_date = text.len() == 10
        && text.bytes().enumerate().all(|(index, byte)| match index {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    // Texts with a slash (address ranges) or commas (lists) do not change.
    match () {
        () if is_plain_number => None,
        () if is_date => Some("a date"),
        () if looks_like_number && !digits.contains("::") => Some("another number"),
        () => None,
    }
}

/// Types a plain scalar by the YAML core schema.
fn typed(text: &str) -> Value {
    match text {
        "" | "~" | "null" => Value::Null,
        "true" => json!(true),
        "false" => json!(false),
        _ => text
            .parse::<i64>()
            .map_or_else(|_| json!(text), |number| json!(number)),
    }
}

fn value(node: Node) -> Value {
    match node {
        Node::Scalar { text, is_plain } if is_plain => typed(&text),
        Node::Scalar { text, .. } => Value::String(text),
        Node::List(items) => items.into_iter().map(value).collect(),
        Node::Map(entries) => {
            let entries = entries
                .into_iter()
                .map(|entry| (entry.key, value(entry.value)));
            Value::Object(entries.collect())
        }
        Node::Tagged(function, node) => {
            let argument = match (function.as_str(), *node) {
                ("GetAtt", Node::Scalar { text, .. }) => match text.split_once('.') {
                    Some((resource, attribute)) => json!([resource, attribute]),
                    None => json!(text),
                },
                // The argument of a function is a text, such as a parameter's name.
                (_, Node::Scalar { text, .. }) => Value::String(text),
                (_, node) => value(node),
            };
            let name = match function.as_str() {
                "Ref" | "Condition" => function,
                _ => format!("Fn::{function}"),
            };
            Value::Object(Map::from_iter([(name, argument)]))
        }
    }
}

fn parse(text: &str) -> Result<Node, YamlError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut events = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| YamlError {
            line: error.marker().line(),
            reason: error.info().to_owned(),
        })?;
        events.push((event, span.start.line()));
    }
    let mut reader = Reader {
        events: events.into_iter().peekable(),
        line: 1,
    };
    reader.document()
}

struct Reader<'a, I: Iterator<Item = (Event<'a>, usize)>> {
    events: std::iter::Peekable<I>,
    line: usize,
}

impl<'a, I: Iterator<Item = (Event<'a>, usize)>> Reader<'a, I> {
    fn next(&mut self) -> Option<Event<'a>> {
        let (event, line) = self.events.next()?;
        self.line = line;
        Some(event)
    }

    fn error<T>(&self, reason: &str) -> Result<T, YamlError> {
        Err(YamlError {
            line: self.line,
            reason: reason.to_owned(),
        })
    }

    fn document(&mut self) -> Result<Node, YamlError> {
        let is_start = |event: &Event<'_>| {
            matches!(
                event,
                Event::StreamStart | Event::DocumentStart(_) | Event::Nothing
            )
        };
        while self.events.next_if(|(event, _)| is_start(event)).is_some() {}
        if matches!(self.events.peek(), None | Some((Event::StreamEnd, _))) {
            return Ok(Node::Scalar {
                text: String::new(),
                is_plain: true,
            });
        }
        self.node()
    }

    fn node(&mut self) -> Result<Node, YamlError> {
        let Some(event) = self.next() else {
            return self.error("the document ends too early");
        };
        let (node, tag) = match event {
            Event::Scalar(text, style, _, tag) => {
                let node = Node::Scalar {
                    text: text.into_owned(),
                    is_plain: style == ScalarStyle::Plain,
                };
                (node, tag)
            }
            Event::SequenceStart(_, tag) => (self.list()?, tag),
            Event::MappingStart(_, tag) => (self.map()?, tag),
            Event::Alias(_) => return self.error("aliases (*name) are not accepted here"),
            _ => return self.error("expected a value"),
        };
        let function = tag.and_then(|tag: std::borrow::Cow<'_, Tag>| {
            (tag.handle == "!").then(|| tag.suffix.clone())
        });
        Ok(match function {
            Some(function) => Node::Tagged(function, Box::new(node)),
            None => node,
        })
    }

    fn list(&mut self) -> Result<Node, YamlError> {
        let mut items = Vec::new();
        while !matches!(self.events.peek(), Some((Event::SequenceEnd, _))) {
            items.push(self.node()?);
        }
        self.next();
        Ok(Node::List(items))
    }

    fn map(&mut self) -> Result<Node, YamlError> {
        let mut entries: Vec<Entry> = Vec::new();
        while !matches!(self.events.peek(), Some((Event::MappingEnd, _))) {
            let Node::Scalar { text: key, .. } = self.node()? else {
                return self.error("expected a name");
            };
            let line = self.line;
            if entries.iter().any(|entry| entry.key == key) {
                return self.error(&format!("{key} appears twice"));
            }
            let value = self.node()?;
            entries.push(Entry { line, key, value });
        }
        self.next();
        Ok(Node::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_forms_become_long_ones() {
        let read = template(
            "A: !Ref B\nC: !GetAtt D.Arn\nE: !If [F, !Sub \"${G}\", 1]\nH: !Not [!Equals [!Ref I, \"\"]]\n\
             J: { Fn::Sub: x }\nK: true\nL: \"true\"\nM: |\n  text\n",
        );
        assert_eq!(
            read.unwrap(),
            json!({
                "A": {"Ref": "B"},
                "C": {"Fn::GetAtt": ["D", "Arn"]},
                "E": {"Fn::If": ["F", {"Fn::Sub": "${G}"}, 1]},
                "H": {"Fn::Not": [{"Fn::Equals": [{"Ref": "I"}, ""]}]},
                "J": {"Fn::Sub": "x"},
                "K": true,
                "L": "true",
                "M": "text\n",
            })
        );
    }

    #[test]
    fn a_file_of_parameters_is_read_as_sam_reads_it() {
        let text = "# a comment\nSenderName: 株式会社 サンプル\nStatusPage:\nEmpty: null\n\
                    Services: [1234, 1235]\nNone: []\nRanges:\n  - 103.79.14.0/24\n  - 2001:db8::/32\n\
                    Rate: 200 # a comment\nTrue: false\nQuoted: \"no\"\nZone: Asia/Tokyo\nOctal: 0100\n\
                    Time: 1:30\nMap: {a: b}\nArn: arn:aws:iam::123456789012:root\n";
        let read = parameters(text).unwrap();
        let seen: Vec<(usize, &str, Result<&str, &str>)> = read
            .iter()
            .map(|given| {
                let value = given.value.as_deref().map_err(String::as_str);
                (given.line, given.name.as_str(), value)
            })
            .collect();
        assert_eq!(
            seen,
            [
                (2, "SenderName", Ok("株式会社 サンプル")),
                (3, "StatusPage", Ok("")),
                (4, "Empty", Ok("")),
                (5, "Services", Ok("1234,1235")),
                (6, "None", Ok("")),
                (7, "Ranges", Ok("103.79.14.0/24,2001:db8::/32")),
                (10, "Rate", Ok("200")),
                (
                    11,
                    "True",
                    Err("false is a truth value to YAML: write it in quotes")
                ),
                (12, "Quoted", Ok("no")),
                (13, "Zone", Ok("Asia/Tokyo")),
                (
                    14,
                    "Octal",
                    Err("0100 is another number to YAML: write it in quotes")
                ),
                (
                    15,
                    "Time",
                    Err("1:30 is another number to YAML: write it in quotes")
                ),
                (16, "Map", Err("expected a value or a list of values")),
                (17, "Arn", Ok("arn:aws:iam::123456789012:root")),
            ]
        );
    }

    #[test]
    fn what_is_no_file_of_parameters_is_refused_with_its_line() {
        assert_eq!(parameters("").unwrap(), []);
        assert_eq!(parameters("# nothing\n").unwrap(), []);
        for (text, line) in [
            ("A: 1\nA: 2\n", 2),
            ("- a\n", 1),
            ("A: 1\nB: [\n", 3),
            ("A: b: c\n", 1),
        ] {
            let error = parameters(text).unwrap_err();
            assert_eq!(error.line, line, "{text:?}: {error}");
        }
    }
}
