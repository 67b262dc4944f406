//! `latchkey openapi`

use super::{Outcome, say};
use crate::server::openapi::document;

pub(super) fn run() -> Outcome {
    say(&document().pretty);
    Ok(())
}
