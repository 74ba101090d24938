//! Tokens in the admin API: made, listed, removed.

use super::answers::{Audited, Created, Empty, Gone, Unkept};
use super::api::Shared;
use super::auth::Done;
use super::error::AdminError;
use super::extract::{InBody, InPath, PathPart};
use crate::registry::{Scope, TimeLimit, Token, TokenName, on_disk};
use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::str::FromStr;

/// What is known of the tokens.
#[derive(Serialize, JsonSchema)]
pub(super) struct Tokens {
    tokens: Vec<Token>,
}

pub(super) async fn list(State(config): Shared) -> Result<Json<Tokens>, AdminError> {
    let registry = config.registry.clone();
    let tokens = on_disk(move || registry.tokens()).await?;
    Ok(Json(Tokens { tokens }))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewToken {
    /// What it is called, for people.
    name: TokenName,
    /// What it may do.
    scope: Scope,
    /// How long it opens something; for ever, if this is left out.
    expires_in: Option<TimeLimit>,
}

/// A token that was just made.
#[derive(Serialize, JsonSchema)]
pub(super) struct Made {
    #[serde(flatten)]
    known: Token,
    /// The token itself. This answer is the only place where it ever stands.
    token: String,
}

pub(super) async fn create(
    State(config): Shared,
    InBody(request): InBody<NewToken>,
) -> Result<Audited<Unkept<Created<Made>>>, AdminError> {
    let NewToken {
        name,
        scope,
        expires_in,
    } = request;
    let registry = config.registry.clone();
    let lives = expires_in.map(TimeLimit::as_duration);
    let made = on_disk(move || registry.create_token(&name, scope, lives));
    let (text, known) = made.await?;
    let done = Done {
        target: Some(known.id.to_string()),
        detail: Some(format!("{}, scope {scope}", known.name)),
    };
    let token = String::clone(&text);
    Ok(Audited(done, Unkept(Created(Made { known, token }))))
}

/// The number of a token, as it stands in a path. What is no number is the
/// number of no token.
#[derive(JsonSchema)]
#[schemars(transparent)]
pub(super) struct TokenId(#[schemars(with = "u32")] String);

impl FromStr for TokenId {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl PathPart for TokenId {
    const NAME: &str = "id";
}

pub(super) async fn remove(
    State(config): Shared,
    InPath(TokenId(id)): InPath<TokenId>,
) -> Result<Audited<Gone>, AdminError> {
    let parsed = id.parse();
    let id: u32 = parsed.map_err(|_| AdminError::UnknownToken(id))?;
    let registry = config.registry.clone();
    let removed = on_disk(move || registry.remove_token(id)).await?;
    let token = removed.ok_or_else(|| AdminError::UnknownToken(id.to_string()))?;
    let done = Done {
        target: None,
        detail: Some(format!("{}, scope {}", token.name, token.scope)),
    };
    Ok(Audited(done, Empty))
}
