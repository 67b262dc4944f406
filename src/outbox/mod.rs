//! Placeholder of another branch.
#![expect(missing_docs, reason = "replaced at the merge")]
#[derive(Clone)]
pub struct Outbox;
impl Outbox {
    pub fn nudge(&self) {}
}
