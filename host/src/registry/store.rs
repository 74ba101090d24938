//! The interface of a store. There is one, in the data directory; hosts that share
//! theirs will have another.

use super::{Change, Deployment, Digest, RegistryError, Version};
use crate::names::{FunctionName, VersionId};
use std::fmt;

/// A function's deployment in force with the versions that it names.
pub type InForce = (Deployment, Vec<Version>);

/// Where versions are kept, and who got traffic when: what all hosts of one
/// function must agree on. Components and what is compiled from them lie in
/// files, tokens and secrets in the host's own database.
///
/// Calls may wait for a disk or a network: make them off the event loops.
pub trait Store: fmt::Debug + Send + Sync {
    /// The version that a function's next deployment makes. A number is never
    /// given twice, not even after the function was removed.
    ///
    /// # Errors
    ///
    /// When the store fails.
    fn next_version(&self, function: &FunctionName) -> Result<VersionId, RegistryError>;

    /// Records a new version and the deployment that gives it traffic, in one
    /// transaction.
    ///
    /// # Errors
    ///
    /// When the store fails; then nothing has changed.
    fn deploy(&self, version: &Version, change: Change) -> Result<Deployment, RegistryError>;

    /// Records other weights for versions that are kept.
    ///
    /// # Errors
    ///
    /// When the store fails; then nothing has changed.
    fn redeploy(
        &self,
        function: &FunctionName,
        change: Change,
    ) -> Result<Deployment, RegistryError>;

    /// What every function's traffic is to be, with the versions. A damaged
    /// record is an error of its own in the list: it takes no other function
    /// down.
    ///
    /// # Errors
    ///
    /// When the store fails.
    fn in_force(&self) -> Result<Vec<Result<InForce, RegistryError>>, RegistryError>;

    /// A function's deployments, the one in force first.
    ///
    /// # Errors
    ///
    /// When the store fails or a record is damaged.
    fn deployments(&self, function: &FunctionName) -> Result<Vec<Deployment>, RegistryError>;

    /// One deployment, if it is kept.
    ///
    /// # Errors
    ///
    /// As [`Self::deployments`].
    fn deployment(
        &self,
        function: &FunctionName,
        revision: u32,
    ) -> Result<Option<Deployment>, RegistryError> {
        let mut all = self.deployments(function)?.into_iter();
        Ok(all.find(|deployment| deployment.revision == revision))
    }

    /// A function's versions, the newest first.
    ///
    /// # Errors
    ///
    /// When the store fails or a record is damaged.
    fn versions(&self, function: &FunctionName) -> Result<Vec<Version>, RegistryError>;

    /// One version, if it is kept.
    ///
    /// # Errors
    ///
    /// When the store fails or the record is damaged.
    fn version(&self, id: &VersionId) -> Result<Option<Version>, RegistryError>;

    /// Forgets a function's versions beyond the newest `keep`, but none that
    /// gets traffic or that a rollback would give it back to. Returns those
    /// forgotten.
    ///
    /// # Errors
    ///
    /// When the store fails; then nothing has changed.
    fn prune(&self, function: &FunctionName, keep: usize) -> Result<Vec<Version>, RegistryError>;

    /// Forgets a function, its versions and its secrets; returns the components
    /// of the versions.
    ///
    /// # Errors
    ///
    /// When the store fails; then nothing has changed.
    fn remove(&self, function: &FunctionName) -> Result<Vec<Digest>, RegistryError>;

    /// Whether a version was made from this component.
    ///
    /// # Errors
    ///
    /// When the store fails.
    fn is_used(&self, component: &Digest) -> Result<bool, RegistryError>;
}
