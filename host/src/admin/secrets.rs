//! Secrets of functions: set and removed, never read.

use super::answers::{Empty, Gone};
use super::api::Shared;
use super::deploy::{DeployError, Deployer};
use super::error::AdminError;
use super::extract::{InPath, InSecretBody};
use crate::names::FunctionName;
use crate::registry::{Manifest, SecretError, SecretInfo, SecretValue, Secrets, VarName, on_disk};
use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
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
            on_disk(move || registry.set_secret(&of, &name, &value)).await?;
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
            let removed = on_disk(move || registry.remove_secret(&of, &name)).await?;
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
        Ok(on_disk(move || registry.open_secrets(&function, &names)).await?)
    }
}

/// The secrets of a function.
#[derive(Serialize, JsonSchema)]
pub(super) struct Listed {
    /// Never their values.
    secrets: Vec<SecretInfo>,
}

pub(super) async fn list(
    State(config): Shared,
    InPath(function): InPath<FunctionName>,
) -> Result<Json<Listed>, AdminError> {
    let registry = config.registry.clone();
    let secrets = on_disk(move || registry.secrets(&function)).await?;
    Ok(Json(Listed { secrets }))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSecret {
    /// What only the function sees.
    value: String,
}

pub(super) async fn set(
    State(config): Shared,
    InPath(function): InPath<FunctionName>,
    InPath(name): InPath<VarName>,
    InSecretBody(NewSecret { value }): InSecretBody<NewSecret>,
) -> Result<Gone, AdminError> {
    let value = SecretValue::new(value);
    config.deployer.set_secret(function, name, value).await?;
    Ok(Empty)
}

pub(super) async fn remove(
    State(config): Shared,
    InPath(function): InPath<FunctionName>,
    InPath(name): InPath<VarName>,
) -> Result<Gone, AdminError> {
    let removing = config
        .deployer
        .remove_secret(function.clone(), name.clone());
    if removing.await? {
        return Ok(Empty);
    }
    let unset = SecretError::Unknown { function, name };
    Err(AdminError::Deploy(DeployError::Registry(unset.into())))
}
