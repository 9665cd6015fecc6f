//! Links, mail addresses and handles.

/// Whether a link, a mail address or a handle stands in `text`, which is in lower case; also one that is
/// taken apart by spaces, or whose signs are put into brackets or words.
pub(super) fn has_address(text: &str) -> bool {
    stands_in(text) || stands_in(&put_together(text))
}

fn stands_in(text: &str) -> bool {
    ["http://", "https://", "t.me/", "wa.me/"]
        .iter()
        .any(|mark| text.contains(mark))
        || text.split_whitespace().any(|word| {
            is_email(word)
                || is_web_address(word)
                || is_domain(word)
                || is_handle(word)
                || is_tagged_name(word)
        })
}

/// `a (at) b [dot] c` as `a@b.c`, and letters that stand apart as one word.
fn put_together(text: &str) -> String {
    let mut out = text.to_owned();
    for (said, sign) in [
        ("at", "@"),
        ("ät", "@"),
        ("@", "@"),
        ("dot", "."),
        ("punkt", "."),
        (".", "."),
    ] {
        for (open, close) in [('(', ')'), ('[', ']'), ('{', '}'), ('<', '>')] {
            let mark = format!("{open}{said}{close}");
            while let Some(at) = out.find(&mark) {
                let before = out[..at].trim_end();
                let behind = out[at + mark.len()..].trim_start();
                out = format!("{before}{sign}{behind}");
            }
        }
    }
    join_single_characters(&out)
}

/// `h t t p s : / / x` as `https://x`.
fn join_single_characters(text: &str) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    let mut out = String::with_capacity(text.len());
    for (index, word) in words.iter().enumerate() {
        let is_single = |word: &&str| word.chars().count() == 1;
        if index > 0 && !(is_single(word) && words.get(index - 1).is_some_and(is_single)) {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

fn is_email(word: &str) -> bool {
    word.split_once('@').is_some_and(|(user, host)| {
        let host = host.trim_end_matches(|c: char| !c.is_alphanumeric());
        user.chars().any(char::is_alphanumeric) && host.contains('.') && is_host(host)
    })
}

/// `www.` and a name; "awww." is a sigh.
fn is_web_address(word: &str) -> bool {
    word.match_indices("www.").any(|(at, mark)| {
        !word[..at].ends_with(char::is_alphanumeric)
            && word[at + mark.len()..].starts_with(char::is_alphanumeric)
    })
}

fn is_domain(word: &str) -> bool {
    const ENDINGS: &[&str] = &[
        ".com", ".net", ".org", ".io", ".de", ".me", ".tv", ".gg", ".link", ".xyz",
    ];
    let word = word.trim_matches(|c: char| !c.is_alphanumeric());
    let host = word.split('/').next().unwrap_or(word);
    ENDINGS.iter().any(|ending| {
        host.strip_suffix(ending)
            .is_some_and(|name| name.len() > 1 && !name.ends_with('.'))
    })
}

/// Names with dots between them, and not dots alone.
fn is_host(text: &str) -> bool {
    text.split('.')
        .all(|label| label.chars().any(char::is_alphanumeric))
}

/// `@luna_rose`; "@home" is a place.
fn is_handle(word: &str) -> bool {
    const PLACES: &[&str] = &[
        "home", "work", "school", "night", "all", "the", "uni", "gym",
    ];
    let word = word.trim_start_matches(['(', '"', ':', '\'']);
    word.strip_prefix('@').is_some_and(|name| {
        let name = name.trim_end_matches(|c: char| !c.is_alphanumeric());
        let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
        name.chars().count() >= 3 && name.chars().all(is_name) && !PLACES.contains(&name)
    })
}

/// `luna#1234`
fn is_tagged_name(word: &str) -> bool {
    word.split_once('#').is_some_and(|(name, tag)| {
        name.chars().count() >= 2
            && tag.len() == 4
            && name
                .chars()
                .all(|c| c.is_alphanumeric() || c == '_' || c == '.')
            && tag.bytes().all(|byte| byte.is_ascii_digit())
    })
}
