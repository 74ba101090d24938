//! Components in the admin API: sent once, known by their digest.

use super::answers::{Empty, IsThere, Stored};
use super::api::Shared;
use super::error::AdminError;
use super::extract::{InPath, Upload};
use crate::failpoint::fail_point;
use crate::registry::{Digest, RegistryError, io_error, on_disk};
use axum::extract::State;
use futures::StreamExt as _;
use sha2::{Digest as _, Sha256};
use std::io::Write as _;

/// Largest component that may be uploaded, in bytes.
const MAX_COMPONENT: u64 = 256 * 1024 * 1024;

pub(super) async fn has_component(
    State(config): Shared,
    InPath(digest): InPath<Digest>,
) -> Result<IsThere, AdminError> {
    Ok(IsThere(config.registry.component(&digest).is_some()))
}

/// Keeps a component under its digest, as it streams in. Sending one that the
/// host has costs nothing: `HEAD` tells.
pub(super) async fn upload(
    State(config): Shared,
    InPath(digest): InPath<Digest>,
    Upload(body): Upload,
) -> Result<Stored, AdminError> {
    let registry = config.registry.clone();
    let mut file = on_disk(move || registry.new_upload()).await?;
    let mut hash = Sha256::new();
    let mut size = 0;
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk
            .map_err(|error| AdminError::BadRequest(format!("the upload broke off: {error}")))?;
        size += chunk.len() as u64;
        if size > MAX_COMPONENT {
            return Err(AdminError::TooLarge(MAX_COMPONENT));
        }
        hash.update(&chunk);
        file = on_disk(move || {
            let path = file.path().to_owned();
            file.write_all(&chunk).map_err(io_error("write", &path))?;
            fail_point!("upload-write", io_error("write", &path));
            Ok::<_, RegistryError>(file)
        })
        .await?;
    }
    let found = Digest::from_hash(hash);
    if found != digest {
        return Err(AdminError::BadRequest(format!(
            "the component's SHA-256 is {found}, not {digest}: send it again"
        )));
    }
    let registry = config.registry.clone();
    on_disk(move || registry.publish_component(file, &digest)).await?;
    fail_point!("uploaded");
    Ok(Empty)
}
