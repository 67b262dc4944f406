//! Secrets in columns: sealed so that a box opens only in the place it was sealed for.

use super::{
    error::{Error, Result},
    secret::{Sealer, Secret},
};

/// Where a sealed value stands. It is the associated data of the box, so boxes cannot be moved between rows or columns.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Without prefix: `refresh_token`.
    pub table: &'a str,
    /// Of the row.
    pub id: i64,
    /// The column.
    pub column: &'a str,
}

impl Place<'_> {
    fn purpose(self) -> String {
        format!("{}/{}/{}", self.table, self.id, self.column)
    }

    /// `secret` as the column holds it: `<data key id>.<base64>`.
    ///
    /// # Errors
    /// When there is no data key, or the random source fails.
    pub fn seal(self, sealer: &Sealer, secret: &Secret) -> Result<String> {
        sealer.seal(&self.purpose(), secret.expose().as_bytes())
    }

    /// What the column holds, in clear.
    ///
    /// # Errors
    /// When it was sealed for another place, by a data key that is gone, or was changed.
    pub fn unseal(self, sealer: &Sealer, sealed: &str) -> Result<Secret> {
        let plain = sealer.unseal(&self.purpose(), sealed)?;
        let text = std::str::from_utf8(&plain).map_err(|_| Error::internal("a sealed text is not UTF-8"))?;
        Ok(Secret::new(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secret::MasterKey;

    #[test]
    fn a_box_opens_only_in_its_own_row_and_column() {
        let master = MasterKey::parse(&"5a".repeat(32)).unwrap();
        let sealer = Sealer::open(&master, &[(1, master.new_data_key().unwrap())]).unwrap();
        let place = Place { table: "refresh_token", id: 7, column: "access_token" };
        let sealed = place.seal(&sealer, &Secret::new("at")).unwrap();
        assert_eq!(place.unseal(&sealer, &sealed).unwrap().expose(), "at");
        for wrong in
            [Place { id: 8, ..place }, Place { column: "id_token", ..place }, Place { table: "provider", ..place }]
        {
            assert!(wrong.unseal(&sealer, &sealed).is_err());
        }
    }
}
