//! Secrets in columns: sealed so that a box opens only in the place it was sealed for.

use std::fmt::Display;

use super::{
    error::{Error, Result},
    secret::{Sealer, Sealing, Secret},
};

/// Every column that holds boxes: table without prefix, column. The rotation of the data key goes through this list,
/// and nothing is sealed for a column that is not on it.
pub const COLUMNS: &[(&str, &str)] = &[
    ("idempotency_key", "answer"),
    ("notification_channel", "config"),
    ("provider", "client_secret"),
    ("provider", "extra_params"),
    ("provider", "headers"),
    ("refresh_token", "access_token"),
    ("refresh_token", "id_token"),
    ("refresh_token", "previous_refresh_token"),
    ("refresh_token", "proxy"),
    ("refresh_token", "refresh_token"),
    ("setting", "value"),
    ("token_sink", "secrets"),
];

/// Where a sealed value stands. It is the associated data of the box, so boxes cannot be moved between rows or columns.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a, Id = i64> {
    /// Without prefix: `refresh_token`.
    pub table: &'a str,
    /// Of the row.
    pub id: Id,
    /// The column.
    pub column: &'a str,
}

impl<Id: Display> Place<'_, Id> {
    /// `secret` as the column holds it.
    ///
    /// # Errors
    /// When the column is not one of [`COLUMNS`], or the random source fails.
    pub fn seal(&self, sealing: &Sealing, secret: &Secret) -> Result<String> {
        if !COLUMNS.contains(&(self.table, self.column)) {
            let message = format!("{}.{} is not among the sealed columns", self.table, self.column);
            return Err(Error::internal(message));
        }
        sealing.seal(&self.purpose(), secret.expose().as_bytes())
    }

    /// What the column holds, in clear.
    ///
    /// # Errors
    /// When it was sealed for another place, by a data key that is gone, or was changed.
    pub fn unseal(&self, sealer: &Sealer, sealed: &str) -> Result<Secret> {
        let plain = sealer.unseal(&self.purpose(), sealed)?;
        let text = std::str::from_utf8(&plain).map_err(|_| Error::internal("a sealed text is not UTF-8"))?;
        Ok(Secret::new(text))
    }

    fn purpose(&self) -> String {
        format!("{}/{}/{}", self.table, self.id, self.column)
    }
}

#[cfg(test)]
mod tests {
    use entity::{UtcMillis, sealing_key};
    use sea_orm::{ActiveValue::Set, EntityTrait};

    use super::*;
    use crate::base::{
        scratch::{START, on_each},
        secret::MasterKey,
        state::State,
    };

    const PLACE: Place<'_> = Place { table: "refresh_token", id: 7, column: "access_token" };

    fn master() -> MasterKey {
        MasterKey::parse(&"5a".repeat(32)).unwrap()
    }

    async fn add_key(state: &State) {
        let sealed_key = Set(master().new_data_key().unwrap());
        let row = sealing_key::ActiveModel { sealed_key, created_at: Set(UtcMillis(START.0)), ..Default::default() };
        let work = async move |tx: &sea_orm::DatabaseTransaction| {
            Ok(sealing_key::Entity::insert(row.clone()).exec_without_returning(tx).await?)
        };
        state.writer.write(work).await.unwrap();
    }

    async fn seal(state: &State, sealer: &Sealer, place: Place<'static>) -> Result<String> {
        let sealer = sealer.clone();
        let work =
            async move |tx: &sea_orm::DatabaseTransaction| place.seal(&sealer.sealing(tx).await?, &Secret::new("at"));
        state.writer.write(work).await
    }

    #[actix_web::test]
    async fn a_box_opens_only_in_its_own_row_and_column() {
        on_each(async |state| {
            let sealer = Sealer::open(&master(), &[], None).unwrap();
            let sealed = seal(&state, &sealer, PLACE).await.unwrap();
            assert_eq!(PLACE.unseal(&sealer, &sealed).unwrap().expose(), "at");
            for wrong in
                [Place { id: 8, ..PLACE }, Place { column: "id_token", ..PLACE }, Place { table: "provider", ..PLACE }]
            {
                assert!(wrong.unseal(&sealer, &sealed).is_err());
            }
        })
        .await;
    }

    #[actix_web::test]
    async fn nothing_is_sealed_for_a_column_that_the_rotation_does_not_know() {
        on_each(async |state| {
            let sealer = Sealer::open(&master(), &[], None).unwrap();
            assert!(seal(&state, &sealer, Place { column: "memo", ..PLACE }).await.is_err());
        })
        .await;
    }

    #[actix_web::test]
    async fn a_process_seals_with_a_key_that_came_later_and_opens_boxes_of_one_it_has_not_met() {
        on_each(async |state| {
            let writes = Sealer::open(&master(), &[], None).unwrap();
            let reads = Sealer::open(&master(), &[], Some(&state.config.database)).unwrap();
            let first = seal(&state, &writes, PLACE).await.unwrap();
            add_key(&state).await;
            let second = seal(&state, &writes, PLACE).await.unwrap();
            let number = |sealed: &str| sealed.split_once('.').unwrap().0.parse::<i64>().unwrap();
            assert!(number(&second) > number(&first));
            for sealed in [second, first] {
                assert_eq!(PLACE.unseal(&reads, &sealed).unwrap().expose(), "at");
            }
            assert_eq!(reads.newest(), writes.newest());
        })
        .await;
    }
}
