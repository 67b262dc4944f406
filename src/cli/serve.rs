//! `latchkey serve`

use super::{Global, Outcome, runtime};
use crate::server;

pub(super) fn run(global: &Global) -> Outcome {
    let config = global.load()?.config;
    server::logging::start(&config.log)?;
    let outcome = runtime()?.block_on(server::run(config));
    server::logging::flush();
    Ok(outcome?)
}
