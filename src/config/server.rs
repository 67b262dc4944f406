//! `server`: where and how the service is reached.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Network;
use super::kind::Kind;
use super::table::Key;

/// The HTTP server.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Address or host name to listen on. Default `0.0.0.0`.
    pub host: String,
    /// Port; 0 takes a free one. Default 8080.
    pub port: u16,
    /// Whether this is a production installation, with stricter checks. Default debug.
    pub mode: Mode,
    /// Worker threads; 0 is one per core. Default 0.
    pub workers: usize,
    /// The address under which clients reach the service, without a final slash; empty when unknown.
    pub public_url: String,
    /// The zone that calendar days and schedules follow. Default Asia/Shanghai.
    #[serde(with = "timezone")]
    pub timezone: chrono_tz::Tz,
    /// The proxies whose `X-Forwarded-For` is believed. Default none.
    pub trusted_proxies: Vec<Network>,
    /// Seconds for which new requests are still taken after a stop signal. Default 0.
    pub shutdown_delay: u32,
    /// Seconds that running requests get to finish. Default 30.
    pub shutdown_timeout: u32,
    /// Path of the PEM certificate chain; empty: no TLS.
    pub tls_cert_file: String,
    /// Path of the PEM private key; empty: no TLS.
    pub tls_key_file: String,
}

impl Server {
    /// Whether `ip` is one of the trusted proxies. An IPv4 address mapped into IPv6 counts as IPv4.
    pub fn is_trusted(&self, ip: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(ip))
    }
}

/// How strict the service is with its operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Development and trial: any secret will do.
    Debug,
    /// Production: weak secrets and unencrypted payment addresses are refused.
    Release,
}

mod timezone {
    use chrono_tz::Tz;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub fn serialize<S: Serializer>(zone: &Tz, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(zone.name())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Tz, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

pub(super) const KEYS: &[Key] = &[
    Key::new("server.host", Kind::Text, "0.0.0.0", "Address or host name to listen on."),
    Key::new("server.port", Kind::integer(0, 65_535), "8080", "Port to listen on; 0 takes a free one."),
    Key::new(
        "server.mode",
        Kind::Choice(&["debug", "release"]),
        "debug",
        "`release` refuses weak secrets, secrets out of the documentation and payment addresses without https.",
    ),
    Key::new("server.workers", Kind::integer(0, 1024), "0", "Worker threads; 0 is one per core."),
    Key::new(
        "server.public_url",
        Kind::Text,
        "\"\"",
        "The address under which clients reach the service, such as https://latchkey.example.com; used in links.",
    ),
    Key::new(
        "server.timezone",
        Kind::Timezone,
        "Asia/Shanghai",
        "IANA name of the time zone that calendar days and schedules follow.",
    ),
    Key::new(
        "server.trusted_proxies",
        Kind::Networks,
        "[]",
        "Addresses and CIDR ranges of the proxies whose X-Forwarded-For is believed.",
    ),
    Key::new(
        "server.shutdown_delay",
        Kind::integer(0, 3600),
        "0",
        "Seconds for which new requests are still taken after a stop signal, while /ready already answers 503.",
    ),
    Key::new("server.shutdown_timeout", Kind::integer(0, 3600), "30", "Seconds that running requests get to finish."),
    Key::new(
        "server.tls_cert_file",
        Kind::Text,
        "\"\"",
        "PEM file with the certificate chain; with tls_key_file the service speaks https itself.",
    ),
    Key::new("server.tls_key_file", Kind::Text, "\"\"", "PEM file with the private key of that certificate."),
];
