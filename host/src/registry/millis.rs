//! Moments in the database, whose integers are signed.

use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

/// Milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Millis(pub(super) u64);

impl ToSql for Millis {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(i64::try_from(self.0).unwrap_or(i64::MAX).into())
    }
}

impl FromSql for Millis {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        // Nothing is older than the epoch.
        Ok(Self(i64::column_result(value)?.try_into().unwrap_or(0)))
    }
}
