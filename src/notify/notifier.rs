//! Brings messages to channels: the courier of the outbox's kind `notify`.

use std::time::Duration;

use entity::{UtcMillis, notification_channel::Model, outbox::Model as Message};
use reqwest::{
    Method,
    header::{CONTENT_TYPE, HeaderValue},
};

use super::{
    channel,
    config::Config,
    kinds::{Answer, ChannelKind, Letter, Service, Verdict, send_email},
    notice::Notice,
    pace,
    quiet::{self, QuietHours},
    template::render,
};
use crate::{
    base::{
        error::Result,
        http_client::{Failure, HttpClient, Outgoing},
        secret::Secret,
        state::State,
    },
    outbox::{Courier, Delivery},
    settings::Settings,
};

/// Longest time for a call.
const CALL: Duration = Duration::from_secs(15);

/// Tells people, over their channels. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Notifier {
    state: State,
    http: HttpClient,
    settings: Settings,
}

impl Notifier {
    /// One that speaks the language of the settings.
    #[must_use]
    pub fn new(state: State, settings: Settings) -> Self {
        let http = HttpClient::new(state.config.security.allow_private_targets);
        Self { state, http, settings }
    }

    /// What the channels' addresses are checked with.
    pub(super) fn http(&self) -> &HttpClient {
        &self.http
    }

    /// Sends a message that says that the channel works. Answers whether it was delivered, and why not.
    ///
    /// # Errors
    /// 404; 503 when the database is out.
    pub(super) async fn test(&self, id: i64) -> Result<(bool, String)> {
        let row = channel::get(self.state.db.orm(), id).await?;
        let notice = Notice::Test { name: row.name.clone(), at: self.state.clock.now() };
        let message = format!("msg_test_{}", uuid::Uuid::now_v7().simple());
        Ok(match self.tell(&row, &notice, &message).await? {
            Delivery::Delivered => (true, "The service has taken the message.".to_owned()),
            Delivery::Later { error, retry_after_s: Some(seconds) } => {
                (false, format!("{error}; again in {seconds} s"))
            }
            Delivery::Later { error, .. } | Delivery::Never { error } => (false, error),
            Delivery::Obsolete { reason } => (false, reason),
        })
    }

    async fn try_deliver(&self, message: &Message) -> Result<Delivery> {
        let refused = |why: &str| Ok(Delivery::Never { error: why.to_owned() });
        let Ok(notice) = serde_json::from_str::<Notice>(&message.payload) else {
            return refused("the message is of another version");
        };
        let (id, breaks_through) = channel::of_target(&message.target).unwrap_or_default();
        match channel::find(self.state.db.orm(), id).await? {
            None => Ok(Delivery::obsolete("the channel is gone")),
            Some(row) if !row.enabled => Ok(Delivery::obsolete("the channel is switched off")),
            Some(row) => match self.quiet_s(&row).filter(|_| !breaks_through) {
                // It was to be there before, and did not arrive.
                Some(seconds) => Ok(Delivery::Later {
                    error: "the channel has its quiet hours".to_owned(),
                    retry_after_s: Some(seconds),
                }),
                None => self.tell(&row, &notice, &format!("msg_{}_{}", row.id, message.version)).await,
            },
        }
    }

    /// For how many seconds nothing is told there, if these are its quiet hours.
    fn quiet_s(&self, row: &Model) -> Option<i64> {
        let (now, zone) = (self.state.clock.now(), self.state.config.server.timezone);
        let hours = QuietHours::parse(row.quiet_hours.as_deref()?).ok()?;
        hours.holds(now, zone).then(|| hours.end_after(now, zone).seconds_after(now).max(1))
    }

