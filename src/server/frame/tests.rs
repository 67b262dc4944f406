//! What only a handler of our own making can show: panics, errors of other layers, answers without an end.

use std::{convert::Infallible, path::PathBuf};

use actix_web::{
    App, HttpResponse,
    body::to_bytes,
    dev::{Service, ServiceResponse},
    error::ErrorImATeapot,
    http::{Method, StatusCode, header},
    test::{TestRequest, init_service},
    web::{self, Bytes},
};
use futures_util::stream;
use serde_json::Value;

use super::Frame;
use crate::{
    base::{clock::Clock, error::Error, input::request_id, state::State},
    config::Config,
    server::{openapi::document, prepare},
};

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn state() -> (State, Folder) {
    let folder = std::env::temp_dir().join(format!("latchkey-frame-unit-{}", uuid::Uuid::now_v7()));
    let mut config = Config::default();
    config.database.database = folder.join("latchkey.db").display().to_string();
    let (state, _) = prepare(config, Clock::System).await.unwrap();
    (state, Folder(folder))
}

macro_rules! app {
    ($state:expr) => {
        init_service(
            App::new()
                .app_data($state.clone())
                .route("/panic", web::get().to(async || -> HttpResponse { panic!("of this test") }))
                .route("/kv/internal", web::get().to(async || Err::<HttpResponse, _>(Error::internal("the cause"))))
                .route("/empty", web::get().to(async || HttpResponse::Conflict().finish()))
                .route("/teapot", web::get().to(async || Err::<HttpResponse, _>(ErrorImATeapot("short and stout"))))
                .route("/own", web::get().to(async || HttpResponse::BadRequest().json(["as it is"])))
                .route("/gate/check", web::get().to(async || HttpResponse::Unauthorized().finish()))
                .route("/id", web::get().to(async |req: actix_web::HttpRequest| request_id(&req)))
                .route("/endless", web::get().to(endless))
                .wrap(Frame::new($state, document()).unwrap()),
        )
        .await
    };
}

async fn endless() -> HttpResponse {
    let pieces = stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from_static(b"data: x\n\n")));
    HttpResponse::Ok().content_type("text/event-stream").streaming(pieces)
}

async fn body(response: ServiceResponse) -> Value {
    serde_json::from_slice(&to_bytes(response.into_body()).await.unwrap()).unwrap()
}

fn get(path: &str) -> actix_http::Request {
    TestRequest::get().uri(path).insert_header(("X-Request-Id", "test-1")).to_request()
}

#[actix_web::test]
async fn a_panic_is_a_500_problem_and_the_next_request_is_answered() {
    let (state, _folder) = state().await;
    let app = app!(&state);
    let error = app.call(get("/panic")).await.err().unwrap();
    let response = error.error_response();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(response.headers().get("x-request-id").unwrap(), "test-1");
    let problem: Value = serde_json::from_slice(&to_bytes(response.into_body()).await.unwrap()).unwrap();
    assert_eq!((&problem["code"], &problem["request_id"]), (&"INTERNAL".into(), &"test-1".into()));
    assert_eq!(app.call(get("/id")).await.unwrap().status(), StatusCode::OK);
}

#[actix_web::test]
async fn a_cause_never_reaches_the_client() {
    let (state, _folder) = state().await;
    let problem = body(app!(&state).call(get("/kv/internal")).await.unwrap()).await;
    assert_eq!(problem["code"], "INTERNAL");
    assert_eq!(problem["message"], problem["detail"]);
    assert!(!problem.to_string().contains("the cause"));
}

#[actix_web::test]
async fn errors_of_other_layers_become_problems_of_the_same_status() {
    let (state, _folder) = state().await;
    let app = app!(&state);
    assert_eq!(body(app.call(get("/empty")).await.unwrap()).await["code"], "CONFLICT");
    let response = app.call(get("/teapot")).await.unwrap();
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    let problem = body(response).await;
    assert_eq!((&problem["type"], &problem["status"]), (&"about:blank".into(), &418.into()));
    assert!(!problem.to_string().contains("stout"));
}

#[actix_web::test]
async fn an_answer_a_handler_wrote_itself_stays_as_it_is() {
    let (state, _folder) = state().await;
    let app = app!(&state);
    assert_eq!(body(app.call(get("/own")).await.unwrap()).await, serde_json::json!(["as it is"]));
    let gate = app.call(get("/gate/check")).await.unwrap();
    assert_eq!(gate.status(), StatusCode::UNAUTHORIZED);
    assert!(to_bytes(gate.into_body()).await.unwrap().is_empty());
}

#[actix_web::test]
async fn handlers_see_the_id_that_is_answered() {
    let (state, _folder) = state().await;
    let app = app!(&state);
    let made = app.call(TestRequest::get().uri("/id").to_request()).await.unwrap();
    let id = made.headers().get("x-request-id").unwrap().clone();
    assert_eq!(to_bytes(made.into_body()).await.unwrap(), id.as_bytes());
}

#[actix_web::test]
async fn head_of_an_endless_answer_ends() {
    let (state, _folder) = state().await;
    let request = TestRequest::default().method(Method::HEAD).uri("/endless");
    let response = app!(&state).call(request.to_request()).await.unwrap();
    assert_eq!(response.headers().get(header::CONTENT_TYPE).unwrap(), "text/event-stream");
    assert!(to_bytes(response.into_body()).await.unwrap().is_empty());
}
