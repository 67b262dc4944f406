//! The rows of a refresh: boxes, account, events, notifications.

use std::collections::HashMap;

use chrono_tz::Tz;
use entity::{UtcMillis, refresh_event, refresh_token};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, DatabaseTransaction, EntityTrait, ExprTrait, QueryFilter, QuerySelect,
    sea_query::Expr,
};
use serde_json::json;

use super::journal::Entry;
use crate::{
    base::{
        error::Result,
        sealed::Place,
        secret::{Sealer, Sealing, Secret, sha256_hex},
    },
    notify::{Event, EventKind},
    tokens::TABLE,
};

/// The boxes of an answer, for the row.
pub(super) struct Sealed {
    access_token: Option<String>,
    /// Only when it is another one: the new box, its hash and last characters, and the old one as the previous.
    pub(super) rotated: Option<Rotated>,
    id_token: Option<String>,
}

pub(super) struct Rotated {
    refresh_token: String,
    pub(super) hash: String,
    last6: String,
    previous: String,
}

pub(super) fn seal(sealing: &Sealing, sealer: &Sealer, row: &refresh_token::Model, entry: &Entry) -> Result<Sealed> {
    let place = |column| Place { table: TABLE, id: row.id, column };
    let box_of = |column, token: &String| place(column).seal(sealing, &Secret::new(token.clone()));
    let new = entry.refresh_token.as_ref().map(|token| (token, sha256_hex(token.as_bytes())));
    let rotated = match new {
        Some((token, hash)) if hash != row.refresh_token_hash => {
            let old = place("refresh_token").unseal(sealer, &row.refresh_token)?;
            Some(Rotated {
                refresh_token: box_of("refresh_token", token)?,
                hash,
                last6: crate::tokens::dto::last6(&Secret::new(token.clone())),
                previous: place("previous_refresh_token").seal(sealing, &old)?,
            })
        }
        _ => None,
    };
    Ok(Sealed {
        access_token: entry.access_token.as_ref().map(|token| box_of("access_token", token)).transpose()?,
        rotated,
        id_token: entry.id_token.as_ref().map(|token| box_of("id_token", token)).transpose()?,
    })
}

/// The accounts that have these refresh tokens, by hash.
pub(super) async fn owners(
    tx: &DatabaseTransaction,
    hashes: impl Iterator<Item = &str>,
) -> Result<HashMap<String, i64>> {
    use refresh_token::Column;
    let found = refresh_token::Entity::find().select_only().column(Column::RefreshTokenHash).column(Column::Id);
    let found: Vec<(String, i64)> = found.filter(Column::RefreshTokenHash.is_in(hashes)).into_tuple().all(tx).await?;
    Ok(found.into_iter().collect())
}

/// Writes the row, if it still has the version that the call began with. The epoch is not asked for: who has lost the
/// lease to somebody that took it for dead holds the newer token all the same.
pub(super) async fn store(
    tx: &DatabaseTransaction,
    row: &refresh_token::Model,
    entry: &Entry,
    sealed: Sealed,
    next: Option<UtcMillis>,
    now: UtcMillis,
) -> Result<bool> {
    use refresh_token::Column;
    let text = |value: Option<String>| Expr::val(value);
    let mut update = refresh_token::Entity::update_many()
        .col_expr(Column::DeadHash, text(None))
        .col_expr(Column::RetryAfter, Expr::val(None::<i64>))
        .col_expr(Column::NextRefreshAt, Expr::val(next.map(|next| next.0)))
        .col_expr(Column::Version, Column::Version.into_expr().add(1))
        .col_expr(Column::LeaseOwner, text(None))
        .col_expr(Column::LeaseUntil, Expr::val(None::<i64>))
        .filter(Column::Id.eq(row.id))
        .filter(Column::Version.eq(entry.version));
    update = match (sealed.access_token, &entry.failure) {
        (Some(access_token), _) => update
            .col_expr(Column::AccessToken, access_token.into())
            .col_expr(Column::AccessExpiresAt, entry.expires_at.into())
            .col_expr(Column::State, "ok".into())
            .col_expr(Column::FailureClass, text(None))
            .col_expr(Column::FailureDetail, text(None))
            .col_expr(Column::FailureCount, 0.into())
            .col_expr(Column::LastRefreshAt, now.into()),
        (None, failure) => update
            .col_expr(Column::State, "failing".into())
            .col_expr(Column::FailureClass, text(failure.as_ref().map(|(class, _)| class.clone())))
            .col_expr(Column::FailureDetail, text(failure.as_ref().map(|(_, detail)| detail.clone())))
            .col_expr(Column::FailureCount, Column::FailureCount.into_expr().add(1)),
    };
    if let Some(rotated) = sealed.rotated {
        update = update
            .col_expr(Column::RefreshToken, rotated.refresh_token.into())
            .col_expr(Column::RefreshTokenHash, rotated.hash.into())
            .col_expr(Column::RefreshTokenLast6, rotated.last6.into())
            .col_expr(Column::PreviousRefreshToken, rotated.previous.into());
    }
    if let Some(id_token) = sealed.id_token {
        update = update.col_expr(Column::IdToken, id_token.into());
    }
    // What was entered by hand stays: accounts are looked up by it, and nobody vouches for what a JWT says.
    let shown = [
        (Column::Email, entry.email.as_ref().filter(|_| row.email.is_none())),
        (Column::UserName, entry.user_name.as_ref().filter(|_| row.user_name.is_none())),
        (Column::AccountType, entry.account_type.as_ref()),
        (Column::AccountId, entry.account_id.as_ref()),
    ];
    for (column, value) in shown {
        if let Some(value) = value {
            update = update.col_expr(column, value.as_str().into());
        }
    }
    Ok(update.exec(tx).await?.rows_affected == 1)
}

