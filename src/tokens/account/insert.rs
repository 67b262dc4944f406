//! New accounts.

use std::collections::{HashMap, HashSet};

use entity::{
    ByteText, UtcMillis, refresh_event,
    refresh_token::{ActiveModel, Column, Entity},
};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, JoinType, QueryFilter, QuerySelect, RelationTrait, SqlErr,
};

use super::{by_row, providers, sealed};
use crate::{
    base::{
        error::{Error, Result},
        secret::Sealer,
    },
    tokens::{
        dto::{Draft, last6, token_hash},
        events,
        problems::{BIZ_ID_TAKEN, TOKEN_EXISTS},
    },
};

/// How often others may be faster before it is given up.
const TRIES: usize = 8;

/// Why an account was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clash {
    /// Its refresh token is that of another.
    Token {
        /// Number of the other.
        id: i64,
        /// Name of the other.
        biz_id: String,
    },
    /// Another has used its refresh token and holds a newer one: this one is spent, and many providers revoke the newer
    /// one too when it is sent again.
    Spent {
        /// Number of the other.
        id: i64,
        /// Name of the other.
        biz_id: String,
    },
    /// Its name is that of another.
    BizId {
        /// Number of the other.
        id: i64,
        /// Name of the other.
        biz_id: String,
    },
    /// There is no such provider.
    Provider,
}

impl Clash {
    /// 409, which names the other; 422 for the provider.
    #[must_use]
    pub fn error(&self) -> Error {
        match self {
            Self::Token { id, biz_id } => {
                let detail = format!("Account {id} ('{biz_id}') has this refresh token.");
                TOKEN_EXISTS.error(detail).with("id", *id).with("biz_id", biz_id.as_str())
            }
            Self::Spent { id, biz_id } => {
                let detail = format!("Account {id} ('{biz_id}') has used this refresh token and holds a newer one.");
                TOKEN_EXISTS.error(detail).with("id", *id).with("biz_id", biz_id.as_str())
            }
            Self::BizId { id, biz_id } => {
                let detail = format!("Account {id} has the biz_id '{biz_id}'.");
                BIZ_ID_TAKEN.error(detail).with("id", *id).with("biz_id", biz_id.as_str())
            }
            Self::Provider => super::unknown_provider("provider"),
        }
    }
}

/// Makes those of the accounts that clash with none that is there, and answers the number of each, or why not. The
/// drafts must not clash with one another. `kind` is that of their event.
///
/// # Errors
/// 503 when the database is out.
pub async fn insert(
    tx: &impl ConnectionTrait,
    sealer: &Sealer,
    drafts: &[Draft],
    kind: &str,
    now: UtcMillis,
) -> Result<Vec<Result<i64, Clash>>> {
    let hashes: Vec<String> = drafts.iter().map(|draft| token_hash(&draft.refresh_token)).collect();
    let known = providers(tx, drafts.iter().map(|draft| draft.provider.as_str()).collect()).await?;
    for _ in 0..TRIES {
        let others = Others::find(tx, drafts, &hashes).await?;
        let clashes: Vec<Option<Clash>> =
            drafts.iter().zip(&hashes).map(|(draft, hash)| others.clash(draft, hash, &known)).collect();
        let fresh = drafts.iter().zip(&hashes).zip(&clashes).filter(|(_, clash)| clash.is_none());
        let rows: Vec<ActiveModel> = fresh.map(|((draft, hash), _)| row(draft, hash, now)).collect();
        if store(tx, rows).await? {
            let ids = fill(tx, sealer, drafts, &hashes, &clashes).await?;
            events::add(tx, ids.values().copied(), kind, None, now).await?;
            let outcome = |(hash, clash): (&String, Option<Clash>)| match (clash, ids.get(hash)) {
                (Some(clash), _) => Ok(Err(clash)),
                (None, Some(id)) => Ok(Ok(*id)),
                (None, None) => Err(Error::internal("an account that was stored is not there")),
            };
            return hashes.iter().zip(clashes).map(outcome).collect();
        }
        // Somebody was faster with one of them: it is found as another's in the next round.
    }
    Err(Error::internal("accounts clash with others that cannot be seen"))
}

/// The accounts that are in the way.
struct Others {
    by_hash: HashMap<String, (i64, String)>,
    by_spent: HashMap<String, (i64, String)>,
    by_name: HashMap<String, (i64, String)>,
}

impl Others {
    async fn find(tx: &impl ConnectionTrait, drafts: &[Draft], hashes: &[String]) -> Result<Self> {
        let names = drafts.iter().map(|draft| ByteText::from(draft.biz_id.as_str()));
        let either = Condition::any()
            .add(Column::RefreshTokenHash.is_in(hashes.iter().cloned()))
            .add(Column::BizId.is_in(names));
        let rows: Vec<(i64, ByteText, String)> = Entity::find()
            .select_only()
            .columns([Column::Id, Column::BizId, Column::RefreshTokenHash])
            .filter(either)
            .into_tuple()
            .all(tx)
            .await?;
        let by_hash = rows.iter().map(|(id, name, hash)| (hash.clone(), (*id, name.0.clone()))).collect();
        let by_name = rows.into_iter().map(|(id, name, _)| (name.0.clone(), (id, name.0))).collect();
        Ok(Self { by_hash, by_spent: spent(tx, hashes).await?, by_name })
    }

