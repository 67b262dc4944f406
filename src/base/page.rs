//! Lists in pages: `?limit=` and an opaque `?cursor=` in, items with `next_cursor` and a `Link` header out.

use actix_web::{HttpRequest, HttpResponse, http::header};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use utoipa::{IntoParams, ToSchema};

use super::error::{Error, Result};

/// Which page of a list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// How many items, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50, example = 50)]
    pub limit: Option<u64>,
    /// `next_cursor` of the page before.
    #[param(nullable = false)]
    pub cursor: Option<String>,
}

impl PageQuery {
    /// The number of items asked for.
    ///
    /// # Errors
    /// 422 unless it is 1 to 200.
    pub fn limit(&self) -> Result<u64> {
        match self.limit.unwrap_or(50) {
            limit @ 1..=200 => Ok(limit),
            _ => Err(Error::invalid_field("limit", "range", "must be 1 to 200")),
        }
    }

    /// The position after which the page starts.
    ///
    /// # Errors
    /// 422 when the cursor is not one of this list's.
    pub fn position<P: DeserializeOwned>(&self) -> Result<Option<P>> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        decode_cursor(cursor)
            .map(Some)
            .ok_or_else(|| Error::invalid_field("cursor", "format", "is not a cursor of this list"))
    }
}

/// An opaque cursor for a position.
///
/// # Errors
/// Never for the positions in use.
pub fn encode_cursor<P: Serialize>(position: &P) -> Result<String> {
    Ok(URL_SAFE_NO_PAD.encode(serde_json::to_vec(position).map_err(Error::internal)?))
}

/// The position in a cursor, if it is one.
#[must_use]
pub fn decode_cursor<P: DeserializeOwned>(cursor: &str) -> Option<P> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()
}

/// One page.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// Cursor of the next page; null on the last.
    #[schema(example = "NDI")]
    pub next_cursor: Option<String>,
    /// How many items the whole list has; null where it was not counted.
    #[schema(example = 123)]
    pub total: Option<u64>,
}

impl<T> Page<T> {
    /// Makes a page of rows that were fetched one more than asked for: the one too many tells that another page
    /// follows.
    ///
    /// # Errors
    /// Never for the positions in use.
    pub fn cut<P: Serialize>(
        mut items: Vec<T>,
        limit: u64,
        total: Option<u64>,
        position: impl Fn(&T) -> P,
    ) -> Result<Self> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        let next_cursor = match items.last() {
            Some(last) if more => Some(encode_cursor(&position(last))?),
            _ => None,
        };
        Ok(Self { items, next_cursor, total })
    }

    /// The same page with its items turned into what crosses the wire.
    pub fn map<U>(self, view: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(view).collect(), next_cursor: self.next_cursor, total: self.total }
    }
}

impl<T: Serialize> Page<T> {
    /// The answer, with a `Link` to the next page (RFC 8288).
    #[must_use]
    pub fn respond(&self, req: &HttpRequest) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        if let Some(cursor) = &self.next_cursor {
            let kept = req.query_string().split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
            let next = format!("cursor={cursor}");
            let query: Vec<&str> = kept.chain([next.as_str()]).collect();
            response.append_header((header::LINK, format!("<{}?{}>; rel=\"next\"", req.path(), query.join("&"))));
        }
        response.json(self)
    }
}
