//! What a failure means.

use std::fmt;

macro_rules! classes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)*) => {
        /// The class of a failed exchange.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum FailureClass {
            $($(#[$doc])* $variant,)*
        }

        impl FailureClass {
            /// Every class there is.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name in the database and on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }
    };
}

classes! {
    /// The refresh token is too old.
    Expired = "permanent.expired";
    /// The refresh token was used before.
    Reused = "permanent.reused";
    /// The refresh token was taken back.
    Revoked = "permanent.revoked";
    /// The refresh token is refused for good, for a reason that is not told.
    InvalidGrant = "permanent.invalid_grant";
    /// The account behind the refresh token is closed.
    AccountDisabled = "permanent.account_disabled";
    /// The provider does not know the client, or its secret.
    InvalidClient = "config.invalid_client";
    /// The client may not do this.
    UnauthorizedClient = "config.unauthorized_client";
    /// The provider does not take refresh tokens.
    UnsupportedGrant = "config.unsupported_grant";
    /// The provider does not serve the country that the request comes from.
    Region = "egress.region";
    /// The proxy refuses the credentials.
    ProxyAuth = "egress.proxy_auth";
    /// There is no connection to the proxy, or the proxy found none.
    ProxyConnect = "egress.proxy_connect";
    /// Something before the provider wants to see a browser.
    Challenge = "egress.challenge";
    /// Too often.
    RateLimited = "rate_limited";
    /// No answer in time.
    Timeout = "transient.timeout";
    /// The provider's own failure.
    Server = "transient.5xx";
    /// No connection, or one that broke.
    Connect = "transient.connect";
    /// An answer that cannot be understood.
    Malformed = "transient.malformed";
}

impl FailureClass {
    /// The class of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|class| class.as_str() == name)
    }

    /// Whether the refresh token is dead: it must not be sent again.
    #[must_use]
    pub fn is_permanent(self) -> bool {
        self.as_str().starts_with("permanent.")
    }

    /// Whether the provider refuses this service, whatever the token.
    #[must_use]
    pub fn is_config(self) -> bool {
        self.as_str().starts_with("config.")
    }

    /// Whether the way to the provider is at fault; it says nothing about the token.
    #[must_use]
    pub fn is_egress(self) -> bool {
        self.as_str().starts_with("egress.")
    }

    /// Whether another try later may do. [`Self::RateLimited`] is a class of its own.
    #[must_use]
    pub fn is_transient(self) -> bool {
        self.as_str().starts_with("transient.")
    }
}

impl fmt::Display for FailureClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_survives_the_database_and_belongs_to_one_group() {
        for class in FailureClass::ALL {
            assert_eq!(FailureClass::parse(class.as_str()), Some(*class));
            let groups = [class.is_permanent(), class.is_config(), class.is_egress(), class.is_transient()];
            let expected = usize::from(*class != FailureClass::RateLimited);
            assert_eq!(groups.iter().filter(|is| **is).count(), expected, "{class}");
            assert!(class.as_str().len() <= 64, "{class} fits its column");
        }
        assert_eq!(FailureClass::parse("permanent"), None);
        assert_eq!(FailureClass::parse(""), None);
    }
}
