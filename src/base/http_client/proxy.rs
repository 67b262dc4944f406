//! Proxies where they are shown.

use url::Url;

use crate::base::secret::Secret;

/// What may be shown of a proxy.
#[must_use]
pub fn without_credentials(proxy: &Secret) -> String {
    let Some(mut url) = Url::parse(proxy.expose()).ok().filter(Url::has_host) else { return "unreadable".to_owned() };
    // It fails for addresses without a host only.
    let _ = url.set_username("").and_then(|()| url.set_password(None));
    url.set_query(None);
    url.set_fragment(None);
    url.as_str().trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_shown_without_its_credentials_whatever_its_scheme() {
        for (given, shown) in [
            ("http://user:pass@proxy.example:8080", "http://proxy.example:8080"),
            ("https://user@proxy.example/", "https://proxy.example"),
            ("socks5://user:p%40ss@192.0.2.1:1080", "socks5://192.0.2.1:1080"),
            ("socks5h://proxy.example:1080?token=pass", "socks5h://proxy.example:1080"),
            ("user:pass@nowhere", "unreadable"),
        ] {
            assert_eq!(without_credentials(&Secret::new(given)), shown);
        }
    }
}
