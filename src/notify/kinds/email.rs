//! E-mail over SMTP: with TLS from the first byte, after STARTTLS, or in clear.
//!
//! The host's name is resolved once, to addresses that may be called, and the connection is made to those.

use std::time::{Duration, UNIX_EPOCH};

use lettre::{
    Message,
    message::{Mailbox, header::ContentType},
    transport::smtp::{
        Error,
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, TlsParameters},
        extension::ClientId,
    },
};
use tokio::time::timeout;

use super::{Letter, Verdict};
use crate::{
    base::http_client::{Failure, HttpClient},
    notify::config::{Config, Field, Rule},
};

pub(super) static FIELDS: &[&Field] = &[
    &Field::new("host", Rule::Host).required(),
    &Field::new("port", Rule::Number(1, 65_535)),
    &Field::new("security", Rule::Choice(&["starttls", "tls", "none"])),
    &Field::new("username", Rule::Text(255)),
    &Field::new("password", Rule::Text(255)).secret(),
    &Field::new("from", Rule::Mailbox).required(),
    &Field::new("to", Rule::Mailboxes).required(),
];

/// Longest time for a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest time for the handing over.
const SEND: Duration = Duration::from_secs(30);
/// Longest time for taking leave, which decides nothing any more.
const LEAVE: Duration = Duration::from_secs(2);

/// Sends the message to all recipients in one.
pub(in crate::notify) async fn send(config: &Config, letter: &Letter<'_>, http: &HttpClient) -> Verdict {
    deliver(config, letter, http).await.err().unwrap_or(Verdict::Delivered)
}

async fn deliver(config: &Config, letter: &Letter<'_>, http: &HttpClient) -> Result<(), Verdict> {
    let mail = message(config, letter).ok_or_else(|| refused("the message cannot be built"))?;
    let (host, security) = (config.need("host"), config.text("security").unwrap_or("starttls"));
    let port = config.number("port").and_then(|port| u16::try_from(port).ok()).unwrap_or(match security {
        "tls" => 465,
        "none" => 25,
        _ => 587,
    });
    let addresses = http.addresses(host, port).await.map_err(|failure| match failure {
        Failure::NotAllowed(_) => refused(&failure.to_string()),
        _ => later("the host's name cannot be resolved"),
    })?;
    let (hello, tls) = (ClientId::default(), || TlsParameters::new(host.to_owned()).map_err(|error| judge(&error)));
    let at_once = if security == "tls" { Some(tls()?) } else { None };
    let connection = AsyncSmtpConnection::connect_tokio1(addresses.as_slice(), Some(CONNECT), &hello, at_once, None);
    let connection = timeout(CONNECT, connection).await.map_err(|_| silent())?;
    let mut connection = connection.map_err(|error| judge(&error))?;
    let sent = timeout(SEND, async {
        if security == "starttls" {
            connection.starttls(TlsParameters::new(host.to_owned())?, &hello).await?;
        }
        if let (Some(user), Some(password)) = (config.text("username"), config.text("password")) {
            let credentials = Credentials::new(user.to_owned(), password.to_owned());
            connection.auth(DEFAULT_MECHANISMS, &credentials).await?;
        }
        connection.send(mail.envelope(), &mail.formatted()).await
    })
    .await;
    sent.map_err(|_| silent())?.map_err(|error| judge(&error))?;
    // After a failure the connection is dropped: the library panics when it is used after TLS could not be agreed on.
    let _ = timeout(LEAVE, connection.quit()).await;
    Ok(())
}

fn silent() -> Verdict {
    later("no answer in time")
}

fn message(config: &Config, letter: &Letter<'_>) -> Option<Message> {
    let from: Mailbox = config.need("from").parse().ok()?;
    let seconds = u64::try_from(letter.now.0 / 1000).unwrap_or_default();
    let id = format!("<{}@{}>", letter.id, from.email.domain());
    let mut builder = Message::builder().date(UNIX_EPOCH + Duration::from_secs(seconds)).message_id(Some(id));
    for to in config.texts("to") {
        builder = builder.to(to.parse().ok()?);
    }
    let builder = builder.from(from).subject(letter.text.title.clone()).header(ContentType::TEXT_PLAIN);
    builder.body(letter.text.body.clone()).ok()
}

/// Refused is what the server refuses for good, and what cannot be done with it; everything else may go well later.
fn judge(error: &Error) -> Verdict {
    let words = match error.status() {
        Some(code) => format!("SMTP {code}"),
        None if error.is_tls() => "TLS cannot be agreed on".to_owned(),
        None if error.is_client() => "the server lacks STARTTLS or a way to sign in".to_owned(),
        None => "no connection, or it broke".to_owned(),
    };
    if error.is_permanent() || error.is_client() { refused(&words) } else { later(&words) }
}

fn refused(why: &str) -> Verdict {
    Verdict::Refused { why: why.to_owned() }
}

fn later(why: &str) -> Verdict {
    Verdict::Later { why: why.to_owned(), retry_after_s: None }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use serde_json::json;

    use super::*;
    use crate::notify::{notice::Notice, template::Text};

    #[tokio::test]
    async fn the_address_is_checked_when_the_mail_is_sent_too() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let members = json!({
            "host": "127.0.0.1", "port": listener.local_addr().unwrap().port(), "security": "none",
            "from": "a@example.com", "to": ["b@example.com"],
        });
        // As if private addresses had been allowed when the channel was made.
        let config = Config::check(members.as_object().unwrap(), FIELDS, &HttpClient::new(true)).unwrap();
        let text = Text { title: "t".to_owned(), body: "b".to_owned() };
        let now = entity::UtcMillis(1_795_235_460_000);
        let letter = Letter { text: &text, notice: &Notice::Test { name: String::new(), at: now }, id: "1", now };
        let verdict = send(&config, &letter, &HttpClient::new(false)).await;
        assert_eq!(verdict, refused("the address may not be called"));
        assert!(listener.accept().is_err(), "nobody has connected");
    }
}
