//! The job `deliver-outbox`.

use std::collections::HashSet;

use entity::outbox::{ActiveModel, Column, Entity, Model};
use sea_orm::{
    ActiveValue::{Set, Unchanged},
    ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};

use super::{Courier, Delivery};
use crate::base::job::{JobContext, Outcome};

/// How long a message waits for its next try, in seconds, unless its courier says otherwise.
const PAUSE_S: i64 = 60;
/// Most messages of one run.
const MOST: u64 = 200;

/// Delivers the messages of this kind that are due.
///
/// # Errors
/// 503 when the database is out.
pub async fn deliver(context: JobContext, kind: &'static str, courier: &dyn Courier) -> Outcome {
    let pending = Entity::find()
        .filter(Column::Kind.eq(kind))
        .filter(Column::NextAttemptAt.is_not_null())
        .order_by_asc(Column::Id)
        .limit(MOST)
        .all(context.state.db.orm())
        .await?;
    let (mut waiting, mut delivered) = (HashSet::new(), 0);
    for message in &pending {
        let due = message.next_attempt_at.is_some_and(|time| time <= context.state.clock.now());
        if context.stop.is_cancelled() || !due || waiting.contains(&message.target) {
            waiting.insert(message.target.clone());
            continue;
        }
        let delivery = courier.deliver(message).await;
        match &delivery {
            Delivery::Later { .. } => drop(waiting.insert(message.target.clone())),
            Delivery::Delivered => delivered += 1,
            Delivery::Never { .. } => {}
        }
        note(&context, message.clone(), delivery).await?;
    }
    Ok((delivered > 0).then(|| format!("{delivered} messages delivered")))
}

async fn note(context: &JobContext, message: Model, delivery: Delivery) -> crate::base::error::Result<()> {
    let now = context.state.clock.now();
    let (state, next, error) = match delivery {
        Delivery::Delivered => ("delivered", None, None),
        Delivery::Later { error, retry_after_s } => {
            ("pending", Some(now.plus_seconds(retry_after_s.unwrap_or(PAUSE_S).max(1))), Some(error))
        }
        Delivery::Never { error } => ("failed", None, Some(error)),
    };
    let row = ActiveModel {
        id: Unchanged(message.id),
        state: Set(state.to_owned()),
        attempts: Set(message.attempts + 1),
        next_attempt_at: Set(next),
        last_error: Set(error.map(|error| error.chars().take(500).collect())),
        updated_at: Set(now),
        delivered_at: Set((state == "delivered").then_some(now)),
        ..Default::default()
    };
    let noted = context.state.writer.write(async move |tx| Ok(Entity::update(row.clone()).exec(tx).await?));
    noted.await.map(|_| ())
}
