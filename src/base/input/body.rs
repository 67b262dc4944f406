//! Bodies as JSON of a known form.

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload};
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use validator::Validate;

use super::{Identifying, invalid, parse_json, require_json};
use crate::base::{
    body::{Sender, read_body},
    error::{Error, Result},
};

/// Default limit of a body, in bytes.
pub const BODY_LIMIT: usize = 256 * 1024;

/// A JSON body for the endpoints that are ours to define: unknown fields are refused (by `deny_unknown_fields` on
/// `T`), wrong types and broken rules are 422, each with its field.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + Validate + 'static> FromRequest for Json<T> {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (req, payload) = (req.clone(), payload.take());
        let identifying = req.extensions().get::<Identifying>().cloned();
        Box::pin(async move {
            Identifying::over(identifying).await;
            let body = read_body(&req, payload, BODY_LIMIT, Sender::Stranger).await?;
            Self::parse(&req, &body)
        })
    }
}

impl<T: DeserializeOwned + Validate> Json<T> {
    /// Checks media type, JSON, types and rules of a body that was read already.
    ///
    /// # Errors
    /// 400, 415 or 422.
    pub fn parse(req: &HttpRequest, body: &[u8]) -> Result<Self> {
        require_json(req)?;
        let value: T = parse_json(body)?;
        value.validate().map_err(|errors| invalid(&errors))?;
        Ok(Self(value))
    }
}
