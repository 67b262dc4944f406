//! Recognising whoever presents a credential.

use actix_web::{HttpMessage, HttpRequest, http::header, web::Data};

use super::{
    actor::{Actor, ActorKind},
    problems::challenged,
    scope::Scope,
    secrets,
    session::{self, Session},
    token,
    watch::SecretWatch,
};
use crate::base::{
    error::{Error, Result, UNAUTHENTICATED},
    input::{CallerKind, client_address, request_id},
    secret::PlainToken,
    state::State,
};

/// What a request presents.
pub enum Credential {
    /// `X-API-Secret`.
    Secret(PlainToken),
    /// A bearer token, whatever it is.
    Token(String),
}

impl Credential {
    /// The one that counts: `X-API-Secret` before `Authorization`.
    pub fn of(req: &HttpRequest) -> Option<Self> {
        let Some(secret) = req.headers().get("x-api-secret") else { return bearer(req).map(Self::Token) };
        // What is not text is no secret of ours; it counts as a wrong one.
        Some(Self::Secret(PlainToken::presented(secret.to_str().unwrap_or_default())))
    }
}

/// The bearer token (RFC 6750 §2.1).
pub fn bearer(req: &HttpRequest) -> Option<String> {
    let (scheme, token) = req.headers().get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// Whose credential it is, if it has the scope.
///
/// # Errors
/// 401, 403 `SCOPE_MISSING`, or 429 after too many wrong secrets.
pub async fn allowed(req: &HttpRequest, credential: Credential, scope: Scope) -> Result<Actor> {
    let actor = match credential {
        Credential::Secret(secret) => by_secret(req, &secret).await?,
        Credential::Token(token) => signed_in(req, &by_token(req, &token).await?),
    };
    req.extensions_mut().insert(CallerKind(actor.kind.name()));
    actor.require(scope)?;
    Ok(actor)
}

/// The session a token belongs to.
///
/// # Errors
/// 401.
pub async fn by_token(req: &HttpRequest, token: &str) -> Result<Session> {
    let state = state(req)?;
    let now = state.clock.now();
    let over = || challenged(UNAUTHENTICATED.error("The token is not valid, or it was revoked or has expired."));
    let id = token::session_id(&state.config.auth.jwt_secret, token, now).ok_or_else(over)?;
    session::find(state.db.orm(), &id, now).await?.ok_or_else(over)
}

/// Whoever is signed in with this session.
pub fn signed_in(req: &HttpRequest, session: &Session) -> Actor {
    let actor = actor(req, format!("admin:{}", session.user.username), ActorKind::Admin(session.user.id), None);
    req.extensions_mut().insert(CallerKind(actor.kind.name()));
    actor
}

/// A right secret always passes; wrong ones are counted by address.
async fn by_secret(req: &HttpRequest, secret: &PlainToken) -> Result<Actor> {
    let state = state(req)?;
    if secrets::is_root(&state.config.auth.api_secret, secret) {
        return Ok(actor(req, "root".to_owned(), ActorKind::Root, None));
    }
    let watch = req.app_data::<Data<SecretWatch>>().ok_or_else(|| Error::internal("no watch is registered"))?;
    let now = state.clock.now();
    let Some(found) = secrets::find_valid(&state.db, &secret.hash(), now).await? else {
        watch.wrong(client_address(req), now).await?;
        return Err(challenged(UNAUTHENTICATED.error("The secret is wrong, or it was revoked or has expired.")));
    };
    if let Some(minute) = watch.minute_to_record(found.id, now) {
        secrets::record_use(&state.writer, found.id, minute);
    }
    Ok(actor(req, format!("secret:{}", found.name), ActorKind::Secret(found.id), Some(found.scopes)))
}

fn actor(req: &HttpRequest, name: String, kind: ActorKind, scopes: Option<Vec<Scope>>) -> Actor {
    Actor { name, ip: client_address(req).to_string(), request_id: request_id(req), kind, scopes }
}

fn state(req: &HttpRequest) -> Result<&State> {
    req.app_data::<State>().ok_or_else(|| Error::internal("the state is not registered"))
}

/// The answer to a request that presents nothing.
#[must_use]
pub fn missing() -> Error {
    challenged(UNAUTHENTICATED.error("Send X-API-Secret, or Authorization: Bearer with the token of a sign-in."))
}
