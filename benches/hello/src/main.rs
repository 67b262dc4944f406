//! The yardstick of `make bench`: a bare actix-web server that answers every GET of `/` with five bytes.
//!
//! It is built with the service's own compiler settings and actix-web, so that the ratio tells what Latchkey adds. It is
//! also the provider of the measured refreshes: every POST of `/token` is answered at once with new tokens.

use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::{App, HttpResponse, HttpServer, Responder, get, post};

static ISSUED: AtomicU64 = AtomicU64::new(0);

#[get("/")]
async fn hello() -> impl Responder {
    "hello"
}

/// As many bytes as an answer of `get-at` has in the measured case.
#[get("/large")]
async fn large() -> impl Responder {
    "hello".repeat(500)
}

/// A rotating provider without memory: RFC 6749, section 5.1.
#[post("/token")]
async fn token() -> impl Responder {
    let number = ISSUED.fetch_add(1, Ordering::Relaxed);
    // As long as those of the providers are: about 2 KB and 100 bytes.
    let body = format!(
        r#"{{"access_token":"at-{number:012}-{number:0>2000}","refresh_token":"rt-{}-{number:0>90}","token_type":"Bearer","expires_in":864000}}"#,
        std::process::id()
    );
    HttpResponse::Ok().content_type("application/json").body(body)
}

/// Serves on the port of the first argument, with a worker per core.
#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(8081);
    HttpServer::new(|| App::new().service(hello).service(large).service(token)).bind(("127.0.0.1", port))?.run().await
}
