//! Functions in service, for tests.

use super::in_service::Ready;
use crate::names::VersionId;
use crate::registry::{
    Cause, Deployment, Description, Digest, Interface, Manifest, Split, Version,
};
use std::sync::Arc;

/// A version that answers everything.
pub(super) fn ready(manifest: &Manifest, number: u32) -> Ready {
    let version = Version {
        id: VersionId::new(manifest.name.clone(), number),
        component: Digest::of(b""),
        limits: manifest.limits.clone(),
        manifest: manifest.clone(),
        description: Description::of_standard(Interface::WasiHttp03),
        created_at_ms: 0,
    };
    Ready::new(Arc::new(version)).unwrap()
}

/// A deployment with this split.
pub(super) fn deployment(manifest: &Manifest, split: &str) -> Deployment {
    Deployment {
        function: manifest.name.clone(),
        revision: 1,
        split: Split::parse(split.split(' ')).unwrap(),
        cause: Cause::Split,
        before: None,
        canary: None,
        created_at_ms: 0,
    }
}
