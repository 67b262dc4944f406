//! The types a value can have, and the reading of one.
//!
//! A value arrives as a [`Node`], from YAML or made from the text of a variable or an option, and leaves as JSON that
//! fits the section's field. Messages name what would be right; for a secret they never say what was there.

use std::str::FromStr;

use serde_json::Value;

use super::load::yaml::{Data, Node, Problem};
use super::{Amount, Network, Span};

/// Type and range of a value.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Integer {
        /// Smallest value allowed.
        min: i64,
        /// Largest value allowed.
        max: i64,
    },
    /// An exact decimal.
    Amount {
        /// Most decimal places allowed.
        places: usize,
        /// Smallest value allowed.
        min: Amount,
        /// Largest value allowed.
        max: Amount,
        /// Whether `null` (no value) is allowed.
        nullable: bool,
    },
    /// Any text.
    Text,
    /// A text that is never shown.
    Secret,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A length of time with its unit, see [`Span`].
    Span,
    /// An IANA time zone name.
    Timezone,
    /// A list of texts.
    Texts,
    /// A list of IP addresses and CIDR ranges, see [`Network`].
    Networks,
    /// A list of amounts of money with at most 2 decimal places.
    Prices,
}

/// The largest amount that can be configured: exact in a double with 6 places, far above any sensible value.
const LARGEST: Amount = Amount::whole(999_999_999);

impl Kind {
    /// A whole number in a range.
    pub const fn integer(min: i64, max: i64) -> Self {
        Self::Integer { min, max }
    }

    /// An amount from zero up, with at most 6 decimal places.
    pub const fn amount() -> Self {
        Self::Amount { places: 6, min: Amount::whole(0), max: LARGEST, nullable: false }
    }

    /// An amount above zero, with at most 6 decimal places.
    pub const fn positive() -> Self {
        Self::Amount { places: 6, min: Amount::from_micros(1), max: LARGEST, nullable: false }
    }

    /// An amount from zero up, or null.
    pub const fn optional_amount() -> Self {
        Self::Amount { places: 6, min: Amount::whole(0), max: LARGEST, nullable: true }
    }

    /// An amount of money that can be paid: from 0.01, at most 2 decimal places.
    pub const fn price() -> Self {
        Self::Amount { places: 2, min: Amount::from_micros(10_000), max: LARGEST, nullable: false }
    }

    /// Whether the value is a list.
    fn is_list(self) -> bool {
        matches!(self, Self::Texts | Self::Networks | Self::Prices)
    }

    /// Whether the value, or an element of it, is text, so that in YAML it may stand in quotes.
    fn is_text(self) -> bool {
        !matches!(self, Self::Bool | Self::Integer { .. } | Self::Amount { .. } | Self::Prices)
    }

    /// Reads a value as it stands in YAML, where the form tells the type.
    pub fn read(self, node: &Node) -> Result<Value, Problem> {
        if !self.is_list() {
            return self.scalar(node).map_err(|message| Problem { line: node.line, message });
        }
        let Data::List(elements) = &node.data else {
            return Err(Problem { line: node.line, message: "must be a list, such as [a, b]".into() });
        };
        let read = |element: &Node| {
            let wrong = |message| Problem { line: element.line, message: format!("has an element that {message}") };
            self.scalar(element).map_err(wrong)
        };
        elements.iter().map(read).collect()
    }

    /// Reads a value from plain text (a variable, an option), where everything is text: lists are comma-separated or a
    /// JSON array.
    pub fn read_text(self, text: &str) -> Result<Value, String> {
        let node = |text: String| Node { line: 0, data: Data::Scalar { text, plain: !self.is_text() } };
        let node = if self.is_list() {
            Node { line: 0, data: Data::List(split(text)?.into_iter().map(node).collect()) }
        } else {
            node(text.to_owned())
        };
        self.read(&node).map_err(|problem| problem.message)
    }

    fn scalar(self, node: &Node) -> Result<Value, String> {
        match self {
            Self::Text | Self::Secret => text(node).map(Value::from),
            Self::Texts => text(node).and_then(not_empty).map(Value::from),
            Self::Bool => boolean(node),
            Self::Integer { min, max } => integer(node, min, max),
            Self::Amount { nullable: true, .. } if node.is_null() => Ok(Value::Null),
            Self::Amount { places, min, max, .. } => amount(node, places, min, max),
            Self::Prices => Self::price().scalar(node),
            Self::Choice(words) => choice(node, words),
            Self::Span => parsed::<Span>(node),
            Self::Networks => parsed::<Network>(node),
            Self::Timezone => timezone(node),
        }
    }
}

