//! Calls to other services, for addresses that were entered while the service runs: providers, proxies, sinks, webhooks.
//!
//! - Nothing is sent to an address that is private, link-local or otherwise not public, unless
//!   `security.allow_private_targets`. A name is resolved once, and only to addresses that pass; the connection uses
//!   those.
//! - What is to go through a proxy never goes without it.
//! - No redirect is followed and no request is repeated: a refresh token must not be spent twice.
//! - A failure tells whether the other side may have received the request ([`Failure::Unanswered`]).

mod address;
mod failure;
mod proxy;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use reqwest::{
    Client, Method, Proxy, Url,
    header::{HeaderMap, HeaderName, HeaderValue},
    redirect, retry,
};

use url::Host;

use self::address::Resolver;
use super::secret::{Secret, sha256_hex};

pub use self::{failure::Failure, proxy::without_credentials};

/// Most bytes of an answer that are read.
const LONGEST_ANSWER: usize = 1024 * 1024;
/// Longest time for a connection, its name and its handshake included.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an idle connection is kept. Short: one that the other side is about to close may swallow a request.
const IDLE: Duration = Duration::from_secs(5);
/// Most clients kept, one for each proxy; beyond that all are made anew.
const CLIENTS: usize = 256;

/// A request to another service.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// GET, POST, PUT, …
    pub method: Method,
    /// Absolute, http or https.
    pub url: String,
    /// Content-Type included. Values may be secret: they are never logged.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// As it is sent.
    pub body: Vec<u8>,
    /// `http`, `https`, `socks5` or `socks5h` URL, with its credentials; none: a direct connection.
    pub proxy: Option<Secret>,
    /// From the first byte to the last.
    pub timeout: Duration,
}

/// What another service answered.
#[derive(Clone)]
pub struct Incoming {
    /// HTTP status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Up to 1 MiB. May hold secrets.
    pub body: Vec<u8>,
}

/// Sends requests. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HttpClient(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    allow_private: bool,
    /// By hash of the proxy's URL.
    clients: Mutex<HashMap<Option<String>, Client>>,
}

impl HttpClient {
    /// A client; `allow_private` as `security.allow_private_targets`.
    #[must_use]
    pub fn new(allow_private: bool) -> Self {
        Self(Arc::new(Inner { allow_private, clients: Mutex::default() }))
    }

    /// Whether an address may be called at all, as far as can be told without resolving its name: for the check of
    /// what an admin enters.
    ///
    /// # Errors
    /// Why not, in words for a field of a form.
    pub fn check_target(&self, url: &str) -> Result<(), &'static str> {
        self.parse(url, &["http", "https"]).map(|_| ())
    }

    /// The same for a proxy.
    ///
    /// # Errors
    /// Why not, in words for a field of a form.
    pub fn check_proxy(&self, url: &str) -> Result<(), &'static str> {
        self.parse(url, &["http", "https", "socks5", "socks5h"]).map(|_| ())
    }

    /// The same for a host that is called by another protocol than HTTP: a name or an address.
    ///
    /// # Errors
    /// Why not, in words for a field of a form.
    pub fn check_host(&self, host: &str) -> Result<(), &'static str> {
        self.parse_host(host).map(|_| ())
    }

    /// The addresses of a host that may be called, for a connection by another protocol than HTTP. A name is resolved
    /// now; connect to these addresses, not to the name once more.
    ///
    /// # Errors
    /// [`Failure::NotAllowed`], also when the name has no address that may be called; [`Failure::Connect`] when it
    /// cannot be resolved.
    pub async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Failure> {
        let found: Vec<SocketAddr> = match self.parse_host(host).map_err(Failure::NotAllowed)? {
            Host::Ipv4(address) => vec![(address, port).into()],
            Host::Ipv6(address) => vec![(address, port).into()],
            Host::Domain(name) => {
                tokio::net::lookup_host((name.as_str(), port)).await.map_err(|_| Failure::Connect)?.collect()
            }
        };
        let usable = |found: &SocketAddr| self.0.allow_private || address::is_public(found.ip());
        let usable: Vec<SocketAddr> = found.into_iter().filter(usable).collect();
        if usable.is_empty() { Err(Failure::NotAllowed("has no address that may be called")) } else { Ok(usable) }
    }

    fn parse_host(&self, host: &str) -> Result<Host, &'static str> {
        let host = match host.parse() {
            Ok(IpAddr::V4(address)) => Host::Ipv4(address),
            Ok(IpAddr::V6(address)) => Host::Ipv6(address),
            Err(_) => Host::parse(host).map_err(|_| "must be a host name or an address")?,
        };
        if !self.0.allow_private && !address::may_be_public(&host) {
            return Err("must not name a private address");
        }
        Ok(host)
    }

    /// Sends a request and reads the whole answer, whatever its status.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn send(&self, outgoing: Outgoing) -> Result<Incoming, Failure> {
        let Outgoing { method, url, headers, body, proxy, timeout } = outgoing;
        let url = self.parse(&url, &["http", "https"]).map_err(Failure::NotAllowed)?;
        let client = self.client(proxy.as_ref())?;
        let through = proxy.is_some();
        let request = client.request(method, url).headers(headers.into_iter().collect()).body(body).timeout(timeout);
        let mut answer = request.send().await.map_err(|error| Failure::of(&error, through))?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        if through && status == 407 {
            return Err(Failure::ProxyAuth);
        }
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(|error| Failure::cut_off(&error))? {
            if body.len() + piece.len() > LONGEST_ANSWER {
                return Err(Failure::Unanswered { timed_out: false });
            }
            body.extend_from_slice(&piece);
        }
        Ok(Incoming { status, headers, body })
    }

    /// An address that may be called, as far as can be told before its name is resolved.
    fn parse(&self, url: &str, schemes: &[&str]) -> Result<Url, &'static str> {
        let url = Url::parse(url).map_err(|_| "must be an absolute URL")?;
        if !schemes.contains(&url.scheme()) {
            return Err(if schemes.len() > 2 {
                "must begin with http://, https://, socks5:// or socks5h://"
            } else {
                "must begin with http:// or https://"
            });
        }
        // Read anew: of schemes it does not know, `url` leaves the host as it is written.
        let host = url.host_str().and_then(|host| Host::parse(host).ok()).ok_or("must name a host")?;
        if !self.0.allow_private && !address::may_be_public(&host) {
            return Err("must not name a private address");
        }
        Ok(url)
    }

    /// The client for that proxy, or for none.
    fn client(&self, proxy: Option<&Secret>) -> Result<Client, Failure> {
        let name = proxy.map(|proxy| sha256_hex(proxy.expose().as_bytes()));
        let mut clients = self.0.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&name) {
            return Ok(client.clone());
        }
        let client = self.build(proxy)?;
        if clients.len() >= CLIENTS {
            clients.clear();
        }
        clients.insert(name, client.clone());
        Ok(client)
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that makes clients")]
    fn build(&self, proxy: Option<&Secret>) -> Result<Client, Failure> {
        let builder = Client::builder()
            .no_proxy() // not that of the environment
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE)
            .dns_resolver(Resolver { allow_private: self.0.allow_private });
        let builder = match proxy {
            None => builder,
            Some(proxy) => {
                let url = self.parse(proxy.expose(), &["http", "https", "socks5", "socks5h"]);
                let url = url.map_err(|_| Failure::ProxyConnect)?;
                builder.proxy(Proxy::all(url).map_err(|_| Failure::ProxyConnect)?)
            }
        };
        builder.build().map_err(|_| Failure::Connect)
    }
}