    fn clash(&self, draft: &Draft, hash: &str, known: &HashSet<String>) -> Option<Clash> {
        if let Some((id, biz_id)) = self.by_hash.get(hash) {
            return Some(Clash::Token { id: *id, biz_id: biz_id.clone() });
        }
        if let Some((id, biz_id)) = self.by_spent.get(hash) {
            return Some(Clash::Spent { id: *id, biz_id: biz_id.clone() });
        }
        if let Some((id, biz_id)) = self.by_name.get(&draft.biz_id) {
            return Some(Clash::BizId { id: *id, biz_id: biz_id.clone() });
        }
        (!known.contains(&draft.provider)).then_some(Clash::Provider)
    }
}

/// The accounts that have spent these refresh tokens, as far as their events are still there.
async fn spent(tx: &impl ConnectionTrait, hashes: &[String]) -> Result<HashMap<String, (i64, String)>> {
    use refresh_event::Column as Event;
    let rows: Vec<(Option<String>, i64, ByteText)> = refresh_event::Entity::find()
        .select_only()
        .column(Event::TokenHash)
        .column(Column::Id)
        .column(Column::BizId)
        .join(JoinType::InnerJoin, refresh_event::Relation::RefreshToken.def())
        .filter(Event::TokenHash.is_in(hashes.iter().cloned()))
        .into_tuple()
        .all(tx)
        .await?;
    Ok(rows.into_iter().filter_map(|(hash, id, biz_id)| Some((hash?, (id, biz_id.0)))).collect())
}

/// A row without its secrets: their boxes need its number.
fn row(draft: &Draft, hash: &str, now: UtcMillis) -> ActiveModel {
    ActiveModel {
        id: NotSet,
        biz_id: Set(draft.biz_id.as_str().into()),
        provider: Set(draft.provider.clone()),
        email: Set(draft.email.clone()),
        user_name: Set(draft.user_name.clone()),
        account_type: Set(draft.account_type.clone()),
        refresh_token: Set(String::new()),
        refresh_token_hash: Set(hash.to_owned()),
        refresh_token_last6: Set(last6(&draft.refresh_token)),
        client_id: Set(draft.client_id.clone()),
        tag: Set(draft.tag.clone()),
        memo: Set(draft.memo.clone()),
        enabled: Set(draft.enabled),
        state: Set("new".to_owned()),
        failure_count: Set(0),
        version: Set(0),
        lease_epoch: Set(0),
        created_at: Set(now),
        updated_at: Set(now),
        ..Default::default()
    }
}

/// False: somebody else has stored a like one meanwhile, and none of these is stored.
async fn store(tx: &impl ConnectionTrait, rows: Vec<ActiveModel>) -> Result<bool> {
    if rows.is_empty() {
        return Ok(true);
    }
    match Entity::insert_many(rows).exec_without_returning(tx).await {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Puts the sealed secrets into the new rows, and answers their numbers by hash.
async fn fill(
    tx: &impl ConnectionTrait,
    sealer: &Sealer,
    drafts: &[Draft],
    hashes: &[String],
    clashes: &[Option<Clash>],
) -> Result<HashMap<String, i64>> {
    let fresh = || drafts.iter().zip(hashes).zip(clashes).filter(|(_, clash)| clash.is_none()).map(|(pair, _)| pair);
    if fresh().next().is_none() {
        return Ok(HashMap::new());
    }
    let stored = Entity::find().select_only().columns([Column::RefreshTokenHash, Column::Id]);
    let stored = stored.filter(Column::RefreshTokenHash.is_in(fresh().map(|(_, hash)| hash.clone())));
    let ids: HashMap<String, i64> = stored.into_tuple::<(String, i64)>().all(tx).await?.into_iter().collect();
    let sealing = sealer.sealing(tx).await?;
    let (mut tokens, mut proxies) = (Vec::new(), Vec::new());
    for (draft, hash) in fresh() {
        let Some(id) = ids.get(hash).copied() else { continue };
        tokens.push((id, sealed(&sealing, id, "refresh_token", &draft.refresh_token)?));
        if let Some(proxy) = &draft.proxy {
            proxies.push((id, sealed(&sealing, id, "proxy", proxy)?));
        }
    }
    let mut update = Entity::update_many().col_expr(Column::RefreshToken, by_row(Column::RefreshToken, tokens));
    if !proxies.is_empty() {
        update = update.col_expr(Column::Proxy, by_row(Column::Proxy, proxies));
    }
    update.filter(Column::Id.is_in(ids.values().copied())).exec(tx).await?;
    Ok(ids)
}
