//! Events that people are told of: the way in. Any room tells one in the transaction of its cause; `notify` tells
//! people.
//!
//! Nothing but the members that a kind of event lists is kept of its params, and no text in them that looks like a
//! token: what is never written down is never sent.

use entity::{
    UtcMillis,
    notification::{ActiveModel, Entity},
    notification_channel,
};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, NotSet, QueryFilter, QuerySelect};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

use super::error::Result;

/// Longest subject and cause, in characters; the columns' length.
const LONGEST_NAME: usize = 191;
/// Longest text in the params, in characters.
const LONGEST_TEXT: usize = 300;
/// A run of that many letters, digits and signs of base64 may be a token. A UUID has 36.
const TOKEN: usize = 40;

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $by_default:literal, $params:expr;)*) => {
        /// What may happen that people want to be told.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum EventKind {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl EventKind {
            /// Every kind there is.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name on the wire and in the database.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// Whether a channel that chooses no events is told of it.
            #[must_use]
            pub const fn is_default(self) -> bool {
                match self { $(Self::$variant => $by_default),* }
            }

            /// The members of its params. `name` is what the subject is called in a message; without it the subject
            /// itself is shown. Numbers and moments are written as the reader is to see them.
            #[must_use]
            pub const fn params(self) -> &'static [&'static str] {
                match self { $(Self::$variant => &$params),* }
            }
        }
    };
}

kinds! {
    /// An account's refresh token is refused for good.
    TokenDead = "token.dead", true, ["name", "provider", "class", "detail"];
    /// An account could not be refreshed several times in a row.
    TokenFailing = "token.failing", true, ["name", "provider", "class", "failures", "detail"];
    /// A provider refuses our client, so nothing is sent to it any more.
    ProviderPaused = "provider.paused", true, ["name", "reason"];
    /// An account that was failing or dead works again.
    TokenRecovered = "token.recovered", true, ["name", "provider"];
    /// An account was refreshed.
    TokenRefreshed = "token.refreshed", false, ["name", "provider", "expires_at"];
    /// An access token could not be brought to where it is used.
    SinkFailed = "sink.failed", true, ["name", "sink", "target", "error"];
    /// A key expires soon.
    KeyExpiring = "key.expiring", true, ["name", "expires_at"];
    /// A key has expired.
    KeyExpired = "key.expired", true, ["name", "expired_at"];
    /// A key has spent most of its limit.
    KeyQuotaLow = "key.quota_low", true, ["name", "remaining", "limit"];
    /// Somebody has paid for a key.
    RechargePaid = "recharge.paid", true, ["name", "amount", "order"];
    /// Money came in that could not be credited.
    RechargeNeedsRefund = "recharge.needs_refund", true, ["name", "amount", "order", "reason"];
    /// A job failed or panicked.
    JobFailed = "job.failed", true, ["name", "error"];
    /// Too many wrong passwords were tried.
    LoginLocked = "security.login_locked", true, ["name", "address", "minutes"];
}

// By hand, since the derive does not see names that come out of a macro.
impl PartialSchema for EventKind {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("Something that people may want to be told."))
            .enum_values(Some(Self::ALL.iter().map(|kind| kind.name())))
            .examples(["token.dead"])
            .into()
    }
}

impl ToSchema for EventKind {}

impl EventKind {
    /// The kind of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

/// Something that happened.
#[derive(Clone, Debug)]
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// To what: `token:7`, `provider:claude`. At most 191 characters.
    pub subject: String,
    /// Why, in few words that are the same for the same cause: what has one cause within a few seconds is told in one
    /// message. It is never shown. At most 191 characters.
    pub cause: String,
    /// A JSON object with members of [`EventKind::params`]; others are left out. Never a secret.
    pub params: Value,
}

/// Writes down what people are to be told, in the transaction of its cause. What is off by default and happens often
/// is left out while no channel asks for it.
///
/// # Errors
/// 503 when the database is out.
pub async fn tell(tx: &impl ConnectionTrait, event: &Event, now: UtcMillis) -> Result<()> {
    tell_all(tx, std::slice::from_ref(event), now).await
}

