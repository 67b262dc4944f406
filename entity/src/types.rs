//! Column types that behave alike on SQLite and MySQL.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use sea_orm::{
    ColIdx, ColumnType, DbErr, QueryResult, TryGetError, TryGetable, Value,
    sea_query::{ArrayType, Nullable, StringLen, ValueType, ValueTypeErr},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A moment in UTC: milliseconds since 1970-01-01T00:00:00Z. BIGINT in the database, RFC 3339 with milliseconds
/// on the wire (`2026-11-21T04:31:00.000Z`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UtcMillis(pub i64);

impl UtcMillis {
    /// This moment and `millis` more.
    #[must_use]
    pub fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// This moment and `seconds` more.
    #[must_use]
    pub fn plus_seconds(self, seconds: i64) -> Self {
        self.plus_millis(seconds.saturating_mul(1000))
    }

    /// Whole seconds from now until this moment, rounded up, never below zero: for `Retry-After`.
    #[must_use]
    pub fn seconds_after(self, now: Self) -> i64 {
        self.0.saturating_sub(now.0).max(0).saturating_add(999) / 1000
    }

    /// As chrono's type. Moments outside chrono's range (year 262142) become the epoch.
    #[must_use]
    pub fn to_datetime(self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.0).unwrap_or_default()
    }
}

impl From<DateTime<Utc>> for UtcMillis {
    fn from(time: DateTime<Utc>) -> Self {
        Self(time.timestamp_millis())
    }
}

impl fmt::Display for UtcMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_datetime().to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl Serialize for UtcMillis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for UtcMillis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time = DateTime::parse_from_rfc3339(&text).map_err(|_| {
            de::Error::invalid_value(de::Unexpected::Str(&text), &"a time such as 2026-11-21T04:31:00.000Z")
        })?;
        Ok(time.with_timezone(&Utc).into())
    }
}

impl From<UtcMillis> for Value {
    fn from(time: UtcMillis) -> Self {
        Self::BigInt(Some(time.0))
    }
}

impl TryGetable for UtcMillis {
    fn try_get_by<I: ColIdx>(row: &QueryResult, index: I) -> Result<Self, TryGetError> {
        i64::try_get_by(row, index).map(Self)
    }
}

impl ValueType for UtcMillis {
    fn try_from(value: Value) -> Result<Self, ValueTypeErr> {
        <i64 as ValueType>::try_from(value).map(Self)
    }

    fn type_name() -> String {
        "UtcMillis".to_owned()
    }

    fn array_type() -> ArrayType {
        ArrayType::BigInt
    }

    fn column_type() -> ColumnType {
        ColumnType::BigInteger
    }
}

impl Nullable for UtcMillis {
    fn null() -> Value {
        Value::BigInt(None)
    }
}

/// Text compared byte by byte on both databases: case, accents and trailing blanks count. VARBINARY on MySQL,
/// TEXT with BINARY collation on SQLite.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteText(pub String);

impl ByteText {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for ByteText {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for ByteText {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<ByteText> for Value {
    fn from(text: ByteText) -> Self {
        Self::String(Some(text.0))
    }
}

impl TryGetable for ByteText {
    fn try_get_by<I: ColIdx>(row: &QueryResult, index: I) -> Result<Self, TryGetError> {
        let bytes = Vec::<u8>::try_get_by(row, index)?;
        String::from_utf8(bytes)
            .map(Self)
            .map_err(|_| TryGetError::DbErr(DbErr::Type("a text column holds bytes that are not UTF-8".to_owned())))
    }
}

impl ValueType for ByteText {
    fn try_from(value: Value) -> Result<Self, ValueTypeErr> {
        <String as ValueType>::try_from(value).map(Self)
    }

    fn type_name() -> String {
        "ByteText".to_owned()
    }

    fn array_type() -> ArrayType {
        ArrayType::String
    }

    fn column_type() -> ColumnType {
        ColumnType::String(StringLen::N(191))
    }
}

impl Nullable for ByteText {
    fn null() -> Value {
        Value::String(None)
    }
}

/// Needed for a place in a composite primary key; no number becomes a text.
impl sea_orm::TryFromU64 for ByteText {
    fn try_from_u64(_: u64) -> Result<Self, DbErr> {
        Err(DbErr::ConvertFromU64("ByteText"))
    }
}
