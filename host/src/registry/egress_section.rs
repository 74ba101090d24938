//! `[egress]` of a manifest.

use super::{EgressEntry, EgressPolicy};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[egress]`: what the guest may reach.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EgressSection {
    /// Destinations, by default none.
    #[schemars(with = "Vec<EgressEntry>")]
    pub allow: EgressPolicy,
}
