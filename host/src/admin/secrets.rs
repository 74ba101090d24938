//! Secrets of functions: set and removed, never read.

use super::api::{Shared, on_disk, parse_name};
use super::deploy::{self, DeployError, Deployer};
use super::error::AdminError;
use crate::names::FunctionName;
use crate::registry::{Manifest, SecretError, SecretValue, Secrets, VarName};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

impl Deployer {
    /// Sets a secret. Requests from now on see it; what is running ends with
    /// what it began with.
    ///
    /// # Errors
    ///
    /// When the host's key is not the right one, or the store fails.
    pub async fn set_secret(
        self: &Arc<Self>,
        function: FunctionName,
        name: VarName,
        value: SecretValue,
    ) -> Result<(), DeployError> {
        self.changing(move |deployer| async move {
            let registry = deployer.registry.clone();
            let of = function.clone();
            deploy::on_disk(move || registry.set_secret(&of, &name, &value)).await?;
            deployer.instances.renew(&function).await;
            Ok(())
        })
        .await
    }

    /// Forgets a secret; false if there was none.
    ///
    /// # Errors
    ///
    /// When a version that gets traffic needs it, or the store fails.
    pub async fn remove_secret(
        self: &Arc<Self>,
        function: FunctionName,
        name: VarName,
    ) -> Result<bool, DeployError> {
        self.changing(move |deployer| async move {
            if let Some(now) = deployer.routes.get(&function) {
                let mut versions = now.versions().iter();
                let needing = versions.find(|it| it.version.manifest.secrets.contains(&name));
                if let Some(needing) = needing {
                    return Err(DeployError::SecretNeeded(name, needing.version.id.clone()));
                }
            }
            let registry = deployer.registry.clone();
            let of = function.clone();
            let removed = deploy::on_disk(move || registry.remove_secret(&of, &name)).await?;
            // A version without traffic, which somebody asked for by number,
            // may have known it.
            deployer.instances.renew(&function).await;
            Ok(removed)
        })
        .await
    }

    /// The secrets that a manifest names, open.
    ///
    /// # Errors
    ///
    /// When one is not set, or does not open.
    pub(super) async fn secrets(&self, manifest: &Manifest) -> Result<Secrets, DeployError> {
        let registry = self.registry.clone();
        let (function, names) = (manifest.name.clone(), manifest.secrets.clone());
        Ok(deploy::on_disk(move || registry.open_secrets(&function, &names)).await?)
    }
}

pub(super) async fn list(
    State(config): Shared,
    Path(function): Path<String>,
) -> Result<Json<Value>, AdminError> {
    let function = parse_name(&function)?;
    let registry = config.registry.clone();
    let secrets = on_disk(move || registry.secrets(&function)).await?;
    Ok(Json(json!({ "secrets": secrets })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewSecret {
    value: String,
}

pub(super) async fn set(
    State(config): Shared,
    Path((function, key)): Path<(String, String)>,
    body: Bytes,
) -> Result<StatusCode, AdminError> {
    let (function, name) = parse_names(&function, key)?;
    // A parser's message would quote what it did not understand.
    let Ok(NewSecret { value }) = serde_json::from_slice(&body) else {
        let message = "the request is not valid: send {\"value\": \"…\"}";
        return Err(AdminError::BadRequest(message.to_owned()));
    };
    let value = SecretValue::new(value);
    config.deployer.set_secret(function, name, value).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn remove(
    State(config): Shared,
    Path((function, key)): Path<(String, String)>,
) -> Result<StatusCode, AdminError> {
    let (function, name) = parse_names(&function, key)?;
    let removing = config
        .deployer
        .remove_secret(function.clone(), name.clone());
    if removing.await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    let unset = SecretError::Unknown { function, name };
    Err(AdminError::Deploy(DeployError::Registry(unset.into())))
}

fn parse_names(function: &str, key: String) -> Result<(FunctionName, VarName), AdminError> {
    let name = VarName::try_from(key).map_err(AdminError::BadRequest)?;
    Ok((parse_name(function)?, name))
}
