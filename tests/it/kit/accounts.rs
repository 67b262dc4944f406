//! Accounts and what they need.

use entity::{UtcMillis, provider};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};

use super::{Database, TestApp};

impl Database {
    /// A provider of this name, at an address where nobody answers; nothing if there is one.
    pub async fn new_provider(&self, name: &str) {
        let database = self.connect().await;
        let row = provider::ActiveModel {
            name: Set(name.to_owned()),
            token_url: Set("http://127.0.0.1:9/token".to_owned()),
            body_format: Set("json".to_owned()),
            auth_method: Set("body".to_owned()),
            client_id: Set(Some("app_of_the_tests".to_owned())),
            expires_in_default: Set(3600),
            rotates: Set(true),
            error_map: Set("{}".to_owned()),
            state: Set("active".to_owned()),
            version: Set(0),
            created_at: Set(UtcMillis(0)),
            updated_at: Set(UtcMillis(0)),
            ..Default::default()
        };
        let there = provider::Entity::find().filter(provider::Column::Name.eq(name)).one(&database).await;
        if there.expect("the providers").is_none() {
            provider::Entity::insert(row).exec_without_returning(&database).await.expect("a provider");
        }
        database.close().await.expect("closed");
    }
}

impl TestApp {
    /// Stores an account of provider `stub`, which is made if it is not there; `more` are further members.
    pub async fn new_account(&self, token: &str, more: &Value) -> Value {
        self.database.new_provider("stub").await;
        let mut body = json!({"refresh_token": token, "provider": "stub"});
        let members = body.as_object_mut().expect("an object");
        members.extend(more.as_object().cloned().unwrap_or_default());
        self.post("/public-api/tokens", &body).root().send().await.expect(201)
    }
}