    /// Sends a notice to a channel, unless the channel has to wait. `id` is the same for every try.
    async fn tell(&self, row: &Model, notice: &Notice, id: &str) -> Result<Delivery> {
        let now = self.state.clock.now();
        let Some(kind) = ChannelKind::parse(&row.kind) else {
            return Ok(Delivery::Never { error: "the channel's kind is not known".to_owned() });
        };
        if let Some(until) = row.paused_until.filter(|until| *until > now) {
            let error = format!("the channel is paused until {until}, as its service asked");
            return Ok(Delivery::Later { error, retry_after_s: Some(until.seconds_after(now)) });
        }
        let config = channel::config(row, &self.state.sealer)?;
        if let Some(seconds) = self.wait(row.id, kind.service(), now).await? {
            let error = "the service takes no more messages this minute".to_owned();
            return Ok(Delivery::Later { error, retry_after_s: Some(seconds) });
        }
        let text = render(notice, self.settings.get().language, self.state.config.server.timezone);
        let letter = Letter { text: &text, notice, id, now };
        let verdict = match kind.service() {
            Some(service) => self.call(service, &config, &letter).await,
            None => send_email(&config, &letter, &self.http).await,
        };
        // A service may repeat in its answer what it was sent.
        let clean = |why: String| config.redact(kind.fields(), &why);
        Ok(match verdict {
            Verdict::Delivered => Delivery::Delivered,
            Verdict::Later { why, retry_after_s } => Delivery::Later { error: clean(why), retry_after_s },
            Verdict::Refused { why } => Delivery::Never { error: clean(why) },
            Verdict::Tomorrow { why } => {
                let (id, until) = (row.id, quiet::tomorrow(now, self.state.config.server.timezone));
                self.state.writer.write(async move |tx| channel::pause(tx, id, until).await).await?;
                Delivery::Later { error: clean(why), retry_after_s: Some(until.seconds_after(now)) }
            }
        })
    }

    /// How many seconds to wait, where the service's limit is reached; else the message is counted.
    async fn wait(&self, channel: i64, service: Option<&'static Service>, now: UtcMillis) -> Result<Option<i64>> {
        let Some(most) = service.and_then(|service| service.a_minute) else { return Ok(None) };
        self.state.writer.write(async move |tx| pace::count(tx, channel, most, now).await).await
    }

    async fn call(&self, service: &Service, config: &Config, letter: &Letter<'_>) -> Verdict {
        let call = (service.request)(config, letter);
        let mut headers = call.headers;
        headers.push((CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8")));
        let (url, body, proxy) = (call.url, call.body, config.text("proxy").map(Secret::new));
        let outgoing = Outgoing { method: Method::POST, url, headers, body, proxy, timeout: CALL };
        match self.http.send(outgoing).await {
            Ok(incoming) => {
                let answer = Answer::read(&incoming, letter.now);
                // First its own rule: Telegram tells in the body how long to wait.
                let verdict = (service.judge)(&answer);
                if matches!(verdict, Verdict::Refused { .. }) { answer.common().unwrap_or(verdict) } else { verdict }
            }
            Err(failure @ Failure::NotAllowed(_)) => Verdict::Refused { why: failure.to_string() },
            Err(failure) => Verdict::Later { why: failure.to_string(), retry_after_s: None },
        }
    }
}

impl Courier for Notifier {
    async fn deliver(&self, message: &Message) -> Delivery {
        self.try_deliver(message).await.unwrap_or_else(|error| Delivery::later(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{base::scratch::on_each, notify::template::Text};

    #[actix_web::test]
    async fn the_address_is_checked_when_the_message_is_sent_too() {
        on_each(async |state| {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.set_nonblocking(true).unwrap();
            let base = format!("http://{}", listener.local_addr().unwrap());
            let members = json!({ "device_key": "k", "base_url": base });
            // As if private addresses had been allowed when the channel was made.
            let (members, fields) = (members.as_object().unwrap(), ChannelKind::Bark.fields());
            let config = Config::check(members, fields, &HttpClient::new(true)).unwrap();
            let text = Text { title: "t".to_owned(), body: "b".to_owned() };
            let now = state.clock.now();
            let letter = Letter { text: &text, notice: &Notice::Test { name: String::new(), at: now }, id: "1", now };
            let settings = Settings::load(state.clone()).await.unwrap();
            let notifier = Notifier::new(state.clone(), settings);
            let verdict = notifier.call(ChannelKind::Bark.service().unwrap(), &config, &letter).await;
            assert_eq!(verdict, Verdict::Refused { why: "the address may not be called".to_owned() });
            assert!(listener.accept().is_err(), "nobody has connected");
        })
        .await;
    }
}
