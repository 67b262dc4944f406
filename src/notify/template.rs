//! Notices in words. A template is a file: the title for one subject, the title for several, a line of `---`, the body.
//!
//! `{name}` stands for a value. A line of the body whose values are not all there is left out.

use chrono_tz::Tz;
use entity::UtcMillis;
use serde_json::Value;

use super::notice::{Group, Notice};
use crate::{base::event::EventKind, settings::Language};

/// A message in words, without any markup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    /// One line.
    pub(super) title: String,
    /// Several lines.
    pub(super) body: String,
}

macro_rules! files {
    ($language:literal, $event:expr; $($variant:ident $name:literal)*) => {
        match $event {
            $(EventKind::$variant =>
                include_str!(concat!("../../resource/notifications/", $language, "/", $name, ".txt")),)*
        }
    };
}

macro_rules! templates {
    ($language:literal, $event:expr) => {
        files! { $language, $event;
            TokenDead "token.dead"
            TokenFailing "token.failing"
            ProviderPaused "provider.paused"
            TokenRecovered "token.recovered"
            TokenRefreshed "token.refreshed"
            SinkFailed "sink.failed"
            KeyExpiring "key.expiring"
            KeyExpired "key.expired"
            KeyQuotaLow "key.quota_low"
            RechargePaid "recharge.paid"
            RechargeNeedsRefund "recharge.needs_refund"
            JobFailed "job.failed"
            LoginLocked "security.login_locked"
        }
    };
}

fn of_event(event: EventKind, language: Language) -> &'static str {
    match language {
        Language::ZhCn => templates!("zh-CN", event),
        Language::En => templates!("en", event),
    }
}

fn of_summary(language: Language) -> &'static str {
    match language {
        Language::ZhCn => include_str!("../../resource/notifications/zh-CN/summary.txt"),
        Language::En => include_str!("../../resource/notifications/en/summary.txt"),
    }
}

fn of_test(language: Language) -> &'static str {
    match language {
        Language::ZhCn => include_str!("../../resource/notifications/zh-CN/test.txt"),
        Language::En => include_str!("../../resource/notifications/en/test.txt"),
    }
}

/// The notice in words of that language, with times of that zone.
pub(super) fn render(notice: &Notice, language: Language, zone: Tz) -> Text {
    match notice {
        Notice::Event(group) => event(group, language, zone),
        Notice::Summary { count, groups } => summary(*count, groups, language, zone),
        Notice::Test { name, at } => fill(of_test(language), 1, |wanted| match wanted {
            "name" => Some(name.clone()),
            "time" => Some(local(*at, zone)),
            _ => None,
        }),
    }
}

fn event(group: &Group, language: Language, zone: Tz) -> Text {
    fill(of_event(group.event, language), group.count, |wanted| match wanted {
        "count" => Some(group.count.to_string()),
        "name" => group.subjects.first().map(|subject| plain(&subject.name)),
        "subjects" => Some(subjects(group, language)),
        "time" => Some(local(group.at, zone)),
        param => match group.params.get(param)? {
            Value::String(text) => Some(plain(text)).filter(|text| !text.is_empty()),
            other => Some(other.to_string()),
        },
    })
}

fn summary(count: u64, groups: &[Group], language: Language, zone: Tz) -> Text {
    let line = |group: &Group| format!("{} · {}", local(group.at, zone), event(group, language, zone).title);
    let mut lines: Vec<String> = groups.iter().map(line).collect();
    let listed: u64 = groups.iter().map(|group| group.count).sum();
    if listed < count {
        lines.push("…".to_owned());
    }
    fill(of_summary(language), count, |wanted| match wanted {
        "count" => Some(count.to_string()),
        "lines" => Some(lines.join("\n")),
        _ => None,
    })
}

/// `a, b, c, d, e and 95 more`
fn subjects(group: &Group, language: Language) -> String {
    let names: Vec<String> = group.subjects.iter().map(|subject| plain(&subject.name)).collect();
    let more = group.count.saturating_sub(names.len() as u64);
    match (language, more) {
        (Language::ZhCn, 0) => names.join("、"),
        (Language::ZhCn, _) => format!("{} 等 {} 个", names.join("、"), group.count),
        (Language::En, 0) => names.join(", "),
        (Language::En, _) => format!("{} and {more} more", names.join(", ")),
    }
}

fn local(time: UtcMillis, zone: Tz) -> String {
    time.to_datetime().with_timezone(&zone).format("%Y-%m-%d %H:%M").to_string()
}

/// A value on one line, without signs that a service would take for markup, a link or the mention of somebody.
fn plain(value: &str) -> String {
    let harmless = |letter: char| match letter {
        '<' => '＜',
        '>' => '＞',
        '[' => '［',
        ']' => '］',
        '`' => '\'',
        letter if letter.is_control() => ' ',
        letter => letter,
    };
    value.chars().map(harmless).collect::<String>().trim().to_owned()
}

