//! The proxies of accounts that have none of their own.

use crate::base::{
    error::FieldError,
    http_client::{HttpClient, without_credentials},
    secret::{Secret, sha256_hex},
    spread::spread,
};

/// Most proxies in the list.
const MOST: usize = 500;
/// Longest list, in bytes of its URLs: sealed, it has to fit into the column.
const LONGEST: usize = 40_000;
/// Stands for the credentials of a proxy where it is shown.
const MASK: &str = "***";

/// A list of proxies, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies(Vec<Proxy>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Proxy {
    /// With its credentials.
    url: Secret,
    /// A number that stands for the URL.
    mark: u64,
}

/// How the proxy of a call is chosen from the list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyChoice {
    /// Always the first one.
    #[default]
    Fixed,
    /// By the account: the same one for as long as it is in the list.
    Hash,
    /// The next one with every call of this process.
    RoundRobin,
}

impl ProxyChoice {
    /// Their names.
    pub(super) const WORDS: &[&str] = &["fixed", "hash", "round_robin"];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Hash => "hash",
            Self::RoundRobin => "round_robin",
        }
    }

    /// The rule of that name, else the first one.
    pub(super) fn of(word: &str) -> Self {
        match word {
            "hash" => Self::Hash,
            "round_robin" => Self::RoundRobin,
            _ => Self::Fixed,
        }
    }
}

impl Proxies {
    /// In this order.
    #[must_use]
    pub fn new(urls: Vec<Secret>) -> Self {
        let mark = |url: &Secret| {
            let hash = sha256_hex(url.expose().as_bytes());
            hash.get(..16).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or_default()
        };
        Self(urls.into_iter().map(|url| Proxy { mark: mark(&url), url }).collect())
    }

    /// What stands for a list that cannot be read: one proxy that no call gets through. Without it calls would go out
    /// directly.
    pub(super) fn unreadable() -> Self {
        Self::new(vec![Secret::new("unreadable")])
    }

    /// The proxy of a call for that account; none when the list is empty. `turn` is the number of the call.
    #[must_use]
    pub fn choose(&self, choice: ProxyChoice, account: i64, turn: usize) -> Option<&Secret> {
        let chosen = match choice {
            ProxyChoice::Fixed => self.0.first(),
            // By the highest weight: when the list changes, only accounts whose proxy is gone, or to whom a new one
            // falls, get another.
            ProxyChoice::Hash => self.0.iter().max_by_key(|proxy| spread(proxy.mark ^ spread(account.cast_unsigned()))),
            ProxyChoice::RoundRobin => self.0.get(turn.checked_rem(self.0.len())?),
        };
        chosen.map(|proxy| &proxy.url)
    }

    /// As they may be shown: `***@` stands for credentials.
    pub(super) fn shown(&self) -> Vec<String> {
        self.0.iter().map(|proxy| shown(&proxy.url)).collect()
    }

    /// In clear, to be sealed.
    pub(super) fn exposed(&self) -> Vec<&str> {
        self.0.iter().map(|proxy| proxy.url.expose()).collect()
    }

    /// Checks a list that is entered.
    ///
    /// # Errors
    /// Every entry that cannot be a proxy, by its place: `proxy_list[2]`. Messages never repeat a value.
    pub(super) fn check(name: &str, urls: &[&str], http: &HttpClient) -> Result<Self, Vec<FieldError>> {
        if urls.len() > MOST || urls.iter().map(|url| url.len()).sum::<usize>() > LONGEST {
            let most = format!("must be at most {MOST} proxies of together {LONGEST} bytes");
            return Err(vec![FieldError::new(name, "length", most)]);
        }
        let wrong = |(nth, url): (usize, &&str)| {
            let why = http.check_proxy(url.trim()).err()?;
            Some(FieldError::new(format!("{name}[{nth}]"), "format", why))
        };
        let wrong: Vec<FieldError> = urls.iter().enumerate().filter_map(wrong).collect();
        if !wrong.is_empty() {
            return Err(wrong);
        }
        Ok(Self::new(urls.iter().map(|url| Secret::new(url.trim())).collect()))
    }

