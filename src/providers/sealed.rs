//! What is secret about a provider, in clear.

use std::collections::BTreeMap;

use entity::provider::Model;

use crate::base::{
    error::{Error, Result},
    sealed::Place,
    secret::{Sealer, Sealing, Secret},
};

/// Names, and values that are not shown.
pub(super) type Hidden = BTreeMap<String, Secret>;

/// The sealed columns, opened.
#[derive(Clone, Debug, Default)]
pub(super) struct Secrets {
    /// `client_secret`.
    pub(super) client_secret: Option<Secret>,
    /// `headers`, by name in lower case.
    pub(super) headers: Hidden,
    /// `extra_params`.
    pub(super) extra_params: Hidden,
}

/// The boxes of a row.
#[derive(Clone, Debug)]
pub(super) struct Boxes {
    pub(super) client_secret: Option<String>,
    pub(super) headers: Option<String>,
    pub(super) extra_params: Option<String>,
}

impl Secrets {
    /// Opens the boxes of a row.
    ///
    /// # Errors
    /// 500 when one does not open.
    pub(super) fn open(sealer: &Sealer, row: &Model) -> Result<Self> {
        let open = |column: &'static str, sealed: &Option<String>| {
            let opened = sealed.as_deref().map(|sealed| place(row.id, column).unseal(sealer, sealed));
            opened.transpose()
        };
        let object = |column: &'static str, sealed: &Option<String>| match open(column, sealed)? {
            Some(text) => serde_json::from_str(text.expose()).map_err(Error::internal),
            None => Ok(Hidden::new()),
        };
        Ok(Self {
            client_secret: open("client_secret", &row.client_secret)?,
            headers: object("headers", &row.headers)?,
            extra_params: object("extra_params", &row.extra_params)?,
        })
    }

    /// The boxes for the row of that id.
    ///
    /// # Errors
    /// 500 when sealing fails.
    pub(super) fn seal(&self, sealing: &Sealing, id: i64) -> Result<Boxes> {
        let seal = |column: &'static str, text: &Secret| place(id, column).seal(sealing, text);
        let object = |column: &'static str, hidden: &Hidden| {
            let text = (!hidden.is_empty()).then(|| as_json(hidden)).transpose()?;
            text.map(|text| seal(column, &text)).transpose()
        };
        Ok(Boxes {
            client_secret: self.client_secret.as_ref().map(|text| seal("client_secret", text)).transpose()?,
            headers: object("headers", &self.headers)?,
            extra_params: object("extra_params", &self.extra_params)?,
        })
    }
}

fn place(id: i64, column: &str) -> Place<'_> {
    Place { table: "provider", id, column }
}

/// In clear: a secret does not serialize itself.
fn as_json(hidden: &Hidden) -> Result<Secret> {
    let clear: BTreeMap<&str, &str> = hidden.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
    Ok(Secret::new(serde_json::to_string(&clear).map_err(Error::internal)?))
}