fn fill(template: &str, count: u64, value: impl Fn(&str) -> Option<String>) -> Text {
    let (titles, body) = template.split_once("---\n").unwrap_or((template, ""));
    let (one, several) = titles.split_once('\n').unwrap_or((titles, titles));
    let title = fill_line(if count == 1 { one } else { several }.trim(), &value).unwrap_or_default();
    let body: Vec<String> = body.trim_end().lines().filter_map(|line| fill_line(line, &value)).collect();
    Text { title, body: body.join("\n") }
}

fn fill_line(line: &str, value: &impl Fn(&str) -> Option<String>) -> Option<String> {
    let mut parts = line.split('{');
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}')?;
        filled.push_str(&value(name)?);
        filled.push_str(rest);
    }
    Some(filled)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::notify::notice::Subject;

    const ZONE: Tz = chrono_tz::Asia::Shanghai;

    fn group(event: EventKind, count: u64) -> Group {
        let params = event.params().iter().filter(|name| **name != "name" || count == 1);
        let value = |name: &str| match name {
            "failures" | "minutes" => json!(15),
            name => json!(format!("value of {name}")),
        };
        let subject = |nth: u64| Subject { subject: format!("token:{nth}"), name: format!("u{nth}@example.com") };
        Group {
            event,
            count,
            subjects: (1..=count.min(5)).map(subject).collect(),
            params: params.map(|name| ((*name).to_owned(), value(name))).collect(),
            at: UtcMillis(1_795_235_460_000),
        }
    }

    #[test]
    fn every_event_is_put_into_words_of_both_languages_with_every_value_it_has() {
        for language in [Language::ZhCn, Language::En] {
            for event in EventKind::ALL {
                for count in [1, 3, 100] {
                    let text = render(&Notice::Event(group(*event, count)), language, ZONE);
                    let whole = format!("{}\n{}", text.title, text.body);
                    assert!(!whole.contains(['{', '}']), "{whole}");
                    assert!(!text.title.is_empty() && !text.title.contains('\n'), "{whole}");
                    assert!(whole.contains("u1@example.com") && whole.contains("2026-11-21 12:31"), "{whole}");
                    for param in event.params().iter().filter(|param| **param != "name") {
                        let value = if ["failures", "minutes"].contains(param) { "15" } else { param };
                        assert!(whole.contains(value), "{param} of {}: {whole}", event.name());
                    }
                    if count > 1 {
                        assert!(text.title.contains(&count.to_string()), "{whole}");
                    }
                }
                let names = of_event(*event, language).split('{').skip(1);
                for name in names.map(|rest| rest.split('}').next().unwrap()) {
                    let known = ["count", "subjects", "time"].contains(&name) || event.params().contains(&name);
                    assert!(known, "{{{name}}} is no value of {}", event.name());
                }
            }
            let test = render(&Notice::Test { name: "ops".to_owned(), at: UtcMillis(0) }, language, ZONE);
            assert!(!test.title.is_empty() && test.body.contains("ops") && !test.body.contains('{'));
            let groups = vec![group(EventKind::TokenDead, 100), group(EventKind::JobFailed, 1)];
            let summary = render(&Notice::Summary { count: 103, groups }, language, ZONE);
            assert!(summary.title.contains("103"), "{}", summary.title);
            assert_eq!(summary.body.lines().count(), 3, "two groups, and that there are more: {}", summary.body);
        }
    }

    #[test]
    fn a_line_without_its_value_is_left_out() {
        let mut group = group(EventKind::TokenDead, 1);
        group.params.remove("detail");
        group.params.remove("class");
        let text = render(&Notice::Event(group), Language::En, ZONE);
        assert!(!text.body.contains("Detail") && !text.body.contains("Reason") && text.body.contains("Provider"));
    }

    #[test]
    fn a_value_can_neither_mention_anybody_nor_link_anywhere() {
        let mut group = group(EventKind::TokenDead, 1);
        group.subjects[0].name = "<@all>\n[here](https://evil.example)<!channel>".to_owned();
        for language in [Language::ZhCn, Language::En] {
            let text = render(&Notice::Event(group.clone()), language, ZONE);
            for sign in ["<", ">", "[", "]"] {
                assert!(!text.title.contains(sign) && !text.body.contains(sign), "{}", text.body);
            }
        }
    }

    #[test]
    fn many_subjects_are_counted_and_the_first_few_are_named() {
        let hundred = group(EventKind::TokenDead, 100);
        assert!(subjects(&hundred, Language::En).ends_with("u5@example.com and 95 more"));
        assert!(subjects(&hundred, Language::ZhCn).ends_with("u5@example.com 等 100 个"));
    }
}
