//! What one message says, before it is put into words.

use std::collections::BTreeSet;

use entity::{UtcMillis, notification::Model};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::base::event::EventKind;

/// How many subjects a message names.
const NAMED: usize = 5;
/// How many groups a summary lists.
const LISTED: usize = 30;

/// What one message says; kept in the outbox until it is delivered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "snake_case")]
pub(super) enum Notice {
    /// Events of one kind and one cause.
    Event(Group),
    /// What was held while it was quiet.
    Summary {
        /// How many events, counted by kind and subject.
        count: u64,
        /// By kind and cause, the earliest first.
        groups: Vec<Group>,
    },
    /// An admin tries a channel.
    Test {
        /// The channel's name.
        name: String,
        /// When.
        at: UtcMillis,
    },
}

/// Events of one kind and one cause.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Group {
    /// The kind.
    pub(super) event: EventKind,
    /// How many subjects.
    pub(super) count: u64,
    /// The first few of them.
    pub(super) subjects: Vec<Subject>,
    /// The params that all of them have in common.
    pub(super) params: Map<String, Value>,
    /// When the first one happened.
    pub(super) at: UtcMillis,
}

/// What an event is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Subject {
    /// `token:7`
    pub(super) subject: String,
    /// What people call it.
    pub(super) name: String,
}

impl Group {
    /// Puts events of one kind and cause together, each subject once. There must be one at least.
    pub(super) fn of(event: EventKind, rows: &[&Model]) -> Self {
        let mut seen = BTreeSet::new();
        let (mut subjects, mut common) = (Vec::new(), None::<Map<String, Value>>);
        for row in rows.iter().filter(|row| seen.insert(row.subject.as_str())) {
            let params: Map<String, Value> = serde_json::from_str(&row.params).unwrap_or_default();
            if subjects.len() < NAMED {
                let name = params.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
                let name = name.unwrap_or(&row.subject).to_owned();
                subjects.push(Subject { subject: row.subject.clone(), name });
            }
            match &mut common {
                None => common = Some(params),
                Some(common) => common.retain(|name, value| params.get(name) == Some(value)),
            }
        }
        let at = rows.iter().map(|row| row.created_at).min().unwrap_or_default();
        Self { event, count: seen.len() as u64, subjects, params: common.unwrap_or_default(), at }
    }
}

impl Notice {
    /// One notice of everything, the earliest first. Rows of kinds that this version does not know are left out;
    /// `None` when nothing is left.
    pub(super) fn summary(rows: &[Model]) -> Option<Self> {
        let mut order: Vec<(EventKind, &str, Vec<&Model>)> = Vec::new();
        for row in rows {
            let Some(event) = EventKind::parse(&row.event) else { continue };
            match order.iter_mut().find(|(kind, cause, _)| *kind == event && *cause == row.cause) {
                Some((.., group)) => group.push(row),
                None => order.push((event, &row.cause, vec![row])),
            }
        }
        let groups: Vec<Group> = order.iter().map(|(event, _, rows)| Group::of(*event, rows)).collect();
        let count = groups.iter().map(|group| group.count).sum();
        let groups: Vec<Group> = groups.into_iter().take(LISTED).collect();
        (!groups.is_empty()).then_some(Self::Summary { count, groups })
    }

    /// Its name on the wire: that of the event, `summary` or `test`.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Event(group) => group.event.name(),
            Self::Summary { .. } => "summary",
            Self::Test { .. } => "test",
        }
    }
}
