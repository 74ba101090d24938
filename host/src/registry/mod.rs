//! What is deployed: manifests, versions, deployments, and where they are kept.

mod build_section;
mod description;
mod egress_entry;
mod egress_policy;
mod files;
mod limits;
mod manifest;
mod store;
mod store_error;
mod toml_error;
mod units;
mod usage;
mod var_name;
mod version;

pub use self::build_section::{BuildCommand, BuildSection};
pub use self::description::{Description, DescriptionError, Interface, Lane, RouteSpec};
pub use self::egress_entry::{EgressEntry, EgressEntryError};
pub use self::egress_policy::{Destination, EgressPolicy, Host, Scheme};
pub use self::files::Digest;
pub use self::limits::{LimitInForce, Limits};
pub use self::manifest::{EgressSection, Isolation, Manifest, OnDisconnect};
pub use self::store::Registry;
pub use self::store_error::RegistryError;
pub use self::toml_error::{TomlError, from_toml};
pub use self::units::{ByteSize, TimeLimit, UnitError};
pub use self::usage::Usage;
pub use self::var_name::VarName;
pub use self::version::Version;
