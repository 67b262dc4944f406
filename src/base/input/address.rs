//! The client's address.

use std::net::IpAddr;

use actix_web::{HttpRequest, http::header};

use crate::base::state::State;

/// The client's address. `X-Forwarded-For` counts only when the peer is one of `server.trusted_proxies`; it is read
/// from the right, and the first address that is not a trusted proxy is the client's.
#[must_use]
pub fn client_address(req: &HttpRequest) -> IpAddr {
    let peer = req.peer_addr().map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.ip().to_canonical());
    let Some(state) = req.app_data::<State>() else { return peer };
    let server = &state.config.server;
    if server.trusted_proxies.is_empty() || !server.is_trusted(peer) {
        return peer;
    }
    let lines: Vec<&str> =
        req.headers().get_all(header::X_FORWARDED_FOR).filter_map(|value| value.to_str().ok()).collect();
    let mut client = peer;
    for text in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        // Whatever stands left of something unreadable was not written by a proxy we trust.
        let Some(address) = parse_address(text.trim()) else { break };
        client = address;
        if !server.is_trusted(address) {
            break;
        }
    }
    client
}

/// An address with or without port, IPv6 with or without brackets.
fn parse_address(text: &str) -> Option<IpAddr> {
    let address = text
        .parse::<IpAddr>()
        .ok()
        .or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|socket| socket.ip()))
        .or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok())?;
    Some(address.to_canonical())
}
