//! `[build]` of a manifest.

use std::borrow::Cow;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

/// `[build]`: how the component comes from its folder. All optional.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BuildSection {
    /// Run in the function's folder instead of cargo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<BuildCommand>,
    /// The built component, relative to the function's folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub component: Option<PathBuf>,
    /// The cargo profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
}

/// A command that builds a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawCommand", into = "RawCommand")]
pub enum BuildCommand {
    /// A line for the shell: `"make guest && cp out/guest.wasm ."`.
    Shell(String),
    /// A program and its arguments, run without a shell: `["make", "guest"]`.
    Program(String, Vec<String>),
}

#[derive(Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "a command: write a line such as \"make guest\" or a list such as [\"make\", \"guest\"]"
)]
enum RawCommand {
    Line(String),
    List(Vec<String>),
}

impl JsonSchema for BuildCommand {
    fn schema_name() -> Cow<'static, str> {
        "BuildCommand".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "description": "A line for the shell, or a program and its arguments.",
            "anyOf": [
                { "type": "string", "pattern": "\\S" },
                {
                    "type": "array",
                    "prefixItems": [{ "type": "string", "minLength": 1 }],
                    "items": { "type": "string" },
                    "minItems": 1,
                },
            ],
            "examples": ["make guest", ["make", "guest"]],
        })
    }
}

impl TryFrom<RawCommand> for BuildCommand {
    type Error = &'static str;

    fn try_from(raw: RawCommand) -> Result<Self, &'static str> {
        match raw {
            RawCommand::Line(line) if !line.trim().is_empty() => Ok(Self::Shell(line)),
            RawCommand::List(mut words) if words.first().is_some_and(|word| !word.is_empty()) => {
                let program = words.remove(0);
                Ok(Self::Program(program, words))
            }
            _ => Err("the command is empty: name a program, or leave the key out to use cargo"),
        }
    }
}

impl From<BuildCommand> for RawCommand {
    fn from(command: BuildCommand) -> Self {
        match command {
            BuildCommand::Shell(line) => Self::Line(line),
            BuildCommand::Program(program, arguments) => {
                Self::List(std::iter::once(program).chain(arguments).collect())
            }
        }
    }
}
