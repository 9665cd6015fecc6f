//! Writing JSON text straight into a buffer.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Appends `text` as a JSON string, quotes included.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    escaped(out, text);
    out.push(b'"');
}

/// Appends `text` as the inside of a JSON string.
///
/// Prompts are long and rarely hold anything to escape, so eight bytes are looked at together and
/// untouched runs are copied in one piece.
pub(crate) fn escaped(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    loop {
        let (plain, special) = rest.split_at(plain_prefix(rest));
        out.extend_from_slice(plain);
        let Some((&byte, after)) = special.split_first() else {
            return;
        };
        escape(out, byte);
        rest = after;
    }
}

/// How many bytes from the start need no escape.
fn plain_prefix(bytes: &[u8]) -> usize {
    let (words, tail) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let found = specials(u64::from_le_bytes(*word));
        if found != 0 {
            let within = usize::try_from(found.trailing_zeros() / 8).unwrap_or(0);
            return index * 8 + within;
        }
    }
    let in_tail = tail
        .iter()
        .position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\');
    bytes.len() - tail.len() + in_tail.unwrap_or(tail.len())
}

/// The high bits of those of eight bytes that are a control character, a quote or a backslash. The
/// lowest bit that is set is exact; ones above it may be the work of a borrow.
const fn specials(word: u64) -> u64 {
    let quote = word ^ (ONES * 0x22);
    let backslash = word ^ (ONES * 0x5c);
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    let quote = quote.wrapping_sub(ONES) & !quote;
    let backslash = backslash.wrapping_sub(ONES) & !backslash;
    (control | quote | backslash) & HIGHS
}

fn escape(out: &mut Vec<u8>, byte: u8) {
    const HEX: [u8; 16] = *b"0123456789abcdef";
    let short = match byte {
        b'"' => b'"',
        b'\\' => b'\\',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => {
            out.extend_from_slice(b"\\u00");
            for digit in [byte >> 4, byte & 15] {
                out.push(HEX.get(usize::from(digit)).copied().unwrap_or(b'0'));
            }
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str) {
        let mut out = Vec::new();
        string(&mut out, text);
        assert_eq!(out, serde_json::to_vec(text).unwrap(), "{text:?}");
    }

    #[test]
    fn every_single_character_is_written_as_serde_json_writes_it() {
        for char in (0..0x500).filter_map(char::from_u32) {
            for before in 0..9 {
                check(&format!("{}{char}abcdefghi", "x".repeat(before)));
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_is_written_as_serde_json_writes_it(text in any::<String>()) {
            check(&text);
        }

        #[test]
        fn text_full_of_escapes_is_written_as_serde_json_writes_it(text in "[a\"\\\\\n\u{1}ü🌶]{0,40}") {
            check(&text);
        }
    }
}
