//! What a call of the store presents: site key, app token, device password, address, body.

use std::{borrow::Cow, net::IpAddr};

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload, http::header, web::Bytes};
use futures_util::future::LocalBoxFuture;
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;

use super::{SITE_KEY_INVALID, install};
use crate::base::{
    error::{Class, Error, Result},
    input::{self, CallerKind, Sender, is_large, read_body},
    json_text::{cut_member, string_member},
    secret::{self, PlainToken, Secret},
    state::State,
};

/// Limit of the bodies of `/kv/_batch` and `/kv/_batchimport`, in bytes.
const BATCH_LIMIT: usize = 16 * 1024 * 1024;
/// What may stand around a value, in bytes: a credential, blanks.
const VALUE_MARGIN: usize = 4096;

/// A call of `/apps`, `/devices` or `/kv` that passed the site key.
#[derive(Debug)]
pub struct Call {
    /// The app token it presents, if any.
    pub claim: Option<Claim>,
    /// The body, without a credential that stood in it.
    pub body: Bytes,
    /// The client's address.
    pub ip: IpAddr,
}

/// An app token as presented: not yet checked.
pub type Claim = PlainToken;

impl FromRequest for Call {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (req, payload) = (req.clone(), payload.take());
        Box::pin(async move { Self::read(&req, payload).await })
    }
}

impl Call {
    async fn read(req: &HttpRequest, payload: Payload) -> Result<Self> {
        let state = req.app_data::<State>().ok_or_else(|| Error::internal("no state"))?;
        let limit = match req.uri().path() {
            "/kv/_batch" | "/kv/_batchimport" => BATCH_LIMIT,
            path if path.starts_with("/kv/") => state.config.kv.max_value_bytes + VALUE_MARGIN,
            _ => input::BODY_LIMIT,
        };
        let claim = claim_outside_body(req);
        let sender = sender(state, req, claim.as_ref()).await?;
        let mut body = read_body(req, payload, limit, sender).await?;
        check_site_key(req, &state.config.kv.site_key, &mut body)?;
        let claim = match claim {
            Some(claim) => Some(claim),
            None => take_member(&mut body, "token").map(|token| PlainToken::presented(&token)),
        };
        if claim.is_some() {
            req.extensions_mut().insert(CallerKind("app"));
        }
        Ok(Self { claim, body, ip: input::client_address(req) })
    }

    /// The body as JSON, read the way old clients need it: unknown fields are ignored, and whatever is wrong is 400.
    /// An empty body is `None` before the media type is looked at.
    ///
    /// # Errors
    /// 400 when it does not fit `T`, 415 when it is not declared as JSON.
    pub fn optional_json<T: DeserializeOwned>(&self, req: &HttpRequest) -> Result<Option<T>> {
        if self.body.is_empty() {
            return Ok(None);
        }
        input::require_json(req)?;
        input::parse_json(&self.body)
            .map(Some)
            .map_err(|error| if error.kind().class == Class::Invalid { error.as_malformed() } else { error })
    }

    /// The same for endpoints that need a body.
    ///
    /// # Errors
    /// 400 when it is missing too.
    pub fn json<T: DeserializeOwned>(&self, req: &HttpRequest) -> Result<T> {
        self.optional_json(req)?.ok_or_else(|| Error::malformed("A JSON body is required."))
    }

    /// The device password of `x-device-password`, percent-decoded.
    ///
    /// # Errors
    /// 400 when it is not percent-encoded UTF-8.
    pub fn device_password(req: &HttpRequest) -> Result<Option<Secret>> {
        Ok(encoded_header(req, "x-device-password")?.map(Secret::new))
    }

    /// The device uuid of `x-device-uuid`, percent-decoded.
    ///
    /// # Errors
    /// 400 when it is not percent-encoded UTF-8.
    pub fn device_uuid(req: &HttpRequest) -> Result<Option<String>> {
        encoded_header(req, "x-device-uuid")
    }
}

/// Whose body it is. For a large one the token is looked up before the body is read, and once more when it is used.
async fn sender(state: &State, req: &HttpRequest, claim: Option<&Claim>) -> Result<Sender> {
    match claim {
        Some(claim) if is_large(req) && install::is_good(state, claim).await? => Ok(Sender::Known),
        _ => Ok(Sender::Stranger),
    }
}

fn encoded_header(req: &HttpRequest, name: &'static str) -> Result<Option<String>> {
    let Some(value) = req.headers().get(name) else { return Ok(None) };
    let decoded = value.to_str().ok().and_then(|text| percent_decode_str(text).decode_utf8().ok());
    let decoded = decoded.ok_or_else(|| Error::malformed(format!("{name} must be percent-encoded UTF-8.")))?;
    Ok(Some(decoded.into_owned()))
}

/// The site key's sources in their order: header, query, body. The first one present decides.
fn check_site_key(req: &HttpRequest, expected: &Secret, body: &mut Bytes) -> Result<()> {
    if expected.is_empty() {
        return Ok(());
    }
    let given = match req.headers().get("x-site-key") {
        Some(value) => value.to_str().ok().map(|text| Cow::Owned(text.to_owned())),
        None => query_value(req, &["sitekey"]).or_else(|| take_member(body, "sitekey").map(Cow::Owned)),
    };
    match given {
        Some(given) if secret::same(&given, expected.expose()) => Ok(()),
        _ => Err(SITE_KEY_INVALID.error("The site key is missing or wrong.")),
    }
}

fn claim_outside_body(req: &HttpRequest) -> Option<Claim> {
    let headers = req.headers();
    if let Some(bearer) = headers.get(header::AUTHORIZATION).and_then(|value| bearer(value.to_str().ok()?)) {
        return Some(PlainToken::presented(bearer));
    }
    if let Some(value) = headers.get("x-app-token") {
        return Some(PlainToken::presented(value.to_str().unwrap_or_default()));
    }
    query_value(req, &["token", "apptoken"]).map(|token| PlainToken::presented(&token))
}

/// What follows `Bearer`, in whatever case (RFC 9110 §11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_at_checked(6)?;
    let spaced = token.is_empty() || token.starts_with(' ');
    (scheme.eq_ignore_ascii_case("bearer") && spaced).then(|| token.trim())
}

/// The first of the named query parameters that is there, in the order of `names`.
fn query_value<'a>(req: &'a HttpRequest, names: &[&str]) -> Option<Cow<'a, str>> {
    let query = req.query_string();
    if query.is_empty() {
        return None;
    }
    names.iter().find_map(|name| {
        query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (key == *name).then(|| percent_decode_str(value).decode_utf8_lossy())
        })
    })
}

/// Takes a text member out of a JSON object: its value, and the body without it.
fn take_member(body: &mut Bytes, name: &str) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let value = string_member(text, name)?;
    *body = Bytes::from(cut_member(text, name));
    Some(value)
}
