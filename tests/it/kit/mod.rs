//! What the tests stand on: a service in this process ([`TestApp`]), clients, databases, and the check that every
//! answer is as the OpenAPI document says.

mod accounts;
mod answer;
mod app;
mod certificate;
mod conformance;
mod database;
mod events;
mod http_stub;
mod load;
mod mail;
mod mariadb;
mod notifiers;
mod process;
pub mod provider;
mod proxies;
mod proxy;
mod redis;
mod relays;
mod stage;
mod stored;
mod vault;

pub use answer::{Answer, Call};
pub use app::{Device, TestApp};
pub use certificate::certificate;
pub use conformance::{check_raw, document, documented};
pub use database::Database;
pub use events::{Event, Events};
pub use http_stub::{Asked, HttpStub, Reply};
pub use load::{Load, Outcome};
pub use mail::{MailServer, PASSWORD, Secured, USER};
pub use mariadb::Mariadb;
pub use notifiers::{GOOD, Notifiers, Received, SIGNING, WHSEC};
pub use process::Process;
pub use provider::Provider;
pub use proxies::{OutboundProxy, Speaks};
pub use proxy::{Proxy, Wire};
pub use redis::Redis;
pub use relays::{Flavour, Mood, OneApiDatabase, Receiver, Relay};
pub use stored::holds;

/// Runs a test's future to its end on a runtime of its own.
pub fn block_on<F: Future>(future: F) -> F::Output {
    actix_web::rt::System::new().block_on(future)
}

/// A piece of a path, or a header of a device, percent-encoded as `encodeURIComponent` does it and then some.
pub fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Waits until it is so, for at most a minute.
pub async fn eventually(what: &str, mut is: impl AsyncFnMut() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !is().await {
        assert!(std::time::Instant::now() < deadline, "not so within a minute: {what}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await; // between two looks, not for a race
    }
}

/// Declares tests that run on both databases: `name::sqlite` and `name::mysql`.
#[macro_export]
macro_rules! on_both {
    ($($(#[$meta:meta])* async fn $name:ident($app:ident: TestApp) $body:block)*) => {
        $(
            $(#[$meta])*
            mod $name {
                use super::*;

                async fn test($app: TestApp) {
                    $body
                    $app.stop().await;
                }

                #[test]
                fn sqlite() {
                    $crate::kit::block_on(async { test($crate::kit::TestApp::start($crate::kit::Database::sqlite()).await).await });
                }

                #[test]
                fn mysql() {
                    $crate::kit::block_on(async { test($crate::kit::TestApp::start($crate::kit::Database::mysql().await).await).await });
                }
            }
        )*
    };
}

/// The same for services with another configuration: `on_both_with! { |config| config.kv.rate_read = 1; async fn … }`.
#[macro_export]
macro_rules! on_both_with {
    ($change:expr; $($(#[$meta:meta])* async fn $name:ident($app:ident: TestApp) $body:block)*) => {
        $crate::on_each_database! {
            $($(#[$meta])* async fn $name(database: Database) {
                let $app = $crate::kit::TestApp::start_with(database, $change).await;
                $body
                $app.stop().await;
            })*
        }
    };
}

/// The same for tests that start and stop their services themselves.
#[macro_export]
macro_rules! on_each_database {
    ($($(#[$meta:meta])* async fn $name:ident($database:ident: Database) $body:block)*) => {
        $(
            $(#[$meta])*
            mod $name {
                use super::*;

                async fn test($database: $crate::kit::Database) $body

                #[test]
                fn sqlite() {
                    $crate::kit::block_on(test($crate::kit::Database::sqlite()));
                }

                #[test]
                fn mysql() {
                    $crate::kit::block_on(async { test($crate::kit::Database::mysql().await).await });
                }
            }
        )*
    };
}
