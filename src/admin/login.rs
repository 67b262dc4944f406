//! Signing in, signing out, and changing one's password.

use std::net::IpAddr;

use entity::{UtcMillis, admin_user};
use sea_orm::ConnectionTrait;
use serde_json::json;

use super::{
    accounts,
    actor::{Actor, ActorKind},
    audit,
    problems::{CURRENT_PASSWORD_WRONG, LOGIN_FAILED, LOGIN_LOCKED, challenged},
    session::{self, Session},
};
use crate::base::{
    attempts::{self, Attempt, Limit},
    error::{CONFLICT, Error, Result},
    event::{self, Event, EventKind},
    state::State,
};

/// Scope of the attempts.
pub(super) const SCOPE: &str = "admin-login";
const MINUTE_MS: i64 = 60_000;
/// For a name from one address.
const FROM_ADDRESS: Limit =
    Limit { most: 5, window_ms: 15 * MINUTE_MS, lock_ms: 15 * MINUTE_MS, refusal: &LOGIN_LOCKED };
/// For a name from all addresses together. Addresses with an earlier good try may try all the same, so nobody can
/// lock an admin out.
const FROM_ANYWHERE: Limit = Limit { most: 60, window_ms: 60 * MINUTE_MS, lock_ms: 0, refusal: &LOGIN_LOCKED };

/// A try at an admin's password, reserved under both limits.
#[derive(Clone, Debug)]
struct Try {
    from_address: Attempt,
    /// None for a known address that tries although the name's tries are used up.
    from_anywhere: Option<Attempt>,
}

impl Try {
    async fn reserve(tx: &impl ConnectionTrait, username: &str, address: IpAddr, now: UtcMillis) -> Result<Self> {
        let from_address = Attempt::from_address(SCOPE, username, address);
        let from_anywhere = Attempt::from_anywhere(SCOPE, username);
        attempts::reserve(tx, &from_address, FROM_ADDRESS, now).await?;
        match attempts::reserve(tx, &from_anywhere, FROM_ANYWHERE, now).await {
            Ok(()) => Ok(Self { from_address, from_anywhere: Some(from_anywhere) }),
            Err(error) if error.kind() == &LOGIN_LOCKED && attempts::is_known(tx, &from_address).await? => {
                Ok(Self { from_address, from_anywhere: None })
            }
            Err(error) => Err(error),
        }
    }

    async fn succeeded(&self, tx: &impl ConnectionTrait, now: UtcMillis) -> Result<()> {
        attempts::succeeded(tx, &self.from_address, now).await?;
        self.give_back_anywhere(tx).await
    }

    async fn give_back(&self, tx: &impl ConnectionTrait) -> Result<()> {
        attempts::give_back(tx, &self.from_address).await?;
        self.give_back_anywhere(tx).await
    }

    async fn give_back_anywhere(&self, tx: &impl ConnectionTrait) -> Result<()> {
        match &self.from_anywhere {
            Some(attempt) => attempts::give_back(tx, attempt).await,
            None => Ok(()),
        }
    }
}

/// Tells people when a wrong try was the last that was allowed. The lock itself holds since the try was counted.
async fn tell_if_locked(state: &State, username: &str, attempt: Try, address: IpAddr) -> Result<()> {
    let (db, now) = (state.db.orm(), state.clock.now());
    let everywhere = match &attempt.from_anywhere {
        Some(all) => attempts::is_used_up(db, all, FROM_ANYWHERE).await?,
        None => false, // was told when it happened
    };
    let event = if everywhere {
        locked(username, "*", 60)
    } else if attempts::is_used_up(db, &attempt.from_address, FROM_ADDRESS).await? {
        locked(username, &address.to_string(), 15)
    } else {
        return Ok(());
    };
    state.writer.write(async move |tx| event::tell(tx, &event, now).await).await
}

/// Whoever tries chooses the name, and is not to choose what people read: only what may be a name is shown.
fn locked(name: &str, address: &str, minutes: u32) -> Event {
    let usual = |letter: char| letter.is_ascii_alphanumeric() || "._@-".contains(letter);
    let name = if name.len() <= 64 && name.chars().all(usual) { name } else { "…" };
    Event {
        kind: EventKind::LoginLocked,
        subject: format!("admin:{name}"),
        cause: address.to_owned(),
        params: json!({ "name": name, "address": address, "minutes": minutes }),
    }
}

