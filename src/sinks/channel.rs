//! A channel as its relay knows it, and whether it is the one that is meant.

use entity::sink_link;

use super::text::harmless;

/// Type of Codex channels in New-API.
pub(super) const CODEX: i64 = 57;

/// What a relay says of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Channel {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) kind: i64,
    /// It holds several keys, of which a single one cannot be replaced from outside.
    pub(super) has_several_keys: bool,
}

/// The channel that a link means.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meant<'a> {
    pub(super) id: i64,
    name: Option<&'a str>,
    kind: Option<i64>,
}

impl<'a> Meant<'a> {
    /// None: the link names no channel, which the check of new links does not let happen.
    pub(super) fn of(link: &'a sink_link::Model, is_codex: bool) -> Option<Self> {
        let kind = link.channel_type.or(is_codex.then_some(CODEX));
        Some(Self { id: link.channel_id.parse().ok()?, name: link.channel_name.as_deref(), kind })
    }

    /// Whether that is it.
    ///
    /// # Errors
    /// Why it must not be written, for people.
    pub(super) fn check(&self, found: &Channel) -> Result<(), String> {
        let Self { id, name, kind } = *self;
        if found.id != id {
            return Err(format!("asked for channel {id}, the relay answers with channel {}", found.id));
        }
        if let Some(name) = name.filter(|name| *name != found.name) {
            let there = harmless(&found.name, &[]);
            return Err(format!("channel {id} is called '{there}' there, the link says '{name}': nothing was written"));
        }
        if let Some(kind) = kind.filter(|kind| *kind != found.kind) {
            return Err(format!(
                "channel {id} has type {} there, it should have {kind}: nothing was written",
                found.kind
            ));
        }
        if found.has_several_keys {
            return Err(format!(
                "channel {id} holds several keys, of which none can be replaced alone: nothing was written"
            ));
        }
        Ok(())
    }
}
