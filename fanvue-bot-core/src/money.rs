//! Money, in whole cents.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An amount in hundredths: of a US dollar, as Fanvue's API states prices, unless a [`Currency`] beside it names
/// another. It reads as dollars.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Cents(i64);

impl Cents {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// This many cents; negative for money that went back.
    #[must_use]
    pub const fn new(cents: i64) -> Self {
        Self(cents)
    }

    /// The number of cents.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Cents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let cents = self.0.unsigned_abs();
        write!(f, "{sign}${}.{:02}", cents / 100, cents % 100)
    }
}

/// A currency, by its code of three letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Currency([u8; 3]);

impl Currency {
    /// The US dollar, in which Fanvue states prices.
    pub const USD: Self = Self(*b"USD");
    /// No currency that is known: what [`from_wire`](Self::from_wire) makes of anything else than a code. `XXX` is
    /// the code of ISO 4217 for that.
    pub const UNKNOWN: Self = Self(*b"XXX");

    /// The currency that Fanvue names, in letters of either case.
    #[must_use]
    pub fn from_wire(name: &str) -> Self {
        Self::from_code(&name.trim().to_ascii_uppercase()).unwrap_or(Self::UNKNOWN)
    }

    /// The currency of this code of three capital letters.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        let code = <[u8; 3]>::try_from(code.as_bytes()).ok()?;
        code.iter()
            .all(u8::is_ascii_uppercase)
            .then_some(Self(code))
    }

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only capital letters get in, so there is always a text.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Currency({self})")
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.as_str().to_owned()
    }
}

impl TryFrom<String> for Currency {
    type Error = &'static str;

    fn try_from(code: String) -> Result<Self, Self::Error> {
        Self::from_code(&code).ok_or("a currency must be a code of three capital letters")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn currencies_are_codes() {
        assert_eq!(Currency::from_wire(" usd "), Currency::USD);
        for odd in ["", "US", "DOLLAR", "U$D", "\u{e9}a"] {
            assert_eq!(Currency::from_wire(odd), Currency::UNKNOWN, "{odd}");
            assert!(serde_json::from_str::<Currency>(&format!("\"{odd}\"")).is_err());
        }
        let json = serde_json::to_string(&Currency::USD).unwrap();
        assert_eq!(json, "\"USD\"");
        assert_eq!(
            serde_json::from_str::<Currency>(&json).unwrap(),
            Currency::USD
        );
    }

    #[test]
    fn cents_read_as_dollars() {
        assert_eq!(Cents::new(305).to_string(), "$3.05");
        assert_eq!(Cents::new(-5).to_string(), "-$0.05");
    }
}
