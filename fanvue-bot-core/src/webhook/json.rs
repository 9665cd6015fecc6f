//! A JSON reader that goes over the bytes once and hands out what it passes.
//!
//! Why not `serde_json`: reading a message event has to cost no more than its HMAC (about a microsecond),
//! a value of an unexpected type must read as absent instead of failing the event, and half of a surrogate
//! pair, which a text cut by a program may hold, must not lose the message. Tests hold this reader to
//! `serde_json`'s verdict on which bytes are JSON.
//!
//! Strings that nobody asks for are not checked for UTF-8, and ill-formed UTF-8 in a wanted one reads as
//! U+FFFD.

mod escape;
mod scan;

use std::borrow::Cow;
use std::num::NonZeroU32;

use escape::unescape;
use scan::{first_special, plain_prefix};

/// The bytes are not JSON, nested deeper than [`MAX_DEPTH`], or 2 GiB and more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

type Result<T, E = Malformed> = std::result::Result<T, E>;

/// How deep objects and arrays may nest; `serde_json`'s limit. One bit each in [`Reader::skip`].
pub(super) const MAX_DEPTH: u32 = 128;

/// A position in a JSON text.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: u32,
}

/// Where a string stands between its quotes, or a number.
///
/// Two words of 32 bits, so that it travels in one register: with slices in its place, reading an event
/// costs a quarter more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    /// Twice the first byte's offset, and 1 if there are escapes.
    start: u32,
    /// The offset after the last byte; a quote or a digit stands before it.
    end: NonZeroU32,
}

impl Span {
    fn new(start: usize, end: usize, escaped: bool) -> Result<Self> {
        let twice = u32::try_from(start << 1).map_err(|_| Malformed)?;
        let end = u32::try_from(end).ok().and_then(NonZeroU32::new);
        Ok(Self {
            start: twice | u32::from(escaped),
            end: end.ok_or(Malformed)?,
        })
    }

    const fn escaped(self) -> bool {
        self.start & 1 == 1
    }

    fn raw(self, source: &[u8]) -> &[u8] {
        let offset = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
        source
            .get(offset(self.start >> 1)..offset(self.end.get()))
            .unwrap_or_default()
    }

    /// The bytes after escapes, which need not be UTF-8: for ids, times and names, which are looked at and
    /// not kept. `source` is what the reader read.
    pub(super) fn bytes(self, source: &[u8]) -> Cow<'_, [u8]> {
        if self.escaped() {
            Cow::Owned(unescape(self.raw(source)).into_bytes())
        } else {
            Cow::Borrowed(self.raw(source))
        }
    }

    /// The text. U+0000, which databases do not store as text, and what is not Unicode read as U+FFFD.
    pub(super) fn text(self, source: &[u8]) -> Cow<'_, str> {
        if self.escaped() {
            Cow::Owned(unescape(self.raw(source)))
        } else {
            utf8(self.raw(source))
        }
    }
}

