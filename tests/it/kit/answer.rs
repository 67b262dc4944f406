//! Calls and answers. Every answer is held against the OpenAPI document.

use std::net::SocketAddr;

use reqwest::header::HeaderMap;
use serde_json::Value;

use super::{TestApp, conformance};

/// A call to be completed and sent.
pub struct Call {
    request: reqwest::RequestBuilder,
    method: String,
    path: String,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Vec<u8>,
}

impl Call {
    pub(super) fn new(client: &reqwest::Client, addr: SocketAddr, method: &str, path: &str) -> Self {
        let verb = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        let request = client.request(verb, format!("http://{addr}{path}"));
        Self { request, method: method.to_owned(), path: path.to_owned() }
    }

    /// With a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    /// With an app token or an admin's JWT.
    pub fn token(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// With the secret of an admin.
    pub fn secret(self, secret: &str) -> Self {
        self.header("x-api-secret", secret)
    }

    /// From that address, as the trusted proxy on this machine says.
    pub fn from(self, address: &str) -> Self {
        self.header("x-forwarded-for", address)
    }

    /// As the root of the admin surface.
    pub fn root(self) -> Self {
        self.secret(TestApp::SECRET)
    }

    /// With a JSON body.
    pub fn json(mut self, body: &Value) -> Self {
        self.request = self.request.json(body);
        self
    }

    /// With any body, declared as JSON.
    pub fn text(self, body: impl Into<Vec<u8>>) -> Self {
        self.body("application/json", body)
    }

    /// With any body of any kind.
    pub fn body(mut self, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        self.request = self.request.header("content-type", kind).body(body.into());
        self
    }

    /// Sends it, reads the answer, and checks that it is documented.
    pub async fn send(self) -> Answer {
        let Self { request, method, path } = self;
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await.expect("a whole body").to_vec();
        let answer = Answer { status, headers, body };
        conformance::check(&method, &path, &answer);
        answer
    }

    /// Sends it and answers the response as it comes in, for streams.
    pub async fn open(self) -> reqwest::Response {
        self.request.send().await.expect("an answer")
    }
}

impl Answer {
    /// The body as JSON, after the status was checked.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// Checks that it is this problem, and answers the document.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Value {
        let problem = self.expect(status);
        assert_eq!(problem["code"], code, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(problem["request_id"].as_str(), self.header("x-request-id"));
        problem
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("a header of text"))
    }
}
