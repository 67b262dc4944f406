//! JSON as text: checked, measured and cut without being rewritten, so that what was sent is what is stored.

use serde::de::IgnoredAny;

/// Deepest nesting of arrays and objects that is taken.
pub const MAX_DEPTH: usize = 128;

/// Why a text is not taken as a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Not JSON: what, and at which line and column.
    Syntax(String),
    /// Nested deeper than [`MAX_DEPTH`].
    Depth,
}

/// Checks that `text` is one JSON value, not nested too deeply.
///
/// # Errors
/// Why it is not.
pub fn check(text: &str) -> Result<(), Refused> {
    // Looked at first: the depth of what is no JSON at all does not matter, but must not cost a stack either.
    if depth(text) > MAX_DEPTH {
        return Err(Refused::Depth);
    }
    serde_json::from_str::<IgnoredAny>(text).map(|_| ()).map_err(|error| {
        let message = error.to_string();
        let what = message.split(" at line ").next().unwrap_or_default();
        Refused::Syntax(format!("{what} at line {}, column {}", error.line(), error.column()))
    })
}

/// The deepest nesting of arrays and objects.
fn depth(text: &str) -> usize {
    let (mut deepest, mut now, mut scan) = (0, 0_usize, Scan::default());
    for byte in text.bytes() {
        match scan.outside_strings(byte) {
            Some(b'{' | b'[') => {
                now += 1;
                deepest = deepest.max(now);
            }
            Some(b'}' | b']') => now = now.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Tells what stands inside strings from what does not.
#[derive(Default)]
struct Scan {
    in_string: bool,
    escaped: bool,
}

impl Scan {
    /// The byte, if it is not part of a string (its quotes included).
    fn outside_strings(&mut self, byte: u8) -> Option<u8> {
        if self.escaped {
            self.escaped = false;
        } else if self.in_string {
            match byte {
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
        } else if byte == b'"' {
            self.in_string = true;
        } else {
            return Some(byte);
        }
        None
    }
}

/// Byte ranges of one member of an object: name to end of value.
struct Member {
    start: usize,
    value: std::ops::Range<usize>,
    /// Where the comma after it stands, or the closing brace.
    end: usize,
}

/// The members of the object that `text` is; none when it is something else or no JSON.
fn members(text: &str) -> Vec<Member> {
    let inner = text.trim_start();
    if !inner.starts_with('{') || check(text).is_err() {
        return Vec::new();
    }
    let open = text.len() - inner.len();
    let (mut found, mut scan, mut level) = (Vec::new(), Scan::default(), 0_usize);
    let (mut start, mut colon) = (open + 1, None);
    for (at, byte) in text.bytes().enumerate().skip(open) {
        let outside = scan.outside_strings(byte);
        match outside {
            Some(b'{' | b'[') => level += 1,
            Some(b':') if level == 1 && colon.is_none() => colon = Some(at),
            Some(b'}' | b']' | b',') => {
                let ends = level == 1;
                if byte != b',' {
                    level -= 1;
                }
                if ends && let Some(colon) = colon.take() {
                    found.push(Member { start, value: colon + 1..at, end: at });
                    start = at + 1;
                }
            }
            _ => {}
        }
    }
    found
}

fn is_named(text: &str, member: &Member, name: &str) -> bool {
    let written = text.get(member.start..member.value.start.saturating_sub(1)).unwrap_or_default();
    serde_json::from_str::<String>(written.trim()).is_ok_and(|written| written == name)
}

/// The value of a top-level member, if it is there and a string. Of doubles the last counts, as everywhere.
#[must_use]
pub fn string_member(text: &str, name: &str) -> Option<String> {
    // Most bodies hold no such name at all; a name may be written with escapes, though.
    if !text.contains(name) && !text.contains('\\') {
        return None;
    }
    let member = members(text).into_iter().rfind(|member| is_named(text, member, name))?;
    serde_json::from_str(text.get(member.value)?.trim()).ok()
}

/// The text without that top-level member, the rest untouched.
#[must_use]
pub fn cut_member(text: &str, name: &str) -> String {
    let members = members(text);
    let Some(first) = members.first().map(|member| member.start) else { return text.to_owned() };
    let kept: Vec<&str> = members
        .iter()
        .filter(|member| !is_named(text, member, name))
        .filter_map(|member| text.get(member.start..member.end))
        .collect();
    let end = members.last().map_or(first, |member| member.end);
    let (head, tail) = (text.get(..first).unwrap_or_default(), text.get(end..).unwrap_or_default());
    format!("{head}{}{tail}", kept.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_leaves_every_other_byte_as_it_was() {
        let cases = [
            (r#"{"token":"x","a":1}"#, r#"{"a":1}"#),
            (r#"{"a":1.50, "token" : "x"}"#, r#"{"a":1.50}"#),
            (r#"{ "a" : [1,{"token":"in"}] ,"token":"x", "b":"}," }"#, r#"{ "a" : [1,{"token":"in"}] , "b":"}," }"#),
            (r#"{"token":"x"}"#, "{}"),
            (r#"{"a":"\"token\":"}"#, r#"{"a":"\"token\":"}"#),
            (r#"{"tok\u0065n":"x","a":{}}"#, r#"{"a":{}}"#),
            (r#"["token"]"#, r#"["token"]"#),
            ("{}", "{}"),
        ];
        for (text, expected) in cases {
            assert_eq!(cut_member(text, "token"), expected, "{text}");
        }
    }

    #[test]
    fn a_member_is_found_only_at_the_top_and_only_as_a_string() {
        assert_eq!(string_member(r#"{"token":"x"}"#, "token").as_deref(), Some("x"));
        assert_eq!(string_member(r#" {"a":{"b":[","]},"token": "y" }"#, "token").as_deref(), Some("y"));
        assert_eq!(string_member(r#"{"a":{"token":"x"}}"#, "token"), None);
        assert_eq!(string_member(r#"{"token":1}"#, "token"), None);
        assert_eq!(string_member(r#"{"token":"x""#, "token"), None, "not JSON");
        assert_eq!(string_member(r#""token""#, "token"), None);
    }

    #[test]
    fn nesting_is_taken_up_to_the_limit_and_no_deeper() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(check(&nested(MAX_DEPTH)), Ok(()));
        assert_eq!(check(&nested(MAX_DEPTH + 1)), Err(Refused::Depth));
        assert_eq!(check(&"[".repeat(20_000)), Err(Refused::Depth));
        assert_eq!(check(r#""[[[[\"[[""#), Ok(()), "brackets in strings do not count");
    }

    #[test]
    fn only_one_whole_json_value_is_taken() {
        for good in ["null", "0", "-1.5e300", "\"é\"", "[]", "{}", " [1, 2] ", "123456789012345678901234567890"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in ["", " ", "nul", "01", "[1,]", "{\"a\"}", "{} {}", "\"\u{1}\"", "'a'", "NaN"] {
            assert!(matches!(check(bad), Err(Refused::Syntax(_))), "{bad}");
        }
    }
}
