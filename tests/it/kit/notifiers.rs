//! The services that carry messages to people, on loopback: they answer as the real ones do, success and failure, and
//! misbehave on request.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// The credential that each of them takes: a token, a key, the end of an address.
pub const GOOD: &str = "Good0Credential0OfTheTests0aZ9";
/// What DingTalk and Feishu sign with.
pub const SIGNING: &str = "SECtestsecret000";
/// What Standard Webhooks signs with.
pub const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A request that came in.
#[derive(Clone, Debug)]
pub struct Received {
    /// Path and query.
    pub path: String,
    /// The head, in lower case.
    pub head: String,
    /// The body, as it came.
    pub text: String,
    /// The body.
    pub body: Value,
}

impl Received {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// A parameter of the query, decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        let (_, query) = self.path.split_once('?')?;
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.find(|(key, _)| *key == name)?;
        Some(percent_encoding::percent_decode_str(value).decode_utf8().expect("UTF-8").into_owned())
    }
}

/// All of them on one port, told apart by their paths.
#[derive(Clone)]
pub struct Notifiers {
    /// Where they listen: `http://127.0.0.1:port`.
    pub url: String,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    received: Vec<Received>,
    /// Raw answers to the next requests, instead of the right ones; empty: the connection is closed.
    instead: Vec<String>,
}

impl Notifiers {
    /// Starts them.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let all = Self { url, inner: Arc::default() };
        let serving = all.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serving.clone();
                tokio::spawn(async move { serving.serve(stream).await });
            }
        });
        all
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What came in so far.
    pub fn received(&self) -> Vec<Received> {
        self.inner().received.clone()
    }

    /// What came in since this was asked last.
    pub fn take(&self) -> Vec<Received> {
        std::mem::take(&mut self.inner().received)
    }

    /// The next request is answered with this: status line and headers, body.
    pub fn answer_next(&self, head: &str, body: &str) {
        let answer = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
        self.inner().instead.insert(0, answer);
    }

    /// The next request is not answered; its connection is closed.
    pub fn hang_up_next(&self) {
        self.inner().instead.insert(0, String::new());
    }

    async fn serve(&self, mut stream: TcpStream) {
        let Some(request) = read(&mut stream).await else { return };
        let instead = {
            let mut inner = self.inner();
            inner.received.push(request.clone());
            inner.instead.pop()
        };
        let answer = instead.unwrap_or_else(|| {
            let (status, body) = answer(&request);
            let kind = if body.starts_with('{') { "application/json" } else { "text/plain" };
            let length = body.len();
            format!("HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
        });
        let _ = stream.write_all(answer.as_bytes()).await; // the client may be gone
    }
}

async fn read(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    let (head, start) = loop {
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&piece[..count]);
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break (String::from_utf8_lossy(&bytes[..end]).into_owned(), end + 4);
        }
    };
    assert!(head.starts_with("POST "), "{head}");
    let path = head.split(' ').nth(1)?.to_owned();
    let lower = head.to_ascii_lowercase().replace("\r\n", "\n");
    let length: usize = lower.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse().ok()?;
    while bytes.len() < start + length {
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&piece[..count]);
    }
    let text = String::from_utf8(bytes[start..start + length].to_vec()).expect("a body in UTF-8");
    let body = serde_json::from_str(&text).expect("a body of JSON");
    Some(Received { path, head: lower, text, body })
}

/// What the service at that path answers: HTTP status and body.
fn answer(request: &Received) -> (u16, String) {
    let path = request.path.split('?').next().unwrap_or_default();
    let part = |nth: usize| path.split('/').nth(nth).unwrap_or_default();
    let (status, body) = match (part(1), part(2)) {
        ("send", "") => pushplus(&request.body),
        ("send", key) | (key, "") if key.ends_with(".send") => server_chan(key, &request.body),
        ("push", _) => bark(&request.body),
        ("cgi-bin", _) => wecom(request),
        ("robot", _) => dingtalk(request),
        ("open-apis", _) => feishu(part(5), &request.body),
        (bot, "sendMessage") => telegram(bot, &request.body),
        ("services", _) => return slack(part(4), &request.body),
        ("api", "webhooks") => discord(part(4), &request.body),
        ("hook", _) => webhook(request),
        _ => (404, json!({"message": "nothing is here"})),
    };
    (status, if body.is_null() { String::new() } else { body.to_string() })
}

fn pushplus(body: &Value) -> (u16, Value) {
    let failed = |code: i64, message: &str| (200, json!({"code": code, "msg": message, "data": null}));
    if body["token"] != GOOD {
        return failed(903, "用户账号不存在,请使用正确的token");
    }
    match (text(&body["title"]), text(&body["content"])) {
        (title, content) if !content.is_empty() && title.chars().count() <= 100 => {
            (200, json!({"code": 200, "msg": "请求成功", "data": "6f0b0c8ad2f04f2b"}))
        }
        _ => failed(999, "服务端验证错误"),
    }
}

