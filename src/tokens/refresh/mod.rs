//! The refresh: the only door to a refresh token. This is its interface; the refresh itself comes with the providers.

mod outcome;

pub use self::outcome::{Cause, Outcome, Refusal};

/// Refreshes accounts. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Refresher(());

impl Refresher {
    /// Exchanges the account's refresh token now, or joins who is doing so. It goes on when the caller goes away.
    #[expect(clippy::unused_async, reason = "the interface of what is to come")]
    pub async fn refresh(&self, _id: i64, _cause: Cause) -> Outcome {
        Outcome::Refused(Refusal {
            kind: &super::PROVIDER_FAILED,
            class: None,
            retry_after_s: None,
            detail: "Accounts cannot be refreshed yet.".to_owned(),
        })
    }
}
