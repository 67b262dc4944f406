//! An event stream as a browser reads it (WHATWG HTML §9.2), without the reconnecting.

use std::time::Duration;

use serde_json::Value;

use super::Call;

/// Nobody waits longer than this: a test that hangs fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// An open event stream.
pub struct Events {
    response: reqwest::Response,
    text: String,
}

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// `event:`
    pub name: String,
    /// `id:`
    pub id: i64,
    /// `data:`, which is JSON.
    pub data: Value,
}

impl Events {
    /// Opens a stream and reads its beginning, so that it follows from now on.
    pub async fn open(call: Call) -> Self {
        let response = call.header("accept", "text/event-stream").open().await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let mut events = Self { response, text: String::new() };
        assert!(events.more().await, "the stream ended at once");
        events
    }

    /// The next event; `None` when the stream ends. Comments are passed over.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let event = parse(block);
                self.text = rest.to_owned();
                if event.is_some() {
                    return event;
                }
            }
            if !self.more().await {
                assert_eq!(self.text, "", "half an event");
                return None;
            }
        }
    }

    /// The data of the next event.
    pub async fn data(&mut self) -> Value {
        self.next().await.expect("an event").data
    }

    /// What has come in and was not read yet.
    pub fn raw(&self) -> &str {
        &self.text
    }

    async fn more(&mut self) -> bool {
        let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("the stream says nothing");
        // A connection that breaks is an end as well; what matters is that nothing more comes.
        let Ok(Some(bytes)) = chunk else { return false };
        self.text.push_str(std::str::from_utf8(&bytes).expect("events are sent whole"));
        true
    }
}

fn parse(block: &str) -> Option<Event> {
    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let data = field("data")?;
    Some(Event {
        name: field("event").expect("a name").to_owned(),
        id: field("id").expect("an id").parse().expect("a number"),
        data: serde_json::from_str(data).expect("JSON"),
    })
}
