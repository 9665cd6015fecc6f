//! Looks for words that must not be there, however they are written down.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// So many bytes of a form are looked up first; none is shorter.
const HEAD: usize = 8;

/// Words in all the forms that they can be written in.
#[derive(Debug, Default)]
pub(crate) struct Net {
    /// By their first bytes: the form, and what it is of.
    forms: BTreeMap<[u8; HEAD], Vec<(Vec<u8>, String)>>,
}

impl Net {
    /// Looks for `word` from now on, which is called `name`.
    pub(crate) fn look_for(&mut self, name: &str, word: &[u8]) {
        let mut forms = vec![
            ("plain", word.to_vec()),
            ("hex", hex(word, |text, byte| write!(text, "{byte:02x}"))),
            (
                "upper hex",
                hex(word, |text, byte| write!(text, "{byte:02X}")),
            ),
            ("a list of numbers", list(word)),
            (
                "in a URL",
                in_url(word, false, |text, byte| write!(text, "%{byte:02X}")),
            ),
            (
                "in a URL, lower",
                in_url(word, false, |text, byte| write!(text, "%{byte:02x}")),
            ),
            (
                "in a form",
                in_url(word, true, |text, byte| write!(text, "%{byte:02X}")),
            ),
        ];
        for (at, label) in ["base64", "base64 one on", "base64 two on"]
            .iter()
            .enumerate()
        {
            forms.push((label, inner_base64(&STANDARD_NO_PAD, word, at)));
            forms.push((label, inner_base64(&URL_SAFE_NO_PAD, word, at)));
        }
        if let Ok(text) = std::str::from_utf8(word) {
            let json = serde_json::to_string(text).unwrap();
            let inner = json[1..json.len() - 1].to_owned();
            forms.push(("in JSON", inner.replace('/', "\\/").into_bytes()));
            // JSON in a string of JSON, and what `Debug` makes of a text.
            let twice = serde_json::to_string(&inner).unwrap();
            forms.push((
                "in JSON twice",
                twice.as_bytes()[1..twice.len() - 1].to_vec(),
            ));
            forms.push(("in JSON, once", inner.into_bytes()));
            let debug = format!("{text:?}");
            forms.push(("in Debug", debug.as_bytes()[1..debug.len() - 1].to_vec()));
            let html = text
                .replace('&', "&amp;")
                .replace('"', "&quot;")
                .replace('<', "&lt;");
            forms.push(("in HTML", html.into_bytes()));
        }
        for (how, form) in forms {
            let head = *form.first_chunk().expect("a word that is long enough");
            let known = self.forms.entry(head).or_default();
            known.push((form, format!("{name}, {how}")));
        }
    }

    /// What is found in `place`.
    pub(crate) fn search(&self, place: &str, haystack: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        for (at, head) in haystack.windows(HEAD).enumerate() {
            let Some(forms) = head.first_chunk().and_then(|head| self.forms.get(head)) else {
                continue;
            };
            for (form, what) in forms {
                if haystack[at..].starts_with(form) {
                    found.push(format!("{what} in {place} at {at}"));
                }
            }
        }
        found
    }
}

fn hex(word: &[u8], write: impl Fn(&mut String, u8) -> std::fmt::Result) -> Vec<u8> {
    let mut text = String::new();
    for byte in word {
        write(&mut text, *byte).unwrap();
    }
    text.into_bytes()
}

/// As `Debug` shows bytes.
fn list(word: &[u8]) -> Vec<u8> {
    let text = format!("{word:?}");
    text.as_bytes()[1..text.len() - 1].to_vec()
}

fn in_url(
    word: &[u8],
    plus: bool,
    escape: impl Fn(&mut String, u8) -> std::fmt::Result,
) -> Vec<u8> {
    let mut text = String::new();
    for byte in word {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                text.push(char::from(*byte));
            }
            b'~' if !plus => text.push('~'),
            b' ' if plus => text.push('+'),
            _ => escape(&mut text, *byte).unwrap(),
        }
    }
    text.into_bytes()
}

/// The digits that do not depend on what stands before and after, if `at` bytes of a group of three stand before.
fn inner_base64(engine: &impl base64::Engine, word: &[u8], at: usize) -> Vec<u8> {
    let padded = [vec![0; at], word.to_vec()].concat();
    let digits = engine.encode(&padded).into_bytes();
    let first = [0, 2, 3][at];
    let whole = padded.len() * 8 / 6;
    digits[first..whole].to_vec()
}

#[test]
fn a_word_is_found_however_it_is_written() {
    let word = "s3cr\"t/+=& word";
    let mut net = Net::default();
    net.look_for("the word", word.as_bytes());
    let places = [
        word.to_owned(),
        String::from_utf8(hex(word.as_bytes(), |t, b| write!(t, "{b:02x}"))).unwrap(),
        format!("{:?}", word.as_bytes()),
        format!("{word:?}"),
        serde_json::json!({ "a": word }).to_string(),
        serde_json::json!({ "a": serde_json::json!({ "b": word }).to_string() }).to_string(),
        STANDARD_NO_PAD.encode(word),
        STANDARD_NO_PAD.encode(format!("x{word}y")),
        URL_SAFE_NO_PAD.encode(format!("xy{word}")),
        "code=s3cr%22t%2F%2B%3D%26+word&b".to_owned(),
        "code=s3cr%22t%2f%2b%3d%26%20word".to_owned(),
    ];
    for place in places {
        let around = format!("before {place} after");
        assert!(!net.search("it", around.as_bytes()).is_empty(), "{place}");
    }
    assert!(net.search("it", b"another word altogether").is_empty());
}
