//! Credentials of a request: the type among a handler's parameters is the permission.

use std::{marker::PhantomData, ops::Deref};

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload, http::header, web::Data};
use futures_util::future::LocalBoxFuture;

use super::{
    actor::{Actor, ActorKind},
    problems::SCOPE_MISSING,
    scope::{AdminScope, Needed, Scope},
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

/// Somebody with the scope that `S` stands for: the root secret, a scoped secret, or a signed-in admin.
#[derive(Clone, Debug)]
pub struct Allowed<S> {
    actor: Actor,
    scope: PhantomData<S>,
}

/// Somebody who may do everything.
pub type Admin = Allowed<AdminScope>;

impl<S> Allowed<S> {
    /// Who it is.
    #[must_use]
    pub fn into_actor(self) -> Actor {
        self.actor
    }
}

impl<S> Deref for Allowed<S> {
    type Target = Actor;

    fn deref(&self) -> &Actor {
        &self.actor
    }
}

impl<S: Needed> FromRequest for Allowed<S> {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(async move {
            let credential = Credential::of(&req).ok_or_else(missing)?;
            Ok(Self { actor: allowed(&req, credential, S::SCOPE).await?, scope: PhantomData })
        })
    }
}

/// An admin who signed in; secrets do not count.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The session.
    pub session: Session,
    /// Who it is.
    pub actor: Actor,
}

impl FromRequest for SignedIn {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(async move {
            let token = bearer(&req).ok_or_else(missing)?;
            let session = by_token(&req, &token).await?;
            let actor = signed_in(&req, &session);
            req.extensions_mut().insert(CallerKind(actor.kind.name()));
            Ok(Self { session, actor })
        })
    }
}

/// For endpoints that also know other credentials. `None` when nobody claims to be an admin: there is neither
/// `X-API-Secret` nor a bearer token of a JWT's form. Who claims it has to be one, with the scope.
///
/// # Errors
/// 401, 403 `SCOPE_MISSING`, or 429 after too many wrong secrets.
pub async fn optional(req: &HttpRequest, scope: Scope) -> Result<Option<Actor>> {
    match Credential::of(req) {
        Some(Credential::Token(text)) if text.split('.').count() != 3 => Ok(None),
        Some(credential) => allowed(req, credential, scope).await.map(Some),
        None => Ok(None),
    }
}

enum Credential {
    Secret(PlainToken),
    Token(String),
}

impl Credential {
    fn of(req: &HttpRequest) -> Option<Self> {
        let Some(secret) = req.headers().get("x-api-secret") else { return bearer(req).map(Self::Token) };
        // What is not text is no secret of ours; it counts as a wrong one.
        Some(Self::Secret(PlainToken::presented(secret.to_str().unwrap_or_default())))
    }
}

fn bearer(req: &HttpRequest) -> Option<String> {
    let (scheme, token) = req.headers().get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

async fn allowed(req: &HttpRequest, credential: Credential, scope: Scope) -> Result<Actor> {
    let actor = match credential {
        Credential::Secret(secret) => by_secret(req, &secret).await?,
        Credential::Token(token) => signed_in(req, &by_token(req, &token).await?),
    };
    req.extensions_mut().insert(CallerKind(actor.kind.name()));
    if !actor.may(scope) {
        let name = scope.name();
        return Err(SCOPE_MISSING.error(format!("This needs the scope '{name}'.")).with("scope", name));
    }
    Ok(actor)
}

async fn by_token(req: &HttpRequest, token: &str) -> Result<Session> {
    let state = state(req)?;
    let now = state.clock.now();
    let over = || challenged(UNAUTHENTICATED.error("The token is not valid, or it was revoked or has expired."));
    let id = token::session_id(&state.config.auth.jwt_secret, token, now).ok_or_else(over)?;
    session::find(state.db.orm(), &id, now).await?.ok_or_else(over)
}

fn signed_in(req: &HttpRequest, session: &Session) -> Actor {
    actor(req, format!("admin:{}", session.user.username), ActorKind::Admin(session.user.id), None)
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
        watch.wrong(client_address(req), now)?;
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

fn missing() -> Error {
    challenged(UNAUTHENTICATED.error("Send X-API-Secret, or Authorization: Bearer with the token of a sign-in."))
}

/// With the challenge that a 401 has to carry (RFC 9110 §11.6.1).
pub(super) fn challenged(error: Error) -> Error {
    error.header(header::WWW_AUTHENTICATE, "Bearer realm=\"latchkey\"")
}