/// The text, with U+FFFD for what is not UTF-8.
fn utf8(bytes: &[u8]) -> Cow<'_, str> {
    // The lossy conversion alone would go byte by byte over well-formed text too.
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(bytes),
    }
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            depth: 0,
        }
    }

    /// Nothing but white space is left.
    pub(super) fn end(&mut self) -> Result<()> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(Malformed),
        }
    }

    /// Reads an object, calling `member` with each key; `member` must read the value. Anything else is
    /// passed over and answers false.
    pub(super) fn object(
        &mut self,
        mut member: impl FnMut(&[u8], &mut Self) -> Result<()>,
    ) -> Result<bool> {
        if self.peek() != Some(b'{') {
            self.skip()?;
            return Ok(false);
        }
        self.at += 1;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Malformed);
        }
        if self.peek() == Some(b'}') {
            self.at += 1;
        } else {
            loop {
                let key = self.key()?;
                if key.escaped() {
                    member(&key.bytes(self.bytes), self)?;
                } else {
                    member(key.raw(self.bytes), self)?;
                }
                match self.peek() {
                    Some(b',') => self.at += 1,
                    Some(b'}') => {
                        self.at += 1;
                        break;
                    }
                    _ => return Err(Malformed),
                }
            }
        }
        self.depth -= 1;
        Ok(true)
    }

    /// Reads an array, calling `element` at each; `element` must read the value. Anything else is passed
    /// over.
    pub(super) fn array(&mut self, mut element: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        if self.peek() != Some(b'[') {
            return self.skip();
        }
        self.at += 1;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Malformed);
        }
        if self.peek() == Some(b']') {
            self.at += 1;
        } else {
            loop {
                element(self)?;
                match self.peek() {
                    Some(b',') => self.at += 1,
                    Some(b']') => {
                        self.at += 1;
                        break;
                    }
                    _ => return Err(Malformed),
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// The string here; anything else is passed over.
    pub(super) fn string(&mut self) -> Result<Option<Span>> {
        if self.peek() == Some(b'"') {
            self.at += 1;
            self.string_rest().map(Some)
        } else {
            self.skip().map(|()| None)
        }
    }

    /// `true` or `false`; anything else is passed over.
    pub(super) fn boolean(&mut self) -> Result<Option<bool>> {
        let first = self.peek();
        self.skip()?;
        Ok(match first {
            Some(b't') => Some(true),
            Some(b'f') => Some(false),
            _ => None,
        })
    }

    /// The digits of a number; anything else is passed over.
    pub(super) fn number(&mut self) -> Result<Option<Span>> {
        match self.peek() {
            Some(b'-' | b'0'..=b'9') => {
                let start = self.at;
                self.skip_number()?;
                Span::new(start, self.at, false).map(Some)
            }
            _ => self.skip().map(|()| None),
        }
    }

    /// Whether the value here is `null`; does not move past it.
    pub(super) fn at_null(&mut self) -> bool {
        self.peek() == Some(b'n')
    }

    /// Passes over one value of any kind, without recursion.
    pub(super) fn skip(&mut self) -> Result<()> {
        // One bit per open level, lowest is innermost: set for an object, clear for an array.
        let mut kinds: u128 = 0;
        let mut open: u32 = 0;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    self.string_rest()?;
                }
                Some(b'-' | b'0'..=b'9') => self.skip_number()?,
                Some(b't') => self.word(b"true")?,
                Some(b'f') => self.word(b"false")?,
                Some(b'n') => self.word(b"null")?,
                Some(bracket @ (b'{' | b'[')) => {
                    self.at += 1;
                    let object = bracket == b'{';
                    let close = if object { b'}' } else { b']' };
                    if open + self.depth >= MAX_DEPTH {
                        return Err(Malformed);
                    }
                    if self.peek() == Some(close) {
                        self.at += 1;
                    } else {
                        kinds = (kinds << 1) | u128::from(object);
                        open += 1;
                        if object {
                            self.key()?;
                        }
                        continue;
                    }
                }
                _ => return Err(Malformed),
            }
            loop {
                if open == 0 {
                    return Ok(());
                }
                let object = kinds & 1 == 1;
                match self.peek() {
                    Some(b',') => {
                        self.at += 1;
                        if object {
                            self.key()?;
                        }
                        break;
                    }
                    Some(b'}') if object => self.at += 1,
                    Some(b']') if !object => self.at += 1,
                    _ => return Err(Malformed),
                }
                kinds >>= 1;
                open -= 1;
            }
        }
    }

    /// The next byte that is not white space.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.bytes.get(self.at).copied() {
                Some(b' ' | b'\n' | b'\t' | b'\r') => self.at += 1,
                other => return other,
            }
        }
    }

    fn key(&mut self) -> Result<Span> {
        if self.peek() != Some(b'"') {
            return Err(Malformed);
        }
        self.at += 1;
        let key = self.string_rest()?;
        if self.peek() != Some(b':') {
            return Err(Malformed);
        }
        self.at += 1;
        Ok(key)
    }

    /// The rest of a string whose opening quote is behind.
    ///
    /// Most keys and words end within 16 bytes, and so without a call.
    #[inline]
    fn string_rest(&mut self) -> Result<Span> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let mut plain = 0;
        if let Some(words) = rest.first_chunk::<16>() {
            let (words, _) = words.as_chunks::<8>();
            for (index, word) in words.iter().enumerate() {
                if let Some(at) = first_special(*word) {
                    let end = self.at + index * 8 + at;
                    if self.bytes.get(end) == Some(&b'"') {
                        let span = Span::new(self.at, end, false);
                        self.at = end + 1;
                        return span;
                    }
                    plain = index * 8 + at;
                    break;
                }
                plain = (index + 1) * 8;
            }
        }
        self.long_string_rest(plain)
    }

    /// Goes on after `plain` bytes that are not special.
    #[inline(never)]
    fn long_string_rest(&mut self, plain: usize) -> Result<Span> {
        let start = self.at;
        self.at += plain;
        let mut escaped = false;
        loop {
            if self.bytes.get(self.at) != Some(&b'\\') {
                self.at += plain_prefix(self.bytes.get(self.at..).unwrap_or_default());
            }
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    let span = Span::new(start, self.at, escaped);
                    self.at += 1;
                    return span;
                }
                Some(b'\\') => {
                    escaped = true;
                    let length = match self.bytes.get(self.at + 1) {
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
                        Some(b'u') => {
                            let digits = self.bytes.get(self.at + 2..self.at + 6);
                            if !digits.is_some_and(|d| d.iter().all(u8::is_ascii_hexdigit)) {
                                return Err(Malformed);
                            }
                            6
                        }
                        _ => return Err(Malformed),
                    };
                    self.at += length;
                }
                // The end, or a bare control character.
                _ => return Err(Malformed),
            }
        }
    }

    fn skip_number(&mut self) -> Result<()> {
        if self.bytes.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        match self.bytes.get(self.at) {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.bytes.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// At least one digit.
    fn digits(&mut self) -> Result<()> {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at == start {
            Err(Malformed)
        } else {
            Ok(())
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<()> {
        let end = self.at + word.len();
        if self.bytes.get(self.at..end) == Some(word) {
            self.at = end;
            Ok(())
        } else {
            Err(Malformed)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_json(bytes: &[u8]) -> bool {
        let mut reader = Reader::new(bytes);
        reader.skip().and_then(|()| reader.end()).is_ok()
    }

    fn text_of(json: &str) -> String {
        Reader::new(json.as_bytes())
            .string()
            .unwrap()
            .unwrap()
            .text(json.as_bytes())
            .into_owned()
    }

    #[test]
    fn escapes_read_as_what_they_stand_for() {
        for (json, text) in [
            (r#""plain""#, "plain"),
            (r#""a\"b\\c\/d\n\r\t\b\f""#, "a\"b\\c/d\n\r\t\u{8}\u{c}"),
            (r#""\u00e4\u20ac""#, "ä€"),
            (r#""\ud83d\ude00!""#, "😀!"),
            (r#""cut \ud83d""#, "cut \u{fffd}"),
            (r#""\ude00\ud83d x""#, "\u{fffd}\u{fffd} x"),
            (r#""\ud83dA""#, "\u{fffd}A"),
            (r#""nul \u0000""#, "nul \u{fffd}"),
            ("\"😀 raw\"", "😀 raw"),
        ] {
            assert_eq!(text_of(json), text, "{json}");
        }
    }

    #[test]
    fn depth_is_bounded_and_costs_no_stack() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let nested = |depth| format!("{}1{}", open.repeat(depth), close.repeat(depth));
            assert!(is_json(nested(128).as_bytes()));
            assert!(!is_json(nested(129).as_bytes()));
            assert!(!is_json(nested(1_000_000).as_bytes()));
        }
    }

    /// Pieces that make near-JSON much more often than random bytes do.
    fn near_json() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            prop::sample::select(vec![
                "{",
                "}",
                "[",
                "]",
                ":",
                ",",
                "\"",
                "\\",
                "\"a\"",
                "\"a\":",
                "{\"a\":1}",
                "[1,2]",
                "null",
                "true",
                "false",
                "nul",
                "0",
                "-1",
                "01",
                "1.5",
                "1.",
                "1e5",
                "-",
                "1E+2",
                " ",
                "\n",
                "\\u00e4",
                "\\ud83d",
                "\"\\n\"",
                "\u{1}",
                "é",
                "\"é😀\"",
                "{}",
                "[]",
            ])
            .prop_map(|text| text.as_bytes().to_vec()),
            prop::collection::vec(any::<u8>(), 0..3),
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn bytes_are_json_exactly_when_serde_json_says_so(bytes in near_json()) {
            // `RawValue`-like: syntax only. Numbers too large for a float are JSON all the same, and
            // `IgnoredAny` neither converts numbers nor decodes strings.
            let theirs = serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_ok();
            prop_assert_eq!(is_json(&bytes), theirs);
        }

        #[test]
        fn strings_read_as_serde_json_reads_them(text in "\\PC{0,60}", ascii in any::<bool>()) {
            let mut json = serde_json::to_string(&text).unwrap();
            if ascii {
                json = json.chars().map(|c| if c.is_ascii() {
                    c.to_string()
                } else {
                    c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect()
                }).collect();
            }
            prop_assert_eq!(text_of(&json), text);
        }
    }
}