/// The same for several.
///
/// # Errors
/// 503 when the database is out.
pub async fn tell_all(tx: &impl ConnectionTrait, events: &[Event], now: UtcMillis) -> Result<()> {
    let mut wanted: Vec<(EventKind, bool)> = Vec::new();
    for event in events {
        if !wanted.iter().any(|(kind, _)| *kind == event.kind) {
            wanted.push((event.kind, event.kind.is_default() || is_wanted(tx, event.kind).await?));
        }
    }
    let told = events.iter().filter(|event| wanted.contains(&(event.kind, true)));
    let rows: Vec<ActiveModel> = told
        .map(|event| ActiveModel {
            id: NotSet,
            event: Set(event.kind.name().to_owned()),
            subject: Set(clipped(&event.subject, LONGEST_NAME)),
            cause: Set(clipped(&event.cause, LONGEST_NAME)),
            params: Set(Value::Object(kept(event.kind, &event.params)).to_string()),
            dispatched_at: Set(None),
            created_at: Set(now),
        })
        .collect();
    if !rows.is_empty() {
        Entity::insert_many(rows).exec_without_returning(tx).await?;
    }
    Ok(())
}

/// Whether some channel asks for it.
async fn is_wanted(db: &impl ConnectionTrait, kind: EventKind) -> Result<bool> {
    let asking = notification_channel::Entity::find().select_only().column(notification_channel::Column::Id);
    let asking = asking
        .filter(notification_channel::Column::Enabled.eq(true))
        .filter(notification_channel::Column::Events.contains(format!("\"{}\"", kind.name())))
        .limit(1);
    Ok(asking.into_tuple::<i64>().one(db).await?.is_some())
}

/// The params that this kind of event has, without anything that looks like a token.
fn kept(kind: EventKind, params: &Value) -> Map<String, Value> {
    let member = |name: &&str| {
        let value = match params.get(*name)? {
            Value::String(text) => Value::String(clipped(&without_tokens(text), LONGEST_TEXT)),
            plain @ (Value::Number(_) | Value::Bool(_)) => plain.clone(),
            _ => return None,
        };
        Some(((*name).to_owned(), value))
    };
    kind.params().iter().filter_map(member).collect()
}

fn clipped(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// The text with long runs of letters and digits cut out. A refresh token, an access token and a key all are one.
fn without_tokens(text: &str) -> String {
    let part_of_token = |letter: char| letter.is_ascii_alphanumeric() || "-_.~+/=".contains(letter);
    let mut shown = String::with_capacity(text.len());
    for run in text.split_inclusive(|letter| !part_of_token(letter)) {
        let length = run.chars().filter(|letter| part_of_token(*letter)).count();
        if length < TOKEN {
            shown.push_str(run);
        } else {
            shown.push('…');
            shown.extend(run.chars().last().filter(|last| !part_of_token(*last)));
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::base::scratch::{START, on_each};

    #[test]
    fn a_token_is_kept_out_of_the_params_wherever_somebody_puts_it() {
        let token = "rt_8f3a0c1d2e4b5a69788796a5b4c3d2e1f00112233445566";
        let params = json!({
            "name": "a@example.com", "provider": {"refresh_token": token}, "refresh_token": token,
            "detail": format!("refused: {token}, see the log"), "class": "permanent.reused",
        });
        let kept = Value::Object(kept(EventKind::TokenDead, &params));
        let expected =
            json!({"name": "a@example.com", "detail": "refused: …, see the log", "class": "permanent.reused"});
        assert_eq!(kept, expected);
        let uuid = "019aa3f2-7c1e-7d52-9b0a-4f0f6f2b7a11";
        assert_eq!(without_tokens(uuid), uuid);
    }

    #[test]
    fn only_a_refresh_that_went_well_is_not_told_unless_somebody_asks() {
        let off: Vec<_> = EventKind::ALL.iter().filter(|kind| !kind.is_default()).collect();
        assert_eq!(off, [&EventKind::TokenRefreshed]);
        for kind in EventKind::ALL {
            assert_eq!(EventKind::parse(kind.name()), Some(*kind));
            assert!(kind.params().contains(&"name"), "{}", kind.name());
        }
    }

    #[actix_web::test]
    async fn what_is_told_is_there_when_its_cause_is_and_else_is_not() {
        on_each(async |state| {
            let event = |subject: &str| Event {
                kind: EventKind::JobFailed,
                subject: subject.to_owned(),
                cause: "x".repeat(300),
                params: json!({"name": "purge"}),
            };
            let (kept, undone) = (event("job:purge"), event("job:other"));
            state.writer.write(async move |tx| tell(tx, &kept, START).await).await.unwrap();
            let rolled_back = state.writer.write(async move |tx| {
                tell(tx, &undone, START).await?;
                Err::<(), _>(crate::base::error::Error::internal("it failed"))
            });
            rolled_back.await.unwrap_err();
            let rows = Entity::find().all(state.db.orm()).await.unwrap();
            assert_eq!(rows.len(), 1);
            assert_eq!((rows[0].subject.as_str(), rows[0].cause.len()), ("job:purge", 191));
        })
        .await;
    }
}
