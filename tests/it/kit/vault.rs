//! Accounts as the vault holds them, made without a provider.

use entity::{UtcMillis, refresh_token};
use latchkey::{
    base::{
        sealed::Place,
        secret::{Secret, sha256_hex},
    },
    sinks,
};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{Set, Unchanged},
};

use super::{TestApp, eventually};

/// How long the access tokens of the tests live, in milliseconds: ten days.
pub const TOKEN_LIFE_MS: i64 = 10 * 24 * 3_600_000;

impl TestApp {
    /// An account with that refresh token and, if one is given, that access token; its version is 1 then, else 0.
    pub async fn vault_account(&self, refresh_token: &str, access_token: Option<&str>) -> refresh_token::Model {
        let (now, sealer) = (self.clock.now(), self.state.sealer.clone());
        let (plain, access) = (refresh_token.to_owned(), access_token.map(str::to_owned));
        let made = self.state.writer.write(async move |tx| {
            let row = refresh_token::ActiveModel {
                biz_id: Set(format!("biz-{}", sha256_hex(plain.as_bytes())[..8].to_owned()).into()),
                provider: Set("custom".to_owned()),
                email: Set(Some("somebody@example.com".to_owned())),
                account_id: Set(Some("acc-1".to_owned())),
                refresh_token: Set(String::new()),
                refresh_token_hash: Set(sha256_hex(plain.as_bytes())),
                refresh_token_last6: Set(plain.chars().skip(plain.chars().count().saturating_sub(6)).collect()),
                enabled: Set(true),
                state: Set("ok".to_owned()),
                failure_count: Set(0),
                version: Set(i64::from(access.is_some())),
                lease_epoch: Set(0),
                created_at: Set(now),
                updated_at: Set(now),
                ..Default::default()
            };
            let (row, sealing) = (row.insert(tx).await?, sealer.sealing(tx).await?);
            let seal = |column, text: &str| {
                Place { table: "refresh_token", id: row.id, column }.seal(&sealing, &Secret::new(text))
            };
            let sealed = refresh_token::ActiveModel {
                id: Unchanged(row.id),
                refresh_token: Set(seal("refresh_token", &plain)?),
                access_token: Set(access.as_deref().map(|access| seal("access_token", access)).transpose()?),
                access_expires_at: Set(access.is_some().then(|| now.plus_millis(TOKEN_LIFE_MS))),
                ..Default::default()
            };
            Ok(sealed.update(tx).await?)
        });
        made.await.expect("an account")
    }

    /// Lets that many milliseconds pass, and has the outbox look what is due then. Its job alone might have looked just
    /// before, and the clock stands still.
    pub async fn deliver_later(&self, millis: i64) {
        self.clock.advance_millis(millis);
        eventually("the outbox looks", async || {
            self.call("POST", "/public-api/jobs/deliver-outbox/run").root().send().await.status == 202
        })
        .await;
    }

    /// Stores a fresh access token of the account, as a refresh does: with a new version, and pushed to the sinks in the
    /// same transaction. Answers the version. The outbox is nudged only by its job.
    pub async fn refreshed(&self, account: &refresh_token::Model, access_token: &str) -> i64 {
        let (id, now, sealer) = (account.id, self.clock.now(), self.state.sealer.clone());
        let access_token = Secret::new(access_token);
        let stored = self.state.writer.write(async move |tx| {
            use sea_orm::EntityTrait;
            let row = refresh_token::Entity::find_by_id(id).one(tx).await?.expect("the account");
            let place = Place { table: "refresh_token", id, column: "access_token" };
            let change = refresh_token::ActiveModel {
                id: Unchanged(id),
                access_token: Set(Some(place.seal(&sealer.sealing(tx).await?, &access_token)?)),
                access_expires_at: Set(Some(UtcMillis(now.0 + TOKEN_LIFE_MS))),
                version: Set(row.version + 1),
                updated_at: Set(now),
                ..Default::default()
            };
            change.update(tx).await?;
            if let Some(links) = sinks::links_of(tx, std::iter::once(id)).await?.get(&id) {
                sinks::push(tx, links, row.version + 1, now).await?;
            }
            Ok(row.version + 1)
        });
        stored.await.expect("stored")
    }
}
