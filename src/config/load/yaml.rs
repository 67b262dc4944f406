//! YAML as a tree that keeps what a configuration needs: the text of each scalar as it was written, every pair of a
//! mapping (twice the same key included), and the line of everything. Anchors, aliases and tags are refused.

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};

/// The deepest nesting read.
const MAX_DEPTH: usize = 16;

/// A YAML node and the line it starts in, from 1.
pub struct Node {
    /// Line of its first character.
    pub line: usize,
    /// What it holds.
    pub data: Data,
}

/// What a node holds. Has no `Debug`: it may be a secret.
pub enum Data {
    /// A scalar; `plain` when it stands without quotes, and so may be a number, a boolean or null.
    Scalar {
        /// The text, quotes and escapes resolved.
        text: String,
        /// Written without quotes.
        plain: bool,
    },
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order of the file.
    Map(Vec<Pair>),
}

/// A key of a mapping and its value.
pub struct Pair {
    /// The key's text.
    pub name: String,
    /// The key's line.
    pub line: usize,
    /// The value.
    pub value: Node,
}

/// Something wrong at a line.
#[derive(Debug)]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

impl Node {
    /// `null`, `~` or nothing at all.
    pub fn is_null(&self) -> bool {
        matches!(&self.data, Data::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null"))
    }
}

/// Reads a file's only document; `None` when it holds nothing but comments.
pub fn read(text: &str) -> Result<Option<Node>, Problem> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut events = Events { parser: Parser::new_from_str(text) };
    let mut document = None;
    loop {
        match events.next()? {
            (Event::StreamEnd, _) => return Ok(document),
            (Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing, _) => {}
            (_, line) if document.is_some() => return problem(line, "a second document starts here; one is allowed"),
            (event, line) => document = Some(events.node(event, line, 0)?).filter(|node| !node.is_null()),
        }
    }
}

fn problem<T>(line: usize, message: &str) -> Result<T, Problem> {
    Err(Problem { line, message: message.to_owned() })
}

/// The parser's events with their lines.
struct Events<'a> {
    parser: Parser<'a, StrInput<'a>>,
}

impl<'a> Events<'a> {
    fn next(&mut self) -> Result<(Event<'a>, usize), Problem> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, span.start.line())),
            // The parser's messages are fixed texts, they quote nothing of the file.
            Some(Err(error)) => problem(error.marker().line(), &format!("is not valid YAML: {}", error.info())),
            None => Ok((Event::StreamEnd, 0)),
        }
    }

    /// The node that begins with `event`.
    fn node(&mut self, event: Event<'a>, line: usize, depth: usize) -> Result<Node, Problem> {
        if depth > MAX_DEPTH {
            return problem(line, "is nested too deeply");
        }
        let data = match event {
            Event::Scalar(text, style, 0, None) => {
                Data::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain }
            }
            Event::SequenceStart(0, None) => Data::List(self.list(depth)?),
            Event::MappingStart(0, None) => Data::Map(self.map(depth)?),
            _ => return problem(line, "uses an anchor, an alias or a tag; these are not read"),
        };
        Ok(Node { line, data })
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Problem> {
        let mut elements = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(elements),
                (event, line) => elements.push(self.node(event, line, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Vec<Pair>, Problem> {
        let mut pairs = Vec::new();
        loop {
            let (event, line) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(pairs);
            }
            let Data::Scalar { text: name, .. } = self.node(event, line, depth + 1)?.data else {
                return problem(line, "has a list or a mapping where a key should be");
            };
            let (event, value_line) = self.next()?;
            pairs.push(Pair { name, line, value: self.node(event, value_line, depth + 1)? });
        }
    }
}
