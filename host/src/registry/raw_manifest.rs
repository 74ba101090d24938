//! `dunlin.toml` as it is written: its keys, and the defaults that depend on
//! other keys.

use std::collections::{BTreeMap, BTreeSet};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;

use super::{BuildSection, EgressSection, Isolation, Limits, Manifest, OnDisconnect, VarName};
use crate::names::{FunctionName, HostName, Mount};

/// The manifest before the defaults that depend on other keys.
/// What its fields say is what editors show.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(description = "What a function is called, where it answers, and what it may use.")]
pub(super) struct RawManifest {
    /// The function's name. Default: the name of its folder.
    pub(super) name: Option<FunctionName>,
    /// The path below which the function answers. Default: `/` and the name; `/` if `host` is set.
    mount: Option<Mount>,
    /// The only host name that the function answers for. Default: every host.
    host: Option<HostName>,
    /// Who shares an instance. Default: the lane and the contract decide.
    isolation: Option<Isolation>,
    /// What becomes of an invocation whose caller goes away.
    #[serde(default)]
    on_disconnect: OnDisconnect,
    /// Whether `/openapi.json`, `/docs` and `/redoc` below the mount show what the function offers.
    #[serde(default = "yes")]
    docs: bool,
    /// Secrets that the function reads as environment variables, by name. Set by `dunlin secret`.
    #[serde(default)]
    secrets: BTreeSet<VarName>,
    /// How the component comes from its folder. Default: by cargo.
    #[serde(default)]
    build: BuildSection,
    /// Configuration that the function reads as environment variables. Stored in the clear.
    #[serde(default)]
    #[schemars(schema_with = "vars_schema")]
    vars: BTreeMap<VarName, String>,
    /// What the function may reach. Default: nothing.
    #[serde(default)]
    egress: EgressSection,
    /// What the function may use up. The host's maxima are the most that it gets.
    #[serde(default)]
    limits: Limits,
}

fn yes() -> bool {
    true
}

fn vars_schema(generator: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({
        "type": "object",
        "propertyNames": generator.subschema_for::<VarName>(),
        "additionalProperties": { "type": "string" },
    })
}

impl TryFrom<RawManifest> for Manifest {
    type Error = String;

    fn try_from(raw: RawManifest) -> Result<Self, Self::Error> {
        if let Some(both) = raw.secrets.iter().find(|it| raw.vars.contains_key(*it)) {
            let both = both.as_str();
            return Err(format!(
                "`{both}` is in `secrets` and in `[vars]`: take it out of one of them"
            ));
        }
        let name = raw.name.ok_or(
            "the function has no name: add `name = \"my-function\"` at the top".to_owned(),
        )?;
        // A function with a host of its own has nobody to share its paths with.
        let mount = raw.mount.unwrap_or_else(|| match raw.host {
            Some(_) => Mount::root(),
            None => Mount::below_root(&name),
        });
        Ok(Self {
            name,
            mount,
            host: raw.host,
            isolation: raw.isolation,
            on_disconnect: raw.on_disconnect,
            docs: raw.docs,
            secrets: raw.secrets,
            build: raw.build,
            vars: raw.vars,
            egress: raw.egress,
            limits: raw.limits,
        })
    }
}
