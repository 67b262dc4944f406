//! Preconditions (RFC 9110 §13). The ETag of a key is its revision between double quotes.

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderName},
};

/// What a header asks of the key's present state.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Tags {
    /// `*`
    Any,
    /// These revisions; tags that cannot be ours are left out.
    These(Vec<i64>),
}

/// What has to hold before a key is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Precondition {
    if_match: Option<Tags>,
    if_none_match: Option<Tags>,
}

impl Precondition {
    /// From `If-Match` and `If-None-Match`.
    #[must_use]
    pub fn of(req: &HttpRequest) -> Self {
        Self { if_match: tags(req, &header::IF_MATCH, false), if_none_match: tags(req, &header::IF_NONE_MATCH, true) }
    }

    /// Nothing but this revision will do; 0: the key must be absent.
    #[must_use]
    pub fn revision(revision: i64) -> Self {
        if revision == 0 {
            return Self { if_match: None, if_none_match: Some(Tags::Any) };
        }
        Self { if_match: Some(Tags::These(vec![revision])), if_none_match: None }
    }

    /// Whether it holds for a key of that revision; `None`: the key is absent.
    #[must_use]
    pub fn holds(&self, revision: Option<i64>) -> bool {
        let matches = |tags: &Tags| match (tags, revision) {
            (_, None) => false,
            (Tags::Any, Some(_)) => true,
            (Tags::These(these), Some(revision)) => these.contains(&revision),
        };
        self.if_match.as_ref().is_none_or(matches) && !self.if_none_match.as_ref().is_some_and(matches)
    }
}

/// Whether the client has this revision already (`If-None-Match` of a GET).
#[must_use]
pub fn is_known(req: &HttpRequest, revision: i64) -> bool {
    match tags(req, &header::IF_NONE_MATCH, true) {
        None => false,
        Some(Tags::Any) => true,
        Some(Tags::These(these)) => these.contains(&revision),
    }
}

/// Weak tags count for `If-None-Match` only (RFC 9110 §13.1.1, §13.1.2).
fn tags(req: &HttpRequest, name: &HeaderName, weak: bool) -> Option<Tags> {
    if !req.headers().contains_key(name) {
        return None;
    }
    let mut these = Vec::new();
    for line in req.headers().get_all(name).filter_map(|value| value.to_str().ok()) {
        for tag in line.split(',').map(str::trim) {
            if tag == "*" {
                return Some(Tags::Any);
            }
            let strong = tag.strip_prefix("W/").filter(|_| weak).unwrap_or(tag);
            these.extend(strong.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')?.parse::<i64>().ok()));
        }
    }
    Some(Tags::These(these))
}

/// The ETag of a revision.
#[must_use]
pub fn etag(revision: i64) -> String {
    format!("\"{revision}\"")
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn preconditions_hold_as_rfc_9110_says() {
        let of = |name: &'static str, value: &'static str| {
            Precondition::of(&TestRequest::default().insert_header((name, value)).to_http_request())
        };
        let (absent, five) = (None, Some(5));
        for (condition, when_absent, when_five) in [
            (of("if-match", "\"5\""), false, true),
            (of("if-match", "\"4\", \"5\""), false, true),
            (of("if-match", "W/\"5\""), false, false),
            (of("if-match", "*"), false, true),
            (of("if-match", "nonsense"), false, false),
            (of("if-none-match", "*"), true, false),
            (of("if-none-match", "\"5\""), true, false),
            (of("if-none-match", "W/\"5\""), true, false),
            (of("if-none-match", "\"6\""), true, true),
            (Precondition::revision(0), true, false),
            (Precondition::revision(5), false, true),
            (Precondition::default(), true, true),
        ] {
            assert_eq!(condition.holds(absent), when_absent, "{condition:?} on an absent key");
            assert_eq!(condition.holds(five), when_five, "{condition:?} on revision 5");
        }
    }
}
