//! HTTP/1.1 by hand, as far as a stub needs it: it can fall silent, cut an answer short and reset a connection.

use std::collections::BTreeMap;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::Said;

/// A request, read whole.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// POST.
    pub method: String,
    /// As it stands in the first line: a path, or the absolute form that proxies get.
    pub target: String,
    /// By name in lower case.
    pub headers: BTreeMap<String, String>,
    /// As it came.
    pub body: String,
}

/// Reads the next request of a connection; none when the client is gone.
pub async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Request> {
    let head_end = loop {
        if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        more(stream, buffer).await?;
    };
    let head = String::from_utf8_lossy(&buffer[..head_end]).into_owned();
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let header = |line: &str| line.split_once(':').map(|(n, v)| (n.to_ascii_lowercase(), v.trim().to_owned()));
    let headers: BTreeMap<String, String> = lines.filter_map(header).collect();
    let length: usize = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    while buffer.len() < head_end + 4 + length {
        more(stream, buffer).await?;
    }
    let body = String::from_utf8_lossy(&buffer[head_end + 4..head_end + 4 + length]).into_owned();
    buffer.drain(..head_end + 4 + length);
    Some(Request { method, target, headers, body })
}

/// Reads one answer with a length, and answers its bytes as they came; fewer when the other side went away.
pub async fn read_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    let head_end = loop {
        if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        more(stream, buffer).await?;
    };
    let head = String::from_utf8_lossy(&buffer[..head_end]).to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split('\r').next()?.parse::<usize>().ok());
    let end = head_end + length.unwrap_or(0);
    while buffer.len() < end && more(stream, buffer).await.is_some() {}
    Some(buffer.drain(..end.min(buffer.len())).collect())
}

async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    stream.read_buf(buffer).await.ok().filter(|count| *count > 0).map(|_| ())
}

/// An answer as it goes over the wire.
pub fn bytes(said: &Said) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {} Said\r\nContent-Length: {}\r\n", said.status, said.body.len());
    for (name, value) in &said.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    [head.as_bytes(), b"\r\n", said.body.as_bytes()].concat()
}

/// Writes it; none when the client is gone.
pub async fn write(stream: &mut TcpStream, bytes: &[u8]) -> Option<()> {
    stream.write_all(bytes).await.ok()
}

/// Returns when the client is gone.
pub async fn until_gone(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    while more(stream, &mut rest).await.is_some() {}
}

/// Closes a connection so that the other side gets a reset.
pub fn reset(stream: TcpStream) {
    stream.set_zero_linger().expect("an option");
    drop(stream);
}
