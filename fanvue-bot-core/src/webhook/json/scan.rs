//! Where a string ends: the next byte that means something in it.

/// How many bytes from the start are neither a quote, a backslash nor a control character.
///
/// Goes in chunks, whose test the compiler turns into vector comparisons, then in words, then in bytes.
#[inline]
pub(super) fn plain_prefix(bytes: &[u8]) -> usize {
    let mut at = 0;
    // Where texts have escapes or line breaks, the next special byte is near.
    let near = bytes.get(..bytes.len().min(32)).unwrap_or_default();
    let (words, _) = near.as_chunks::<8>();
    for word in words {
        match first_special(*word) {
            Some(index) => return at + index,
            None => at += 8,
        }
    }
    let (chunks, _) = bytes.get(at..).unwrap_or_default().as_chunks::<16>();
    for chunk in chunks {
        if chunk
            .iter()
            .fold(false, |found, &byte| found | is_special(byte))
        {
            break;
        }
        at += 16;
    }
    let (words, tail) = bytes.get(at..).unwrap_or_default().as_chunks::<8>();
    for word in words {
        match first_special(*word) {
            Some(index) => return at + index,
            None => at += 8,
        }
    }
    let special = tail.iter().position(|&byte| is_special(byte));
    at + special.unwrap_or(tail.len())
}

/// The index of the first special byte of eight.
#[inline]
pub(super) fn first_special(word: [u8; 8]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    let word = u64::from_le_bytes(word);
    // A byte below 0x80 borrows, and so sets its high bit, exactly when it matches: with 2 flipped, quotes
    // (0x22) and control characters (below 0x20) are what is below 0x21. The borrow reaches only bytes
    // after the first match.
    let quote_or_control = (word ^ (ONES * 2)).wrapping_sub(ONES * 0x21);
    let backslash = (word ^ (ONES * 0x5c)).wrapping_sub(ONES);
    let found = (quote_or_control | backslash) & !word & (ONES << 7);
    (found != 0).then(|| usize::from(u8::try_from(found.trailing_zeros() / 8).unwrap_or(0)))
}

#[inline]
const fn is_special(byte: u8) -> bool {
    // No short circuit: this has to vectorize.
    (byte == b'"') | (byte == b'\\') | (byte < 0x20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_fast_scan_finds_the_first_special_byte(bytes in prop::collection::vec(32_u8.., 0..200), special in 0_usize..400) {
            let mut bytes = bytes;
            if let Some(byte) = bytes.get_mut(special) {
                *byte = b"\"\\\n"[special % 3];
            }
            let slow = bytes.iter().position(|&b| b == b'"' || b == b'\\' || b < 0x20);
            prop_assert_eq!(plain_prefix(&bytes), slow.unwrap_or(bytes.len()));
        }
    }
}
