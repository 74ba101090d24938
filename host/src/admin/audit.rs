//! The audit log in the admin API.

use super::api::{Shared, on_disk};
use super::error::AdminError;
use crate::registry::MAX_ENTRIES;
use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditQuery {
    #[serde(default = "default_tail")]
    tail: u32,
}

fn default_tail() -> u32 {
    100
}

/// The last entries, the oldest first.
pub(super) async fn read(
    State(config): Shared,
    Query(AuditQuery { tail }): Query<AuditQuery>,
) -> Result<Json<Value>, AdminError> {
    let registry = config.registry.clone();
    let entries = on_disk(move || registry.audit_log(tail.min(2 * MAX_ENTRIES))).await?;
    Ok(Json(json!({ "entries": entries })))
}
