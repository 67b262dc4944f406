//! What the frame reads off a request before it is routed.

use std::{cell::Cell, time::Instant};

use actix_web::{
    HttpResponse,
    dev::ServiceRequest,
    http::{
        Method,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
};
use entity::UtcMillis;

use super::{Worker, unread::Held};
use crate::base::{error::Dialect, input::X_REQUEST_ID};

/// Which conventions hold at this path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Surface {
    /// `/apps`, `/devices`, `/kv`: browsers of other origins call it, and problems carry `message`.
    Store,
    /// `/wechat`: problems carry `message`.
    Wechat,
    /// `/public-api/refresh` and `/public-api/get-at`: problems carry oai-rt's envelope.
    OaiRt,
    /// `/gate`: answers a reverse proxy, with an empty body.
    Gate,
    /// Everything else.
    Plain,
}

impl Surface {
    pub(super) fn of(path: &str) -> Self {
        let is = |name: &str| path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if is("/kv") || is("/apps") || is("/devices") {
            Self::Store
        } else if is("/wechat") {
            Self::Wechat
        } else if matches!(path, "/public-api/refresh" | "/public-api/get-at") {
            Self::OaiRt
        } else if is("/gate") {
            Self::Gate
        } else {
            Self::Plain
        }
    }

    /// What problems carry for the clients of older systems.
    pub(super) fn dialect(self) -> Dialect {
        match self {
            Self::Store | Self::Wechat => Dialect::Message,
            Self::OaiRt => Dialect::Envelope,
            Self::Gate | Self::Plain => Dialect::Plain,
        }
    }
}

/// What the answer will depend on.
pub(super) struct Asked {
    pub(super) start: Instant,
    pub(super) id: HeaderValue,
    /// As the client sent it: HEAD goes on as GET.
    pub(super) method: Method,
    pub(super) surface: Surface,
    /// `Origin`, where it matters.
    pub(super) origin: Option<HeaderValue>,
    /// The body, if it is a chunked one.
    pub(super) body: Option<Held>,
}

impl Asked {
    /// Reads the request and makes it what the routes expect: with an id, GET for HEAD, strong entity tags.
    pub(super) fn read(worker: &Worker, req: &mut ServiceRequest) -> Self {
        let start = Instant::now();
        let surface = Surface::of(req.path());
        let method = req.method().clone();
        if method == Method::HEAD {
            req.head_mut().method = Method::GET;
        }
        let headers = req.headers_mut();
        let id = match headers.get(&X_REQUEST_ID) {
            Some(id) if is_request_id(id.as_bytes()) => id.clone(),
            _ => {
                let id = worker.ids.next(worker.shared.state.clock.now());
                headers.insert(X_REQUEST_ID.clone(), id.clone());
                id
            }
        };
        strengthen(headers, &header::IF_NONE_MATCH);
        strengthen(headers, &header::IF_MATCH);
        let origin = if surface == Surface::Store { headers.get(header::ORIGIN).cloned() } else { None };
        let body = Held::body_of(req);
        Self { start, id, method, surface, origin, body }
    }

    /// The answer to a CORS preflight, which never reaches the routes.
    pub(super) fn preflight(&self, worker: &Worker, req: &ServiceRequest) -> Option<HttpResponse> {
        let asks = self.method == Method::OPTIONS
            && self.origin.is_some()
            && req.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        asks.then(|| worker.shared.cors.preflight())
    }

    /// The id as text.
    pub(super) fn id(&self) -> &str {
        self.id.to_str().unwrap_or_default()
    }
}

/// 1 to 128 of `[A-Za-z0-9._-]`.
fn is_request_id(id: &[u8]) -> bool {
    (1..=128).contains(&id.len())
        && id.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// A compressed answer carries a weak form of its entity tag; it comes back in preconditions, where the rooms compare
/// the strong one that they gave.
fn strengthen(headers: &mut HeaderMap, name: &HeaderName) {
    let Some(text) = headers.get(name).and_then(|value| value.to_str().ok()) else { return };
    if !text.contains("W/\"") {
        return;
    }
    if let Ok(strong) = HeaderValue::from_str(&text.replace("W/\"", "\"")) {
        headers.insert(name.clone(), strong);
    }
}

/// Makes request ids: UUIDs version 7 (RFC 9562) whose random part comes from SplitMix64. They have to differ, not
/// to be secret, and the operating system's source costs a system call each.
pub(super) struct Ids {
    state: Cell<u64>,
}

impl Ids {
    pub(super) fn new(seed: u64) -> Self {
        // Mixed once, so that seeds of equal distance do not run through the same sequence.
        let ids = Self { state: Cell::new(seed) };
        let start = ids.random();
        Self { state: Cell::new(start) }
    }

    fn random(&self) -> u64 {
        let state = self.state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.state.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn next(&self, now: UtcMillis) -> HeaderValue {
        let mut random = [0; 10];
        let bytes = self.random().to_ne_bytes().into_iter().chain(self.random().to_ne_bytes());
        for (place, byte) in random.iter_mut().zip(bytes) {
            *place = byte;
        }
        let millis = u64::try_from(now.0).unwrap_or_default();
        let id = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
        let mut text = uuid::Uuid::encode_buffer();
        let text = id.hyphenated().encode_lower(&mut text);
        HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("-"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_plain_request_ids_are_taken() {
        assert!(is_request_id(b"a-B_3.x"));
        assert!(is_request_id(&[b'a'; 128]));
        for wrong in [&b""[..], &[b'a'; 129], b"a b", b"a\"b", b"a/b", "ä".as_bytes()] {
            assert!(!is_request_id(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn made_request_ids_are_uuids_of_version_7_and_differ() {
        let (one, other) = (Ids::new(1), Ids::new(1_u64.wrapping_add(0x9e37_79b9_7f4a_7c15)));
        let mut seen = std::collections::HashSet::new();
        for _ in 0..1000 {
            for ids in [&one, &other] {
                let id = ids.next(UtcMillis(1_795_235_460_000));
                let id = uuid::Uuid::parse_str(id.to_str().unwrap()).unwrap();
                assert_eq!(id.get_version_num(), 7);
                assert!(seen.insert(id));
            }
        }
    }

    #[test]
    fn a_surface_ends_at_a_segment() {
        assert_eq!(Surface::of("/kv"), Surface::Store);
        assert_eq!(Surface::of("/kv/a"), Surface::Store);
        assert_eq!(Surface::of("/kvx"), Surface::Plain);
        assert_eq!(Surface::of("/gate"), Surface::Gate);
        assert_eq!(Surface::of("/public-api/refresh"), Surface::OaiRt);
        assert_eq!(Surface::of("/public-api/refreshes"), Surface::Plain);
    }
}