/// The elements of a list given as text.
fn split(text: &str) -> Result<Vec<String>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(Vec::new());
    }
    if !text.starts_with('[') {
        return Ok(text.split(',').map(|element| element.trim().to_owned()).collect());
    }
    let element = |value: Value| match value {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err("must be a list of texts or numbers".to_owned()),
    };
    let values: Vec<Value> = serde_json::from_str(text).map_err(|_| "must be comma-separated or a JSON array")?;
    values.into_iter().map(element).collect()
}

/// A text: in quotes, or bare and not readable as anything else.
fn text(node: &Node) -> Result<&str, String> {
    match &node.data {
        Data::Scalar { text, plain: false } => Ok(text),
        Data::Scalar { .. } if node.is_null() => Err("must be text; write \"\" for none".into()),
        Data::Scalar { text, .. } if matches!(text.as_str(), "true" | "false") || is_number(text) => {
            Err("must be text; put it in quotes".into())
        }
        Data::Scalar { text, .. } => Ok(text),
        _ => Err("must be text".into()),
    }
}

/// Whether YAML takes the bare text for a number. Words that only Rust takes for one (`inf`, `nan`) are words.
fn is_number(text: &str) -> bool {
    text.bytes().any(|b| b.is_ascii_digit()) && text.parse::<f64>().is_ok()
}

fn not_empty(text: &str) -> Result<&str, String> {
    if text.is_empty() { Err("must not be empty".into()) } else { Ok(text) }
}

/// The text of a scalar, in quotes or not, for kinds that a number can never pass for; of anything else an empty one.
fn any_scalar(node: &Node) -> &str {
    match &node.data {
        Data::Scalar { text, .. } => text,
        _ => "",
    }
}

/// What stands there without quotes; a number or `true` in quotes is a text.
fn bare(node: &Node) -> Option<&str> {
    match &node.data {
        Data::Scalar { text, plain: true } => Some(text),
        _ => None,
    }
}

fn boolean(node: &Node) -> Result<Value, String> {
    match bare(node) {
        Some("true") => Ok(true.into()),
        Some("false") => Ok(false.into()),
        _ => Err(format!("must be true or false{}", instead(node))),
    }
}

fn integer(node: &Node, min: i64, max: i64) -> Result<Value, String> {
    let number = bare(node).and_then(|text| text.parse::<i64>().ok());
    match number {
        Some(number) if (min..=max).contains(&number) => Ok(number.into()),
        _ => Err(format!("must be a whole number from {min} to {max}{}", instead(node))),
    }
}

fn amount(node: &Node, places: usize, min: Amount, max: Amount) -> Result<Value, String> {
    let text = bare(node).ok_or_else(|| format!("must be a number{}", instead(node)))?;
    let amount: Amount = text.parse().map_err(|message| format!("{message}{}", instead(node)))?;
    if amount.places() > places {
        return Err(format!("must have at most {places} decimal places{}", instead(node)));
    }
    if amount < min || amount > max {
        return Err(format!("must be from {min} to {max}{}", instead(node)));
    }
    Ok(text.into())
}

fn choice(node: &Node, words: &[&str]) -> Result<Value, String> {
    match text(node) {
        Ok(word) if words.contains(&word) => Ok(word.into()),
        _ => Err(format!("must be one of {}{}", words.join(", "), instead(node))),
    }
}

fn parsed<T: FromStr<Err = &'static str>>(node: &Node) -> Result<Value, String> {
    let text = any_scalar(node);
    text.parse::<T>().map(|_| text.into()).map_err(|message| format!("{message}{}", instead(node)))
}

fn timezone(node: &Node) -> Result<Value, String> {
    let name = any_scalar(node);
    let known = name.parse::<chrono_tz::Tz>();
    known.map(|_| name.into()).map_err(|_| format!("must be an IANA time zone such as Asia/Shanghai{}", instead(node)))
}

/// What was there instead; the callers are kinds that hold no secret.
fn instead(node: &Node) -> String {
    match &node.data {
        Data::Scalar { .. } if node.is_null() => ", not null".into(),
        Data::Scalar { text, .. } => format!(", not {text:?}"),
        Data::List(_) => ", not a list".into(),
        Data::Map(_) => ", not a section".into(),
    }
}
