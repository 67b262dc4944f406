//! What a scoped secret may be allowed, and the markers for handlers' parameters.

use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

macro_rules! scopes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $marker:ident;)*) => {
        /// A permission of a scoped secret. The root secret and signed-in admins have all of them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Scope {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl Scope {
            /// Every scope there is.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name on the wire and in the database.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }

        $(
            #[doc = concat!("Marks a handler that needs `", $name, "`.")]
            #[derive(Clone, Copy, Debug)]
            pub struct $marker;

            impl Needed for $marker {
                const SCOPE: Scope = Scope::$variant;
            }
        )*
    };
}

// By hand, since the derive does not see names that come out of a macro.
impl PartialSchema for Scope {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(
                "A permission of a scoped secret. `keys:write` includes `keys:read`; `admin` includes all.",
            ))
            .enum_values(Some(Self::ALL.iter().map(|scope| scope.name())))
            .examples(["keys:verify"])
            .into()
    }
}

impl ToSchema for Scope {}

/// A marker that stands for a scope.
pub trait Needed: 'static {
    /// The scope.
    const SCOPE: Scope;
}

scopes! {
    /// Read tokens and get access tokens.
    TokensRead = "tokens:read", TokensRead;
    /// Have tokens refreshed.
    TokensRefresh = "tokens:refresh", TokensRefresh;
    /// Create, change and delete tokens.
    TokensWrite = "tokens:write", TokensWrite;
    /// See refresh tokens.
    TokensReveal = "tokens:reveal", TokensReveal;
    /// Read API keys, their usage and their ledger.
    KeysRead = "keys:read", KeysRead;
    /// Create, change and delete API keys; includes reading.
    KeysWrite = "keys:write", KeysWrite;
    /// Verify, settle, cancel and extend; ask the gate.
    KeysVerify = "keys:verify", KeysVerify;
    /// Read usage.
    UsageRead = "usage:read", UsageRead;
    /// Book usage.
    UsageWrite = "usage:write", UsageWrite;
    /// Read orders.
    OrdersRead = "orders:read", OrdersRead;
    /// Change orders.
    OrdersWrite = "orders:write", OrdersWrite;
    /// Create, change and delete apps.
    AppsWrite = "apps:write", AppsWrite;
    /// Everything.
    Admin = "admin", AdminScope;
}

impl Scope {
    /// The scope of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|scope| scope.name() == name)
    }

    /// Whether who has this scope has the other one too.
    #[must_use]
    pub fn includes(self, other: Self) -> bool {
        self == other || self == Self::Admin || (self == Self::KeysWrite && other == Self::KeysRead)
    }
}

/// The scopes as the database holds them: names in order, each once, separated by a blank.
#[must_use]
pub fn join(scopes: &[Scope]) -> String {
    let mut scopes = scopes.to_vec();
    scopes.sort_unstable();
    scopes.dedup();
    scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(" ")
}

/// The scopes out of the database. A name this version does not know allows nothing.
#[must_use]
pub fn split(names: &str) -> Vec<Scope> {
    names.split(' ').filter_map(Scope::parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_includes_itself_and_admin_includes_all() {
        for scope in Scope::ALL {
            assert!(scope.includes(*scope));
            assert!(Scope::Admin.includes(*scope));
            assert_eq!(scope.includes(Scope::Admin), *scope == Scope::Admin);
        }
    }

    #[test]
    fn writing_keys_includes_reading_them_and_nothing_else_includes_another() {
        for scope in Scope::ALL.iter().filter(|scope| **scope != Scope::Admin) {
            for other in Scope::ALL.iter().filter(|other| *other != scope) {
                let expected = (*scope, *other) == (Scope::KeysWrite, Scope::KeysRead);
                assert_eq!(scope.includes(*other), expected, "{scope:?} {other:?}");
            }
        }
    }

    #[test]
    fn names_survive_the_database_and_the_wire() {
        assert_eq!(split(&join(Scope::ALL)), Scope::ALL);
        assert_eq!(join(&[Scope::UsageWrite, Scope::KeysVerify, Scope::UsageWrite]), "keys:verify usage:write");
        for scope in Scope::ALL {
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.name());
        }
        assert_eq!(split("keys:verify keys:paint"), [Scope::KeysVerify]);
    }

    #[test]
    fn the_documented_names_are_the_ones_on_the_wire() {
        let documented = serde_json::to_value(Scope::schema()).unwrap();
        assert_eq!(documented["enum"], serde_json::to_value(Scope::ALL).unwrap());
    }

    #[test]
    fn all_scopes_fit_the_column() {
        assert!(join(Scope::ALL).len() <= 500);
    }
}
