//! The providers that a new database begins with.

use std::collections::BTreeMap;

use entity::UtcMillis;
use sea_orm::ConnectionTrait;

use super::{
    dto::{BodyFormat, ProviderPatch},
    provider,
};
use crate::base::{
    error::Result,
    input::Patch,
    secret::{Sealer, Secret},
};

/// A provider to begin with.
struct Seed {
    name: &'static str,
    token_url: &'static str,
    body_format: BodyFormat,
    /// None: the operator enters one, perhaps with a secret.
    client_id: Option<&'static str>,
    redirect_uri: Option<&'static str>,
    /// Seconds.
    expires_in: i64,
    rotates: bool,
}

/// The redirect of ChatGPT on iOS, which both its clients have to name.
const IOS: Option<&str> = Some("com.openai.chat://auth0.openai.com/ios/com.openai.chat/callback");
const DAY: i64 = 86_400;

const SEEDS: &[Seed] = &[
    Seed {
        name: "openai-ios",
        token_url: "https://auth.openai.com/oauth/token",
        body_format: BodyFormat::Json,
        client_id: Some("app_WXrF1LSkiTtfYqiL6XtjygvX"),
        redirect_uri: IOS,
        expires_in: DAY,
        rotates: true,
    },
    Seed {
        name: "openai-ios-legacy",
        token_url: "https://auth0.openai.com/oauth/token",
        body_format: BodyFormat::Json,
        client_id: Some("pdlLIX2Y72MIl2rhLhTE9VV9bN905kBh"),
        redirect_uri: IOS,
        expires_in: DAY,
        rotates: false,
    },
    Seed {
        name: "openai-codex",
        token_url: "https://auth.openai.com/oauth/token",
        body_format: BodyFormat::Json,
        client_id: Some("app_EMoamEEZ73f0CkXaXp7hrann"),
        redirect_uri: None,
        expires_in: DAY,
        rotates: true,
    },
    Seed {
        name: "claude",
        token_url: "https://platform.claude.com/v1/oauth/token",
        body_format: BodyFormat::Json,
        client_id: Some("9d1c250a-e61b-44d9-88ed-5944d1962f5e"),
        redirect_uri: None,
        expires_in: 28_800,
        rotates: true,
    },
    Seed::bare("google", "https://oauth2.googleapis.com/token", 3600, false),
    Seed::bare("github", "https://github.com/login/oauth/access_token", 28_800, true),
    Seed::bare("microsoft", "https://login.microsoftonline.com/common/oauth2/v2.0/token", 3600, false),
    // A name that never resolves (RFC 2606), until the operator enters an address.
    Seed::bare("custom", "https://provider.invalid/oauth/token", 3600, true),
];

impl Seed {
    /// With a form, and without a client.
    const fn bare(name: &'static str, token_url: &'static str, expires_in: i64, rotates: bool) -> Self {
        Self {
            name,
            token_url,
            body_format: BodyFormat::Form,
            client_id: None,
            redirect_uri: None,
            expires_in,
            rotates,
        }
    }

    fn as_patch(&self) -> ProviderPatch {
        let value = |text: &str| Patch::Value(text.to_owned());
        let redirect = |uri| BTreeMap::from([("redirect_uri".to_owned(), Some(Secret::new(uri)))]);
        ProviderPatch {
            token_url: value(self.token_url),
            body_format: Patch::Value(self.body_format),
            client_id: self.client_id.map_or(Patch::Absent, value),
            extra_params: self.redirect_uri.map_or(Patch::Absent, |uri| Patch::Value(redirect(uri))),
            expires_in_default: Patch::Value(self.expires_in),
            rotates: Patch::Value(self.rotates),
            ..ProviderPatch::default()
        }
    }
}

/// Makes the providers that a new database begins with. To be called once in a database's life, so that one that was
/// deleted stays away.
///
/// # Errors
/// When the database is out.
pub async fn seed(tx: &impl ConnectionTrait, sealer: &Sealer, now: UtcMillis) -> Result<()> {
    for seed in SEEDS {
        provider::insert(tx, sealer, seed.name.to_owned(), &seed.as_patch(), now).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::http_client::HttpClient,
        providers::{edit::Targets, fields::Wrong},
    };

    #[test]
    fn every_seed_keeps_the_rules_of_what_is_entered() {
        let client = HttpClient::new(false);
        for seed in SEEDS {
            let mut wrong = Wrong::default();
            wrong.name(seed.name);
            assert!(wrong.0.is_empty(), "{}", seed.name);
            seed.as_patch().check(Targets { client: &client, allow_private: false }).unwrap();
        }
    }
}
