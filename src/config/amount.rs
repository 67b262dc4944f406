//! Decimal amounts, kept exactly.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// One unit in millionths.
const UNIT: i64 = 1_000_000;

/// A decimal with at most 6 places, held as an integer of millionths: `0.1` is exactly 100 000 and never a float.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(i64);

impl Amount {
    /// From whole units: `whole(5)` is 5.000000.
    pub const fn whole(units: i64) -> Self {
        Self(units.saturating_mul(UNIT))
    }

    /// From millionths of a unit.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// In millionths of a unit.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// How many decimal places it takes to write the amount, 0 to 6.
    pub fn places(self) -> usize {
        self.to_string().split_once('.').map_or(0, |(_, fraction)| fraction.len())
    }
}

impl FromStr for Amount {
    type Err = &'static str;

    /// Reads `12`, `-0.5` or `100.000001`; no exponent, at most 6 places.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "must be a decimal number, such as 100 or 0.5";
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !all_digits(whole) || !all_digits(fraction) {
            return Err(WRONG);
        }
        if fraction.len() > 6 {
            return Err("must have at most 6 decimal places");
        }
        let whole: i64 = whole.parse().map_err(|_| "is too large")?;
        let fraction: i64 = format!("{fraction:0<6}").parse().map_err(|_| WRONG)?;
        let micros = whole.checked_mul(UNIT).and_then(|micros| micros.checked_add(fraction)).ok_or("is too large")?;
        Ok(Self(sign * micros))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, fraction) =
            (self.0.unsigned_abs() / UNIT.unsigned_abs(), self.0.unsigned_abs() % UNIT.unsigned_abs());
        if fraction == 0 {
            return write!(f, "{sign}{whole}");
        }
        write!(f, "{sign}{whole}.{}", format!("{fraction:06}").trim_end_matches('0'))
    }
}

impl Serialize for Amount {
    /// A JSON number. Configured amounts stay below 10^9, where 6 places survive the way through a double.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 % UNIT == 0 {
            serializer.serialize_i64(self.0 / UNIT)
        } else {
            serializer.serialize_f64(self.0 as f64 / UNIT as f64)
        }
    }
}

impl<'de> Deserialize<'de> for Amount {
    /// From the decimal text, so that nothing passes through a float.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
