//! Tokens in the admin API: made, listed, removed.

use super::api::{Shared, on_disk};
use super::auth::Done;
use super::error::AdminError;
use super::functions::parse;
use crate::registry::{Scope, TimeLimit, TokenName};
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) async fn list(State(config): Shared) -> Result<Json<Value>, AdminError> {
    let registry = config.registry.clone();
    let tokens = on_disk(move || registry.tokens()).await?;
    Ok(Json(json!({ "tokens": tokens })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewToken {
    name: TokenName,
    scope: Scope,
    expires_in: Option<TimeLimit>,
}

/// Makes a token. This answer is the only place where it ever stands.
pub(super) async fn create(
    State(config): Shared,
    body: Bytes,
) -> Result<impl axum::response::IntoResponse, AdminError> {
    let NewToken {
        name,
        scope,
        expires_in,
    } = parse(&body)?;
    let registry = config.registry.clone();
    let lives = expires_in.map(TimeLimit::as_duration);
    let made = on_disk(move || registry.create_token(&name, scope, lives));
    let (text, token) = made.await?;
    let done = Done {
        target: Some(token.id.to_string()),
        detail: Some(format!("{}, scope {scope}", token.name)),
    };
    let mut answer = json!(token);
    answer["token"] = json!(*text);
    let headers = [(header::CACHE_CONTROL, "no-store")];
    Ok((StatusCode::CREATED, headers, Extension(done), Json(answer)))
}

pub(super) async fn remove(
    State(config): Shared,
    Path(id): Path<String>,
) -> Result<(StatusCode, Extension<Done>), AdminError> {
    let parsed = id.parse();
    let id: u32 = parsed.map_err(|_| AdminError::UnknownToken(id))?;
    let registry = config.registry.clone();
    let removed = on_disk(move || registry.remove_token(id)).await?;
    let token = removed.ok_or_else(|| AdminError::UnknownToken(id.to_string()))?;
    let done = Done {
        target: None,
        detail: Some(format!("{}, scope {}", token.name, token.scope)),
    };
    Ok((StatusCode::NO_CONTENT, Extension(done)))
}
