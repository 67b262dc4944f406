//! The type among a handler's parameters is the permission.

use std::{marker::PhantomData, ops::Deref};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use futures_util::future::LocalBoxFuture;

use super::{
    actor::Actor,
    credential::{Credential, allowed, bearer, by_token, missing, signed_in},
    scope::{AdminScope, Needed, Scope},
    session::Session,
};
use crate::base::{
    error::{Error, Result},
    input::Identifying,
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
        let (req, identifying) = (req.clone(), Identifying::begin(req));
        Box::pin(async move {
            let credential = Credential::of(&req).ok_or_else(missing)?;
            let actor = allowed(&req, credential, S::SCOPE).await?;
            identifying.end();
            Ok(Self { actor, scope: PhantomData })
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
        let (req, identifying) = (req.clone(), Identifying::begin(req));
        Box::pin(async move {
            let token = bearer(&req).ok_or_else(missing)?;
            let session = by_token(&req, &token).await?;
            let actor = signed_in(&req, &session);
            identifying.end();
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
