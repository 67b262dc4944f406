//! The room over HTTP, on SQLite and on MySQL.

mod audit;
mod secrets;
mod sessions;

use std::rc::Rc;

use actix_web::{
    App, HttpRequest,
    dev::{Service, ServiceResponse},
    http::header::HeaderMap,
    test::{self, TestRequest},
    web::{self, Data},
};
use futures_util::future::LocalBoxFuture;
use serde_json::{Value, json};
use utoipa_actix_web::service_config::ServiceConfig;

use super::{Allowed, SecretWatch, optional, routes, scope, scope::Scope, seed_first_admin};
use crate::base::{error::Result, state::State};

const PASSWORD: &str = "correct horse battery staple";
const ROOT: &str = "root-secret-of-the-tests-0123456789";

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    #[track_caller]
    fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    #[track_caller]
    fn problem(self, status: u16, code: &str) -> Self {
        assert_eq!((self.status, &self.body["code"]), (status, &json!(code)), "{}", self.body);
        self
    }

    #[track_caller]
    fn text(&self, member: &str) -> String {
        self.body[member].as_str().unwrap().to_owned()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

type Reply = LocalBoxFuture<'static, Result<ServiceResponse, actix_web::Error>>;

/// The running app.
struct Running(Box<dyn Fn(TestRequest) -> Reply>);

async fn verify(actor: Allowed<scope::KeysVerify>) -> String {
    json!({ "name": actor.name, "kind": actor.kind.name(), "caller": actor.caller() }).to_string()
}

async fn maybe(req: HttpRequest) -> Result<String> {
    let actor = optional(&req, Scope::AppsWrite).await?;
    Ok(json!({ "name": actor.map(|actor| actor.name) }).to_string())
}

/// The room's routes, `/verify` (needs keys:verify) and `/maybe` (apps:write, if anybody claims to be an admin).
async fn app(state: &State) -> Running {
    let app = App::new()
        .app_data(state.clone())
        .app_data(Data::new(SecretWatch::new(None)))
        .route("/verify", web::get().to(verify))
        .route("/maybe", web::get().to(maybe))
        .configure(|cfg| routes(&mut ServiceConfig::new(cfg)));
    let app = Rc::new(test::init_service(app).await);
    Running(Box::new(move |request| {
        let app = Rc::clone(&app);
        Box::pin(async move { app.call(request.to_request()).await })
    }))
}

async fn send(app: &Running, request: TestRequest) -> Answer {
    let (status, headers, body) = match app.0(request).await {
        Ok(response) => {
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            (status, headers, test::read_body(response).await)
        }
        Err(error) => {
            let response = error.error_response();
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            (status, headers, actix_web::body::to_bytes(response.into_body()).await.unwrap())
        }
    };
    let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
    Answer { status, headers, body }
}

fn from(host: u8, request: TestRequest) -> TestRequest {
    request.peer_addr(([192, 0, 2, host], 50_000).into())
}

fn get(path: &str) -> TestRequest {
    from(1, TestRequest::get().uri(path))
}

fn post(path: &str, body: Value) -> TestRequest {
    from(1, TestRequest::post().uri(path)).set_json(body)
}

fn root(request: TestRequest) -> TestRequest {
    request.insert_header(("x-api-secret", ROOT))
}

fn bearer(token: &str, request: TestRequest) -> TestRequest {
    request.insert_header(("authorization", format!("Bearer {token}")))
}

fn login(username: &str, password: &str) -> TestRequest {
    post("/auth/login", json!({ "username": username, "password": password }))
}

/// Makes the admin `admin` with [`PASSWORD`].
async fn seed(state: &State) {
    let (hash, now) = (state.passwords.hash(PASSWORD).await.unwrap(), state.clock.now());
    let seeded = state.writer.write(async move |tx| seed_first_admin(tx, "admin", &hash, now).await).await;
    assert!(seeded.unwrap());
}