    /// Puts the credentials of `old` where an entry says `***@`, so that a list can be sent back as it was shown.
    ///
    /// # Errors
    /// Every entry for which there are none, by its place.
    pub(super) fn with_credentials_of(self, name: &str, old: &Self) -> Result<Self, Vec<FieldError>> {
        let (mut known, mut wrong) = (old.0.clone(), Vec::new());
        let mut filled = Vec::new();
        for (nth, proxy) in self.0.into_iter().enumerate() {
            if !is_masked(&proxy.url) {
                filled.push(proxy);
                continue;
            }
            let text = proxy.url.expose().trim_end_matches('/').to_owned();
            match known.iter().position(|old| shown(&old.url) == text) {
                Some(place) => filled.push(known.remove(place)),
                None => wrong.push(FieldError::new(
                    format!("{name}[{nth}]"),
                    "format",
                    "no proxy whose credentials could stay is stored; write them out",
                )),
            }
        }
        if wrong.is_empty() { Ok(Self(filled)) } else { Err(wrong) }
    }
}

fn is_masked(url: &Secret) -> bool {
    url.expose().split_once("://").is_some_and(|(_, rest)| rest.starts_with(&format!("{MASK}@")))
}

fn shown(url: &Secret) -> String {
    let bare = without_credentials(url);
    let has_credentials = url::Url::parse(url.expose())
        .is_ok_and(|url| !url.username().is_empty() || url.password().is_some() || url.query().is_some());
    match bare.split_once("://") {
        Some((scheme, rest)) if has_credentials => format!("{scheme}://{MASK}@{rest}"),
        _ => bare,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn list(urls: &[&str]) -> Proxies {
        Proxies::new(urls.iter().map(|url| Secret::new(*url)).collect())
    }

    fn chosen(proxies: &Proxies, choice: ProxyChoice, account: i64, turn: usize) -> Option<String> {
        proxies.choose(choice, account, turn).map(|url| url.expose().to_owned())
    }

    #[test]
    fn an_empty_list_gives_no_proxy() {
        for choice in [ProxyChoice::Fixed, ProxyChoice::Hash, ProxyChoice::RoundRobin] {
            assert_eq!(chosen(&Proxies::default(), choice, 7, 7), None);
        }
    }

    #[test]
    fn the_first_one_or_the_next_one() {
        let proxies = list(&["http://a", "http://b", "http://c"]);
        for turn in 0..7 {
            assert_eq!(chosen(&proxies, ProxyChoice::Fixed, 7, turn).unwrap(), "http://a");
            assert_eq!(
                chosen(&proxies, ProxyChoice::RoundRobin, 7, turn),
                chosen(&proxies, ProxyChoice::RoundRobin, 8, turn % 3)
            );
        }
        let used: BTreeSet<_> = (0..3).map(|turn| chosen(&proxies, ProxyChoice::RoundRobin, 7, turn)).collect();
        assert_eq!(used.len(), 3);
    }

    #[test]
    fn accounts_are_spread_over_the_list_and_only_those_of_a_proxy_that_leaves_move() {
        let (before, after) =
            (list(&["http://a", "http://b", "http://c", "http://d"]), list(&["http://d", "http://b", "http://a"]));
        let mut counts = std::collections::BTreeMap::<String, u32>::new();
        for account in 1..=1000 {
            let first = chosen(&before, ProxyChoice::Hash, account, 0).unwrap();
            assert_eq!(chosen(&before, ProxyChoice::Hash, account, 9), Some(first.clone()), "always the same");
            if first != "http://c" {
                assert_eq!(chosen(&after, ProxyChoice::Hash, account, 0), Some(first.clone()));
            }
            *counts.entry(first).or_default() += 1;
        }
        assert!(counts.len() == 4 && counts.values().all(|count| (180..330).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_list_that_is_sent_back_as_it_was_shown_keeps_its_credentials() {
        let old = list(&["http://u:p@a:1", "http://u2:p2@a:1", "socks5://b:2"]);
        assert_eq!(old.shown(), ["http://***@a:1", "http://***@a:1", "socks5://b:2"]);
        let sent = list(&["socks5://b:2", "http://***@a:1", "http://new:secret@c:3", "http://***@a:1/"]);
        let kept = sent.with_credentials_of("proxy_list", &old).unwrap();
        assert_eq!(kept.exposed(), ["socks5://b:2", "http://u:p@a:1", "http://new:secret@c:3", "http://u2:p2@a:1"]);
        let unknown = list(&["http://***@a:1", "http://***@d:4"]).with_credentials_of("proxy_list", &old).unwrap_err();
        assert_eq!(unknown.len(), 1);
        assert_eq!(unknown[0].field, "proxy_list[1]");
    }

    #[test]
    fn a_list_that_cannot_be_read_lets_no_call_through() {
        let url = chosen(&Proxies::unreadable(), ProxyChoice::Hash, 7, 0).unwrap();
        assert!(HttpClient::new(true).check_proxy(&url).is_err());
    }
}
