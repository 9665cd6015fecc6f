//! The signature header's grammar.

use super::SignatureError;
use crate::time::Timestamp;

/// A SHA-256 output.
pub(super) type Mac = [u8; 32];

/// More `v0` values than any rotation needs; each costs a comparison.
const MOST_MACS: usize = 4;

/// A header that has the right form, not yet compared with anything.
#[derive(Debug)]
pub(super) struct Header<'a> {
    /// `None` for `sha256=…`, which has no time.
    pub(super) signed: Option<SignedAt<'a>>,
    /// `v0=…`, or the one of `sha256=…`.
    pub(super) macs: Macs,
}

/// `t=…`.
#[derive(Debug, Clone, Copy)]
pub(super) struct SignedAt<'a> {
    /// The digits as they stand, since these are what is signed.
    pub(super) digits: &'a [u8],
    pub(super) time: Timestamp,
}

/// The `v0` values.
#[derive(Debug, Default)]
pub(super) struct Macs {
    macs: [Mac; MOST_MACS],
    count: usize,
}

impl Macs {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Mac> {
        self.macs.iter().take(self.count)
    }

    fn push(&mut self, mac: Mac) -> Option<()> {
        *self.macs.get_mut(self.count)? = mac;
        self.count += 1;
        Some(())
    }
}

impl<'a> Header<'a> {
    /// Reads the header. Fails closed: one time exactly, at least one `v0`, and every `v0` well formed.
    pub(super) fn read(value: &'a [u8]) -> Result<Self, SignatureError> {
        let value = value.trim_ascii();
        if value.is_empty() {
            return Err(SignatureError::Missing);
        }
        let header = match value.strip_prefix(b"sha256=") {
            Some(hex) => Self::timeless(hex),
            None => Self::timed(value),
        };
        header.ok_or(SignatureError::Malformed)
    }

    fn timeless(hex: &[u8]) -> Option<Self> {
        let mut macs = Macs::default();
        macs.push(mac(hex)?)?;
        Some(Self { signed: None, macs })
    }

    fn timed(value: &'a [u8]) -> Option<Self> {
        let mut signed = None;
        let mut macs = Macs::default();
        let mut rest = value;
        loop {
            rest = rest.trim_ascii_start();
            if let Some(hex) = rest.strip_prefix(b"v0=") {
                let (hex, after) = hex.split_at_checked(64)?;
                macs.push(mac(hex)?)?;
                rest = after;
            } else {
                let (part, after) = rest.split_at(comma(rest));
                if let Some(digits) = part.strip_prefix(b"t=") {
                    let digits = digits.trim_ascii_end();
                    if signed.is_some() {
                        return None;
                    }
                    signed = Some(SignedAt {
                        digits,
                        time: seconds(digits)?,
                    });
                }
                rest = after;
            }
            match rest.trim_ascii_start() {
                [] => break,
                [b',', after @ ..] => rest = after,
                _ => return None,
            }
        }
        (signed.is_some() && macs.count > 0).then_some(Self { signed, macs })
    }
}

fn comma(text: &[u8]) -> usize {
    let found = text.iter().position(|&byte| byte == b',');
    found.unwrap_or(text.len())
}

/// Digits alone, and few enough for microseconds to fit.
fn seconds(digits: &[u8]) -> Option<Timestamp> {
    if digits.is_empty() || digits.len() > 12 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let seconds = digits
        .iter()
        .fold(0_i64, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    Some(Timestamp::from_seconds(seconds))
}

/// Lower case only: the scheme writes no other, and two spellings of one signature help nobody.
fn mac(hex: &[u8]) -> Option<Mac> {
    let hex: &[u8; 64] = hex.try_into().ok()?;
    let (pairs, _) = hex.as_chunks::<2>();
    let mut mac = Mac::default();
    let mut seen = 0;
    for (byte, &[high, low]) in mac.iter_mut().zip(pairs) {
        let (high, low) = (NIBBLES[usize::from(high)], NIBBLES[usize::from(low)]);
        seen |= high | low;
        *byte = (high << 4) | (low & 0xf);
    }
    (seen <= 0xf).then_some(mac)
}

/// The value of each lower-case hex digit, and 0xff for every other byte.
const NIBBLES: [u8; 256] = {
    let mut table = [0xff; 256];
    let digits = b"0123456789abcdef";
    let mut value = 0;
    while value < 16 {
        table[digits[value as usize] as usize] = value;
        value += 1;
    }
    table
};
