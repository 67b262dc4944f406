//! Compression of answers that are worth it.

use actix_http::encoding::Encoder;
use actix_web::{
    HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
    http::{
        StatusCode,
        header::{self, ContentEncoding, HeaderMap, HeaderValue},
    },
};

/// Bodies up to this size are sent as they are, in bytes.
const SMALL: u64 = 1024;
/// What we speak, best first.
const CODINGS: [(&str, ContentEncoding); 3] =
    [("zstd", ContentEncoding::Zstd), ("br", ContentEncoding::Brotli), ("gzip", ContentEncoding::Gzip)];

/// Compresses the answer if it is long enough, of a kind that shrinks, and the client takes it.
pub(super) fn apply(asked: &HeaderMap, response: HttpResponse) -> HttpResponse {
    if matches!(response.body().size(), BodySize::None | BodySize::Sized(0..=SMALL)) || !shrinks(&response) {
        return response;
    }
    let accepted = asked.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    let Some(coding) = accepted.and_then(choose) else {
        let mut response = response;
        response.headers_mut().append(header::VARY, HeaderValue::from_static("accept-encoding"));
        return response;
    };
    response.map_body(|head, body| {
        // RFC 9110 §8.8.3.3: another coding is another representation, so the tag holds only weakly.
        if let Some(weak) = head.headers.get(header::ETAG).and_then(weakened) {
            head.headers.insert(header::ETAG, weak);
        }
        BoxBody::new(Encoder::response(coding, head, body)) // sets Content-Encoding and Vary
    })
}

fn shrinks(response: &HttpResponse) -> bool {
    let headers = response.headers();
    let status = response.status();
    if status == StatusCode::PARTIAL_CONTENT || headers.contains_key(header::CONTENT_ENCODING) {
        return false;
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    match kind.split_once('/') {
        // An event has to leave at once, not when a block is full.
        Some(("text", sub)) => sub != "event-stream",
        Some(("application", sub)) => {
            matches!(sub, "json" | "javascript" | "xml" | "yaml" | "x-ndjson" | "wasm")
                || sub.ends_with("+json")
                || sub.ends_with("+xml")
        }
        Some(("image", sub)) => sub == "svg+xml",
        _ => false,
    }
}

fn weakened(tag: &HeaderValue) -> Option<HeaderValue> {
    let tag = tag.to_str().ok().filter(|tag| tag.starts_with('"'))?;
    HeaderValue::from_str(&format!("W/{tag}")).ok()
}

/// The coding with the highest weight (RFC 9110 §12.5.3); of equals the one we like best; none if the client wants
/// its answer as it is.
fn choose(accepted: &str) -> Option<ContentEncoding> {
    let weight = |name: &str| {
        let mut any = 0;
        for item in accepted.split(',') {
            let (coding, weight) = item.split_once(';').unwrap_or((item, ""));
            let coding = coding.trim();
            let coding = if coding.eq_ignore_ascii_case("x-gzip") { "gzip" } else { coding };
            if coding.eq_ignore_ascii_case(name) {
                return thousandths(weight);
            }
            if coding == "*" {
                any = thousandths(weight);
            }
        }
        any
    };
    let mut best = None;
    for (name, coding) in CODINGS {
        let weight = weight(name);
        if weight > best.map_or(0, |(most, _)| most) {
            best = Some((weight, coding));
        }
    }
    best.map(|(_, coding)| coding)
}

/// `q=0.5` as 500; 1000 when there is none, 0 when it cannot be read.
fn thousandths(weight: &str) -> u32 {
    let weight = weight.trim();
    if weight.is_empty() {
        return 1000;
    }
    let number = weight.strip_prefix("q=").or_else(|| weight.strip_prefix("Q=")).and_then(|q| q.trim().parse().ok());
    match number {
        Some(q) if (0.0..=1.0_f32).contains(&q) => {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 1000")]
            {
                (q * 1000.0) as u32
            }
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_s_weights_decide_and_ours_between_equals() {
        assert_eq!(choose("gzip, deflate, br, zstd"), Some(ContentEncoding::Zstd));
        assert_eq!(choose("gzip;q=1.0, zstd;q=0.5"), Some(ContentEncoding::Gzip));
        assert_eq!(choose("br"), Some(ContentEncoding::Brotli));
        assert_eq!(choose("*, zstd;q=0, br;q=0"), Some(ContentEncoding::Gzip));
    }

    #[test]
    fn nothing_is_compressed_for_who_does_not_take_it() {
        for accepted in ["", "identity", "deflate", "gzip;q=0", "gzip;q=nonsense", "*;q=0"] {
            assert_eq!(choose(accepted), None, "{accepted}");
        }
    }

    fn answer(kind: &str, size: usize) -> HttpResponse {
        HttpResponse::Ok().content_type(kind).insert_header((header::ETAG, "\"7\"")).body("x".repeat(size))
    }

    fn asking(accepted: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(accepted));
        headers
    }

    #[test]
    fn a_small_answer_names_no_coding() {
        let response = apply(&asking("gzip"), answer("application/json", 1024));
        assert!(!response.headers().contains_key(header::CONTENT_ENCODING));
        assert_eq!(response.headers().get(header::ETAG).unwrap(), "\"7\"");
    }

    #[test]
    fn events_and_pictures_are_left_alone() {
        for kind in ["text/event-stream", "image/png", "application/octet-stream"] {
            let response = apply(&asking("gzip"), answer(kind, 5000));
            assert!(!response.headers().contains_key(header::CONTENT_ENCODING), "{kind}");
        }
    }

    #[test]
    fn a_compressed_answer_has_a_weak_tag_and_varies() {
        let response = apply(&asking("gzip"), answer("application/problem+json", 1025));
        assert_eq!(response.headers().get(header::CONTENT_ENCODING).unwrap(), "gzip");
        assert_eq!(response.headers().get(header::ETAG).unwrap(), "W/\"7\"");
        assert_eq!(response.headers().get(header::VARY).unwrap(), "accept-encoding");
    }

    #[test]
    fn an_answer_that_could_have_been_compressed_varies_too() {
        let response = apply(&HeaderMap::new(), answer("application/json", 5000));
        assert!(!response.headers().contains_key(header::CONTENT_ENCODING));
        assert_eq!(response.headers().get(header::VARY).unwrap(), "accept-encoding");
    }
}
