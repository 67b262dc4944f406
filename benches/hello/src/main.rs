//! The yardstick of `make bench`: a bare actix-web server that answers every GET of `/` with five bytes.
//!
//! It is built with the service's own compiler settings and actix-web, so that the ratio tells what Latchkey adds.

use actix_web::{App, HttpServer, Responder, get};

#[get("/")]
async fn hello() -> impl Responder {
    "hello"
}

/// Serves on the port of the first argument, with a worker per core.
#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(8081);
    HttpServer::new(|| App::new().service(hello)).bind(("127.0.0.1", port))?.run().await
}
