//! Who is acting.

use super::{problems::SCOPE_MISSING, scope::Scope};
use crate::base::error::Result;

/// Somebody who proved to be an admin, with what the audit needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// `root`, `admin:<username>`, `secret:<name>` or `cli`.
    pub name: String,
    /// The address the request came from; empty for the command line.
    pub ip: String,
    /// The id of the request; empty for the command line.
    pub request_id: String,
    /// What the proof was.
    pub kind: ActorKind,
    /// What a scoped secret may do; everybody else may do everything.
    pub(super) scopes: Option<Vec<Scope>>,
}

/// What somebody proved to be an admin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActorKind {
    /// The root secret of the configuration.
    Root,
    /// Signing in; the id of the admin.
    Admin(i64),
    /// A scoped secret; its id.
    Secret(i64),
    /// Access to the machine: the command line.
    Cli,
}

impl ActorKind {
    /// Its name in the access log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Admin(_) => "admin",
            Self::Secret(_) => "secret",
            Self::Cli => "cli",
        }
    }
}

impl Actor {
    /// Whoever runs a command on the machine.
    #[must_use]
    pub fn cli() -> Self {
        let nowhere = String::new();
        Self { name: "cli".to_owned(), ip: nowhere.clone(), request_id: nowhere, kind: ActorKind::Cli, scopes: None }
    }

    /// A name that stays the same when the admin or the secret is renamed: what idempotency keys belong to.
    #[must_use]
    pub fn caller(&self) -> String {
        match self.kind {
            ActorKind::Root | ActorKind::Cli => self.kind.name().to_owned(),
            ActorKind::Admin(id) | ActorKind::Secret(id) => format!("{}:{id}", self.kind.name()),
        }
    }

    /// Passes who has the scope.
    ///
    /// # Errors
    /// 403 `SCOPE_MISSING`.
    pub fn require(&self, scope: Scope) -> Result<()> {
        if self.may(scope) {
            return Ok(());
        }
        let name = scope.name();
        Err(SCOPE_MISSING.error(format!("This needs the scope '{name}'.")).with("scope", name))
    }

    /// Whether it may do what needs this scope.
    #[must_use]
    pub fn may(&self, needed: Scope) -> bool {
        self.scopes.as_ref().is_none_or(|scopes| scopes.iter().any(|scope| scope.includes(needed)))
    }
}
