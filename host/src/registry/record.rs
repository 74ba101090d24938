//! Rows of the database, and what they mean.

use super::{Canary, Cause, Deployment, Limits, Manifest, RegistryError, Split, Version};
use crate::names::VersionId;
use rusqlite::Row;

/// Why a record makes no sense.
type Reason = Box<dyn std::error::Error + Send + Sync>;

/// A row of `versions`, as it lies in the database.
pub(super) struct VersionRecord {
    function: String,
    number: u32,
    component: String,
    manifest: String,
    description: String,
    created_at_ms: i64,
}

impl VersionRecord {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            function: row.get("function")?,
            number: row.get("number")?,
            component: row.get("component")?,
            manifest: row.get("manifest")?,
            description: row.get("description")?,
            created_at_ms: row.get("created_at")?,
        })
    }

    pub(super) fn decode(self, maxima: &Limits) -> Result<Version, RegistryError> {
        let decode = || -> Result<Version, Reason> {
            let manifest: Manifest = serde_json::from_str(&self.manifest)?;
            Ok(Version {
                id: VersionId::new(self.function.parse()?, self.number),
                component: self.component.parse()?,
                limits: manifest.limits.clamped(maxima),
                manifest,
                description: serde_json::from_str(&self.description)?,
                created_at_ms: u64::try_from(self.created_at_ms)?,
            })
        };
        decode().map_err(|source| RegistryError::Damaged {
            version: format!("{}@{}", self.function, self.number),
            source,
        })
    }
}

/// A row of `deployments`, as it lies in the database.
pub(super) struct DeploymentRecord {
    function: String,
    revision: u32,
    split: String,
    cause: String,
    before: Option<u32>,
    canary: Option<String>,
    created_at_ms: i64,
}

impl DeploymentRecord {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            function: row.get("function")?,
            revision: row.get("revision")?,
            split: row.get("split")?,
            cause: row.get("cause")?,
            before: row.get("before")?,
            canary: row.get("canary")?,
            created_at_ms: row.get("created_at")?,
        })
    }

    pub(super) fn decode(self) -> Result<Deployment, RegistryError> {
        let decode = || -> Result<Deployment, Reason> {
            let split: Split = serde_json::from_str(&self.split)?;
            let canary: Option<Canary> = self
                .canary
                .as_deref()
                .map(serde_json::from_str)
                .transpose()?;
            Ok(Deployment {
                function: self.function.parse()?,
                revision: self.revision,
                split,
                cause: serde_json::from_value::<Cause>(self.cause.as_str().into())?,
                before: self.before,
                canary,
                created_at_ms: u64::try_from(self.created_at_ms)?,
            })
        };
        decode().map_err(|source| RegistryError::Damaged {
            version: format!("deployment {} of {}", self.revision, self.function),
            source,
        })
    }
}