/// How an attempt ended.
pub(super) struct End<'a> {
    pub(super) token_id: i64,
    pub(super) attempt: &'a str,
    pub(super) cause: &'a str,
    pub(super) kind: &'static str,
    pub(super) class: Option<&'a str>,
    pub(super) detail: Option<String>,
    pub(super) duration_ms: Option<i64>,
}

impl<'a> End<'a> {
    pub(super) fn of(entry: &'a Entry, kind: &'static str) -> Self {
        let detail = entry.used_previous.then(|| "with the previous refresh token".to_owned());
        let duration_ms = Some(entry.duration_ms);
        let class = entry.failure.as_ref().map(|(class, _)| class.as_str());
        Self {
            token_id: entry.token_id,
            attempt: &entry.attempt,
            cause: &entry.cause,
            kind,
            class,
            detail,
            duration_ms,
        }
    }
}

/// Closes the intents and writes down how the attempts ended.
pub(super) async fn close(tx: &DatabaseTransaction, ends: &[End<'_>], now: UtcMillis) -> Result<()> {
    use refresh_event::Column;
    refresh_event::Entity::update_many()
        .col_expr(Column::Open, Expr::val(None::<bool>))
        .filter(Column::TokenId.is_in(ends.iter().map(|end| end.token_id)))
        .filter(Column::Attempt.is_in(ends.iter().map(|end| end.attempt)))
        .filter(Column::Open.eq(true))
        .exec(tx)
        .await?;
    let events = ends.iter().map(|end| refresh_event::ActiveModel {
        token_id: Set(end.token_id),
        kind: Set(end.kind.to_owned()),
        cause: Set(end.cause.to_owned()),
        failure_class: Set(end.class.map(str::to_owned)),
        attempt: Set(Some(end.attempt.to_owned())),
        detail: Set(end.detail.clone()),
        duration_ms: Set(end.duration_ms),
        created_at: Set(now),
        ..Default::default()
    });
    refresh_event::Entity::insert_many(events).exec_without_returning(tx).await?;
    Ok(())
}

/// What people are told of a success: who was told of a failure, that it is over; and who wants to, of every refresh.
pub(super) fn news(row: &refresh_token::Model, expires_at: UtcMillis, zone: Tz) -> impl Iterator<Item = Event> {
    // As people read it.
    let expires_at = expires_at.to_datetime().with_timezone(&zone).format("%Y-%m-%d %H:%M").to_string();
    let recovered =
        matches!(row.state.as_str(), "dead" | "uncertain") || row.failure_count >= super::failure::TOLD_AFTER;
    let kinds = [(EventKind::TokenRecovered, recovered), (EventKind::TokenRefreshed, true)];
    kinds.into_iter().filter(|(_, happened)| *happened).map(move |(kind, _)| Event {
        kind,
        subject: format!("token:{}", row.id),
        cause: row.provider.clone(),
        params: json!({ "name": row.label(), "provider": row.provider, "expires_at": expires_at }),
    })
}
