//! The outbox.

use latchkey::outbox::{Message, put};
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::json;

use crate::kit::TestApp;

on_both! {
    async fn a_message_is_there_when_its_cause_is_and_else_is_not(app: TestApp) {
        let message = Message { kind: "notify", target: "channel:1".to_owned(), version: 1, payload: json!({}), supersedes: false };
        let (first, second, now) = (message.clone(), Message { version: 2, ..message }, app.clock.now());
        app.state.writer.write(async move |tx| put(tx, &first, now).await).await.unwrap();
        let undone = app.state.writer.write(async move |tx| {
            put(tx, &second, now).await?;
            Err::<(), _>(latchkey::base::error::Error::internal("it failed"))
        });
        undone.await.unwrap_err();
        assert_eq!(entity::outbox::Entity::find().count(app.state.db.orm()).await.unwrap(), 1);
    }
}
