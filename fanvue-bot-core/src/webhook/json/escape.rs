//! What escapes stand for.

use super::scan::plain_prefix;

/// Resolves the escapes of a string that [`Reader`](super::Reader) accepted.
pub(super) fn unescape(bytes: &[u8]) -> String {
    // No escape is shorter than what it stands for.
    let mut text = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    loop {
        if rest.first() != Some(&b'\\') {
            let (plain, escape) = rest
                .split_at_checked(plain_prefix(rest))
                .unwrap_or((rest, &[]));
            text.extend_from_slice(plain);
            rest = escape;
        }
        let byte = match rest {
            [_, b'n', ..] => b'\n',
            [_, b'u', ..] => {
                let (c, length) = unescape_unicode(rest);
                text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                rest = rest.get(length..).unwrap_or_default();
                continue;
            }
            [_, b'b', ..] => 8,
            [_, b'f', ..] => 12,
            [_, b'r', ..] => b'\r',
            [_, b't', ..] => b'\t',
            [_, other, ..] => *other,
            _ => break,
        };
        text.push(byte);
        rest = rest.get(2..).unwrap_or_default();
    }
    // One check for the whole: piece by piece it would cost more than the rest of this.
    String::from_utf8(text)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// The character that starts with `\uXXXX`, and how many bytes it takes.
fn unescape_unicode(escape: &[u8]) -> (char, usize) {
    let first = code_unit(escape);
    if let Some(high @ 0xD800..=0xDBFF) = first
        && let Some(low @ 0xDC00..=0xDFFF) = escape.get(6..).and_then(code_unit)
    {
        let code = 0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00);
        return (
            char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER),
            12,
        );
    }
    let c = first
        .filter(|&code| code != 0)
        .and_then(char::from_u32)
        .unwrap_or(char::REPLACEMENT_CHARACTER);
    (c, 6)
}

/// The code unit of `\uXXXX` at the start.
fn code_unit(escape: &[u8]) -> Option<u32> {
    let Some([b'\\', b'u', digits @ ..]) = escape.first_chunk::<6>() else {
        return None;
    };
    let digits = u32::from_be_bytes(*digits);
    // Of a hexadecimal digit's byte the low four bits are the value, with 9 less where bit 6 says that it is
    // a letter. The scan let nothing else through.
    let values = (digits & 0x0f0f_0f0f) + ((digits >> 6) & 0x0101_0101) * 9;
    Some((values >> 12 & 0xf000) | (values >> 8 & 0x0f00) | (values >> 4 & 0x00f0) | (values & 0xf))
}
