//! What functions wrote, in the admin API.

use super::api::{Shared, parse_name};
use super::deploy::DeployError;
use super::error::AdminError;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;
use futures::stream;
use http::header;
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogsQuery {
    #[serde(default = "default_tail")]
    tail: usize,
    #[serde(default)]
    follow: bool,
}

fn default_tail() -> usize {
    100
}

/// A function's log lines, one JSON object a line.
pub(super) async fn read(
    State(config): Shared,
    Path(name): Path<String>,
    Query(query): Query<LogsQuery>,
) -> Result<Response, AdminError> {
    let name = parse_name(&name)?;
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
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

fn to_json_line(line: crate::telemetry::LogLine) -> Result<Vec<u8>, serde_json::Error> {
    let mut json = serde_json::to_vec(&line)?;
    json.push(b'\n');
    Ok(json)
}
