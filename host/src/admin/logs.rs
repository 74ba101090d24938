//! What functions wrote, in the admin API.

use super::answers::Lines;
use super::api::Shared;
use super::deploy::DeployError;
use super::error::AdminError;
use super::extract::{InPath, InQuery};
use crate::names::FunctionName;
use crate::telemetry::LogLine;
use axum::body::Body;
use axum::extract::State;
use futures::StreamExt as _;
use futures::stream;
use schemars::JsonSchema;
use serde::Deserialize;
use std::marker::PhantomData;
use tokio::sync::broadcast::error::RecvError;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LogsQuery {
    /// How many of the latest lines come first.
    #[serde(default = "default_tail")]
    tail: usize,
    /// Whether the answer goes on as lines come.
    #[serde(default)]
    follow: bool,
}

fn default_tail() -> usize {
    100
}

/// A function's log lines, one JSON object a line.
pub(super) async fn read(
    State(config): Shared,
    InPath(name): InPath<FunctionName>,
    InQuery(query): InQuery<LogsQuery>,
) -> Result<Lines<LogLine>, AdminError> {
    if config.routes.get(&name).is_none() {
        return Err(DeployError::UnknownFunction(name).into());
    }
    let (lines, followed) = config.logs.read(&name, query.tail);
    let lines = stream::iter(lines);
    let body = if query.follow {
        let followed = stream::unfold((followed, name), |(mut followed, name)| async move {
            loop {
                match followed.recv().await {
                    Ok(line) if line.function == name => return Some((line, (followed, name))),
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                }
            }
        });
        Body::from_stream(lines.chain(followed).map(to_json_line))
    } else {
        Body::from_stream(lines.map(to_json_line))
    };
    Ok(Lines(body, PhantomData))
}

fn to_json_line(line: LogLine) -> Result<Vec<u8>, serde_json::Error> {
    let mut json = serde_json::to_vec(&line)?;
    json.push(b'\n');
    Ok(json)
}
