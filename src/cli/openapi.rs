//! `latchkey openapi`

use super::Outcome;
use crate::server::openapi::document;

pub(super) fn run() -> Outcome {
    print!("{}", document().pretty);
    Ok(())
}
