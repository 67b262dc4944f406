//! Texts cut to what a service takes, never within a character. What is cut ends with `…`.

const MARK: char = '…';

/// At most that many characters.
pub(super) fn to_chars(text: &str, most: usize) -> String {
    to(text, most, |_| 1)
}

/// At most that many bytes of UTF-8.
pub(super) fn to_bytes(text: &str, most: usize) -> String {
    to(text, most, char::len_utf8)
}

/// At most that many units of UTF-16, in which Telegram counts.
pub(super) fn to_utf16(text: &str, most: usize) -> String {
    to(text, most, char::len_utf16)
}

fn to(text: &str, most: usize, size: impl Fn(char) -> usize) -> String {
    let whole: usize = text.chars().map(&size).sum();
    if whole <= most {
        return text.to_owned();
    }
    let room = most.saturating_sub(size(MARK));
    let mut used = 0;
    let fits = |letter: &char| {
        used += size(*letter);
        used <= room
    };
    text.chars().take_while(fits).chain([MARK]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters_and_never_longer_than_asked() {
        let text = "账号🔑a".repeat(50);
        for most in 3..60 {
            assert!(to_chars(&text, most).chars().count() == most);
            let bytes = to_bytes(&text, most);
            assert!(bytes.len() <= most && bytes.len() + 4 > most && bytes.ends_with('…'), "{bytes}");
            let units = to_utf16(&text, most);
            assert!(units.encode_utf16().count() <= most && units.ends_with('…'));
        }
        assert_eq!(to_chars("账号", 2), "账号");
        assert_eq!(to_bytes("账号", 6), "账号");
        assert_eq!(to_bytes("账号b", 6), "账…");
    }
}
