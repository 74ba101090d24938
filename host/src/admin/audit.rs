//! The audit log in the admin API.

use super::api::Shared;
use super::error::AdminError;
use super::extract::InQuery;
use crate::registry::{AuditEntry, MAX_ENTRIES, on_disk};
use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditQuery {
    /// How many.
    #[serde(default = "default_tail")]
    tail: u32,
}

fn default_tail() -> u32 {
    100
}

/// Who did what.
#[derive(Serialize, JsonSchema)]
pub(super) struct Entries {
    /// The oldest first.
    entries: Vec<AuditEntry>,
}

/// The last entries, the oldest first.
pub(super) async fn read(
    State(config): Shared,
    InQuery(AuditQuery { tail }): InQuery<AuditQuery>,
) -> Result<Json<Entries>, AdminError> {
    let registry = config.registry.clone();
    let entries = on_disk(move || registry.audit_log(tail.min(2 * MAX_ENTRIES))).await?;
    Ok(Json(Entries { entries }))
}