fn server_chan(key: &str, body: &Value) -> (u16, Value) {
    let failed = |message: &str| (400, json!({"message": message, "code": 40001, "info": message, "args": [null]}));
    if key.trim_end_matches(".send").trim_start_matches("sctp123t") != GOOD {
        return failed("[AUTH]错误的Key");
    }
    let title = text(&body["title"]).chars().count();
    if !(1..=32).contains(&title) || text(&body["desp"]).len() > 32 * 1024 {
        return failed("[INPUT]title 长度错误");
    }
    let data = json!({"pushid": "1", "readkey": "r", "error": "SUCCESS", "errno": 0});
    (200, json!({"code": 0, "message": "", "data": data}))
}

fn bark(body: &Value) -> (u16, Value) {
    if body["device_key"] != GOOD {
        let message = format!(
            "failed to get device token: failed to get [{}] device token from database",
            text(&body["device_key"])
        );
        return (400, json!({"code": 400, "message": message, "timestamp": 1_700_000_000}));
    }
    (200, json!({"code": 200, "message": "success", "timestamp": 1_700_000_000}))
}

fn wecom(request: &Received) -> (u16, Value) {
    let failed = |code: i64, message: &str| (200, json!({"errcode": code, "errmsg": message}));
    if request.query("key").as_deref() != Some(GOOD) {
        return failed(93000, "invalid webhook url, hint: [1700000000], from ip: 192.0.2.1");
    }
    match text(&request.body["markdown"]["content"]) {
        content if request.body["msgtype"] == "markdown" && (1..=4096).contains(&content.len()) => failed(0, "ok"),
        _ => failed(40058, "markdown.content exceed max length 4096"),
    }
}

fn dingtalk(request: &Received) -> (u16, Value) {
    let failed = |code: i64, message: &str| (200, json!({"errcode": code, "errmsg": message}));
    if request.query("access_token").as_deref() != Some(GOOD) {
        return failed(300_005, "token is not exist");
    }
    let stamp = request.query("timestamp").unwrap_or_default();
    let expected = sign(SIGNING.as_bytes(), format!("{stamp}\n{SIGNING}").as_bytes());
    if request.query("sign") != Some(expected) {
        return failed(310_000, "description:sign not match;solution:please check your sign");
    }
    let markdown = &request.body["markdown"];
    match request.body["msgtype"] == "markdown"
        && !text(&markdown["title"]).is_empty()
        && !text(&markdown["text"]).is_empty()
    {
        true => failed(0, "ok"),
        false => failed(40035, "缺少参数 markdown"),
    }
}

fn feishu(hook: &str, body: &Value) -> (u16, Value) {
    let failed = |code: i64, message: &str| (200, json!({"code": code, "data": {}, "msg": message}));
    if hook != GOOD {
        return failed(19001, "param invalid: incoming webhook access token invalid");
    }
    let key = format!("{}\n{SIGNING}", text(&body["timestamp"]));
    if text(&body["sign"]) != sign(key.as_bytes(), b"") {
        return failed(19021, "sign match fail or timestamp is not within one hour from current time");
    }
    match body["msg_type"] == "text" && !text(&body["content"]["text"]).is_empty() {
        true => (200, json!({"StatusCode": 0, "StatusMessage": "success", "code": 0, "data": {}, "msg": "success"})),
        false => failed(9499, "Bad Request"),
    }
}

fn telegram(bot: &str, body: &Value) -> (u16, Value) {
    let failed = |code: u16, text: &str| (code, json!({"ok": false, "error_code": code, "description": text}));
    if bot != format!("bot12345:{GOOD}") {
        return failed(401, "Unauthorized");
    }
    if body["chat_id"] != "-1001" {
        return failed(400, "Bad Request: chat not found");
    }
    match text(&body["text"]).encode_utf16().count() {
        0 => failed(400, "Bad Request: message text is empty"),
        4097.. => failed(400, "Bad Request: message is too long"),
        _ => (200, json!({"ok": true, "result": {"message_id": 1, "chat": {"id": -1001}, "date": 1_700_000_000}})),
    }
}

fn slack(secret: &str, body: &Value) -> (u16, String) {
    match (secret == GOOD, text(&body["text"]).is_empty()) {
        (false, _) => (403, "invalid_token".to_owned()),
        (_, true) => (400, "no_text".to_owned()),
        _ => (200, "ok".to_owned()),
    }
}

fn discord(token: &str, body: &Value) -> (u16, Value) {
    if token != GOOD {
        return (401, json!({"message": "Invalid Webhook Token", "code": 50027}));
    }
    match text(&body["content"]).chars().count() {
        1..=2000 => (204, Value::Null),
        _ => (400, json!({"content": ["Must be 2000 or fewer in length."]})),
    }
}

fn webhook(request: &Received) -> (u16, Value) {
    let (id, stamp) = (request.header("webhook-id"), request.header("webhook-timestamp"));
    let key = STANDARD.decode(WHSEC.trim_start_matches("whsec_")).expect("base64");
    let signed = format!("{}.{}.{}", id.unwrap_or_default(), stamp.unwrap_or_default(), request.text);
    // The head is kept in lower case, and so is what it is compared with.
    let expected = format!("v1,{}", sign(&key, signed.as_bytes())).to_ascii_lowercase();
    if request.header("webhook-signature") != Some(expected.as_str()) {
        return (401, json!({"error": "signature"}));
    }
    (204, Value::Null)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn sign(key: &[u8], message: &[u8]) -> String {
    STANDARD.encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message))
}
