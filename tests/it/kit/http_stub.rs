//! An HTTP server that does what a test tells it to, also what a server should not do.

use std::{collections::HashMap, sync::Arc};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// A request, read whole.
#[derive(Clone, Debug)]
pub struct Asked {
    /// GET, PUT, …
    pub method: String,
    /// With its query.
    pub path: String,
    /// By name in lower case.
    pub headers: HashMap<String, String>,
    /// As it came.
    pub body: Vec<u8>,
}

impl Asked {
    /// A header's value, empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// What the server does about a request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Answers with JSON.
    Json(u16, serde_json::Value),
    /// Answers with these headers and this body.
    Raw(u16, Vec<(String, String)>, String),
    /// Never answers, and keeps the connection.
    Hang,
    /// Closes the connection without an answer.
    Reset,
    /// Has not made up its mind: asks again in a moment, unless the client is gone by then.
    NotYet,
    /// Answers 200 with a body that never ends.
    Endless,
}

/// A running server. It ends with the test's runtime.
pub struct HttpStub {
    /// `http://127.0.0.1:…`
    pub url: String,
}

impl HttpStub {
    /// Answers each request with what `reply` says.
    pub async fn start(reply: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let reply = Arc::new(reply);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let reply = Arc::clone(&reply);
                tokio::spawn(async move { serve(stream, reply.as_ref()).await });
            }
        });
        Self { url }
    }
}

async fn serve(mut stream: TcpStream, reply: &(impl Fn(&Asked) -> Reply + Send + Sync)) -> Option<()> {
    let asked = read(&mut stream).await?;
    let decided = loop {
        match reply(&asked) {
            Reply::NotYet if is_gone(&stream) => return None,
            Reply::NotYet => tokio::time::sleep(std::time::Duration::from_millis(5)).await, // between two looks
            decided => break decided,
        }
    };
    let (status, headers, body) = match decided {
        Reply::NotYet => return None,
        Reply::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n").await.ok()?;
            loop {
                stream.write_all(&[b'['; 64 * 1024]).await.ok()?;
            }
        }
        Reply::Json(status, body) => (status, Vec::new(), body.to_string()),
        Reply::Raw(status, headers, body) => (status, headers, body),
        Reply::Hang => std::future::pending().await,
        Reply::Reset => return None,
    };
    let mut head = format!("HTTP/1.1 {status} Said\r\nConnection: close\r\nContent-Type: application/json\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let length = body.len();
    let body = if asked.method == "HEAD" { String::new() } else { body };
    head.push_str(&format!("Content-Length: {length}\r\n\r\n{body}"));
    stream.write_all(head.as_bytes()).await.ok()
}

fn is_gone(stream: &TcpStream) -> bool {
    matches!(stream.try_read(&mut [0; 1]), Ok(0))
}

async fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        more(stream, &mut bytes).await?;
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    let headers: HashMap<String, String> = lines.filter_map(header).collect();
    let length: usize = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    while bytes.len() < end + length {
        more(stream, &mut bytes).await?;
    }
    Some(Asked { method, path, headers, body: bytes[end..].to_vec() })
}

async fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<()> {
    let mut piece = [0; 4096];
    let count = stream.read(&mut piece).await.ok().filter(|count| *count > 0)?;
    bytes.extend_from_slice(&piece[..count]);
    Some(())
}