/// Where a request comes from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The client's address.
    pub address: IpAddr,
    /// The request's id.
    pub request_id: String,
}

/// Counts the try, then looks at the password; people are told when a wrong one was the last allowed. Answers the admin
/// when it is right, with the try, which the caller has
/// to note as good in the transaction of what the password was given for.
async fn look(
    state: &State,
    username: &str,
    password: &str,
    address: IpAddr,
) -> Result<Option<(admin_user::Model, Try)>> {
    let (name, now) = (username.to_owned(), state.clock.now());
    let attempt = state.writer.write(async move |tx| Try::reserve(tx, &name, address, now).await).await?;
    let looked: Result<_> = async {
        let user = accounts::find(state.db.orm(), username).await?;
        let right = state.passwords.verify(password, user.as_ref().map(|user| user.password_hash.as_str())).await?;
        Ok(user.filter(|_| right))
    }
    .await;
    match looked {
        Ok(Some(user)) => Ok(Some((user, attempt))),
        Ok(None) => tell_if_locked(state, username, attempt, address).await.map(|()| None),
        Err(error) => {
            // Nobody looked at the password, so it was not wrong. When this fails too, the first error says more.
            let _ = state.writer.write(async move |tx| attempt.give_back(tx).await).await;
            Err(error)
        }
    }
}

/// Signs in.
///
/// # Errors
/// 401 `LOGIN_FAILED`, 429 `LOGIN_LOCKED`, 429 when too many passwords are being checked.
pub async fn sign_in(state: &State, username: &str, password: &str, origin: Origin) -> Result<Session> {
    let failed = || challenged(LOGIN_FAILED.error("Name or password is wrong."));
    let (user, attempt) = look(state, username, password, origin.address).await?.ok_or_else(failed)?;
    let actor = Actor {
        name: format!("admin:{}", user.username),
        ip: origin.address.to_string(),
        request_id: origin.request_id,
        kind: ActorKind::Admin(user.id),
        scopes: None,
    };
    let (hours, now) = (state.config.auth.jwt_expire_hours, state.clock.now());
    let session = async move |tx: &sea_orm::DatabaseTransaction| {
        let Some(session) = session::open(tx, &user, &actor.ip, hours, now).await? else { return Ok(None) };
        attempt.succeeded(tx, now).await?;
        audit::record(tx, &actor, "sign_in", "admin_user", user.id, json!({}), now).await?;
        Ok(Some(session))
    };
    state.writer.write(session).await?.ok_or_else(failed)
}

/// Signs out: the session's token is worth nothing from here on.
///
/// # Errors
/// When the database fails.
pub async fn sign_out(tx: &impl ConnectionTrait, session: &Session, actor: &Actor, now: UtcMillis) -> Result<()> {
    if session::end(tx, &session.id).await? {
        audit::record(tx, actor, "sign_out", "admin_user", session.user.id, json!({}), now).await?;
    }
    Ok(())
}

/// Changes the password of whoever is signed in and ends all sessions of that admin, this one too.
///
/// # Errors
/// 403 `CURRENT_PASSWORD_WRONG`, 409 when it was changed meanwhile, 429 as for signing in.
pub async fn change_password(
    state: &State,
    session: &Session,
    actor: Actor,
    address: IpAddr,
    current: &str,
    new: &str,
) -> Result<()> {
    let wrong = || CURRENT_PASSWORD_WRONG.error("The current password is another one.");
    let (user, attempt) = look(state, &session.user.username, current, address).await?.ok_or_else(wrong)?;
    let (hash, now) = (state.passwords.hash(new).await?, state.clock.now());
    let change = async move |tx: &sea_orm::DatabaseTransaction| {
        if !accounts::replace_password(tx, &user, &hash, now).await? {
            return Err(Error::new(&CONFLICT, "The password was changed by somebody else at the same time."));
        }
        attempt.succeeded(tx, now).await?;
        let ended = session::end_all(tx, &user).await?;
        let changes = json!({ "sessions_ended": ended });
        audit::record(tx, &actor, "change_password", "admin_user", user.id, changes, now).await
    };
    state.writer.write(change).await
}
