//! Raw connections, and what comes back on them.

use std::{net::SocketAddr, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::kit::{Database, Load, Process};

/// A guard against a test that hangs; the service's own limits are shorter.
pub(super) const GUARD: Duration = Duration::from_secs(40);

/// A service, and a device's token.
pub(super) async fn start(database: &Database) -> (Process, String) {
    let process = Process::serve_logged(database, |_| {}).await;
    let token = Load::new(&process, "hostile", 0).await.token().to_owned();
    (process, token)
}

/// Checks that the service is as well as before, and ends it.
pub(super) async fn assert_unharmed(database: Database, process: Process, token: &str) {
    let value = json!({"after": "all that"});
    process.call("PUT", "/kv/afterwards").token(token).json(&value).send().await.expect(200);
    assert_eq!(process.call("GET", "/kv/afterwards").token(token).send().await.expect(200), value);
    drop(process);
    let log = Process::log(&database);
    assert!(!log.contains("panicked"), "{log}");
    assert!(!log.contains(token), "no token in the log");
    database.drop().await;
}

/// A raw connection.
pub(super) struct Socket(pub(super) TcpStream);

/// What came back: status lines with their bodies, as text.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) statuses: Vec<u16>,
    pub(super) text: String,
}

impl Socket {
    pub(super) async fn open(addr: SocketAddr) -> Self {
        Self(TcpStream::connect(addr).await.expect("a connection"))
    }

    /// Sends; a service that has closed already is no failure.
    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.0.write_all(bytes.as_ref()).await.is_ok()
    }

    /// Everything until the service closes.
    pub(super) async fn until_closed(&mut self) -> Reply {
        let mut bytes = Vec::new();
        let read = self.0.read_to_end(&mut bytes);
        let _ = timeout(GUARD, read).await.expect("the service closes"); // a reset is an end too
        Reply::parse(&bytes)
    }

    /// One answer of a connection that may stay open: until `count` heads with their bodies have come.
    pub(super) async fn answers(&mut self, count: usize) -> Reply {
        let mut bytes = Vec::new();
        let read = async {
            let mut buffer = [0; 16 * 1024];
            while Reply::parse(&bytes).complete(&bytes) < count {
                match self.0.read(&mut buffer).await {
                    Ok(0) | Err(_) => break,
                    Ok(more) => bytes.extend_from_slice(&buffer[..more]),
                }
            }
        };
        timeout(GUARD, read).await.expect("an answer");
        Reply::parse(&bytes)
    }
}

impl Reply {
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let lines = text.match_indices("HTTP/1.").filter_map(|(at, _)| text.get(at + 9..at + 12)?.parse().ok());
        Self { statuses: lines.collect(), text: text.clone() }
    }

    /// How many answers are there in full, by their Content-Length.
    fn complete(&self, bytes: &[u8]) -> usize {
        let (mut rest, mut count) = (bytes, 0);
        while let Some(head) = rest.windows(4).position(|window| window == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&rest[..head]).to_ascii_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
            if rest.len() < head + 4 + length {
                break;
            }
            rest = &rest[head + 4 + length..];
            count += usize::from(!text.starts_with("http/1.1 100"));
        }
        count
    }

    /// The body of the last answer as JSON.
    #[track_caller]
    pub(super) fn problem(&self) -> Value {
        let body = self.text.rsplit("\r\n\r\n").next().unwrap_or_default();
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// Refused: closed without a word, or nothing but 4xx.
    #[track_caller]
    pub(super) fn assert_refused(&self, what: &str) {
        assert!(self.statuses.iter().all(|status| (400..500).contains(status)), "{what}: {}", self.text);
    }
}

/// A request with that body.
pub(super) fn put(path: &str, token: &str, headers: &str, body: &str) -> String {
    format!(
        "PUT {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n{headers}\r\n{body}"
    )
}
