//! Where the service is killed, round by round.

use std::time::Duration;

use crate::kit::provider::{Act, Acting};

/// How the moment is chosen.
#[derive(Clone, Debug)]
pub enum How {
    /// At a step within the service, at one of that many visits.
    Step(u32),
    /// As soon as the provider treats a call so.
    Provider(Act),
    /// At a step within the service, while the database refuses what the provider has answered.
    Refusing(u32),
    /// At a step of the start that follows a kill while answers lay in the journal.
    Starting,
    /// At any moment.
    Random(Duration),
}

/// One kill.
#[derive(Clone, Debug)]
pub struct Kill {
    /// The step as `refresh::fault` names it, or what it is.
    pub step: &'static str,
    pub how: How,
    /// Only who may have lost a token comes there.
    pub in_recovery: bool,
}

/// Every step once, in the order of a refresh, with some kills at any moment between them.
pub fn round_of_kills() -> Vec<Kill> {
    let kill = |step, how| Kill { step, how, in_recovery: false };
    let recovery = |step| Kill { step, how: How::Step(1), in_recovery: true };
    let any = || kill("any moment", How::Random(Duration::from_millis(1200)));
    vec![
        kill("intending", How::Step(150)),
        kill("intended", How::Step(150)),
        kill("sent, not acted on", How::Provider(Act::Hang(Acting::Not))),
        kill("acted on after the kill", How::Provider(Act::WhenGone)),
        recovery("intended-previous"),
        any(),
        kill("acted on, not answered", How::Provider(Act::Hang(Acting::First))),
        recovery("failing"),
        kill("half answered", How::Provider(Act::Halfway)),
        kill("answered", How::Step(150)),
        any(),
        kill("storing", How::Step(150)),
        kill("stored", How::Step(150)),
        kill("ended", How::Step(150)),
        kill("drafted", How::Refusing(20)),
        kill("journalled", How::Refusing(20)),
        kill("replayed", How::Starting),
        kill("storing from the journal", How::Starting),
        kill("taking-over", How::Starting),
        any(),
    ]
}
