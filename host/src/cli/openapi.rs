//! `dunlin openapi`: the document of a function, deployed or not, or that of a
//! running host's admin API.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use serde_json::Value;

use super::build;
use super::client::Admin;
use super::client_args::ClientArgs;
use super::output::Output;
use super::project::{self, Project};
use crate::capabilities::egress::{Egress, EgressConfig};
use crate::names::{FunctionName, VersionId};
use crate::registry::{Description, Digest, Interface, Registry, Secrets, Version, now_ms};
use crate::runtime::{self, Code, Engine, EngineConfig};
use crate::telemetry::Logs;

#[derive(Debug, Args)]
pub(crate) struct OpenapiArgs {
    /// A deployed function, such as `shop` or `shop@3`, or the folder or component of one
    /// [default: the admin API itself]
    #[arg(value_name = "NAME_OR_PATH", value_parser = Subject::parse)]
    of: Option<Subject>,

    #[command(flatten)]
    client: ClientArgs,
}

/// What the document is about.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Subject {
    /// A function that is deployed, and perhaps one version of it.
    Deployed(FunctionName, Option<u32>),
    /// One that need not be.
    Local(PathBuf),
}

impl Subject {
    /// What could be a function's name is one: `./shop` is a folder.
    #[expect(clippy::unnecessary_wraps, reason = "clap wants a result")]
    fn parse(text: &str) -> Result<Self, String> {
        if let Ok(name) = text.parse() {
            return Ok(Self::Deployed(name, None));
        }
        Ok(match text.parse::<VersionId>() {
            Ok(id) => Self::Deployed(id.function().clone(), Some(id.number())),
            Err(_) => Self::Local(text.into()),
        })
    }
}

/// Runs the command.
///
/// # Errors
/// When the host is not there or refuses, or the function does not build.
pub(super) async fn run(args: &OpenapiArgs, output: &Output) -> anyhow::Result<()> {
    let document: Value = match &args.of {
        None => Admin::new(&args.client)?.get("/v1/openapi.json").await?,
        Some(Subject::Deployed(name, version)) => {
            let mut path = format!("/v1/functions/{name}/openapi.json");
            if let Some(version) = version {
                path.push_str(&format!("?version={version}"));
            }
            let document = Admin::new(&args.client)?.get(&path).await;
            document.map_err(|error| match Path::new(name.as_str()).is_dir() {
                true => error.context(format!("for the folder `{name}`, say `./{name}`")),
                false => error,
            })?
        }
        Some(Subject::Local(path)) => local(path, output).await?,
    };
    output.data(&document, |document| format!("{document:#}"))
}

/// The document of a function that is built for it, and asked.
async fn local(path: &Path, output: &Output) -> anyhow::Result<Value> {
    let project = project::only(path)?;
    let component = build::build_one(&project, output).await?.file;
    let bytes = tokio::fs::read(&component).await;
    let bytes = bytes.with_context(|| format!("`{}` cannot be read", component.display()))?;
    let _progress = output.progress(format_args!("starting `{}`", project.name));
    let description = describe(&project, &bytes).await?;
    let document = description.openapi.with_context(|| {
        format!(
            "`{}` has no OpenAPI document: only functions of this host's SDK do",
            project.name
        )
    })?;
    let text = document.at(project.manifest.mount.as_str());
    serde_json::from_str(&text).context("the document is not JSON")
}

/// What a component says of itself, as a host would ask it when it is deployed;
/// nothing of that stays.
async fn describe(project: &Project, component: &[u8]) -> anyhow::Result<Description> {
    let folder = tempfile::tempdir().context("a temporary folder cannot be made")?;
    let registry = Registry::open(folder.path())?;
    let egress = Egress::new(&EgressConfig::default(), tokio::runtime::Handle::current())?;
    let engine = Engine::new(&EngineConfig::default(), egress, Arc::new(Logs::default()));
    let engine = engine.map_err(anyhow::Error::from);
    let engine = engine.context("the WebAssembly engine does not start on this machine")?;
    let engine = Arc::new(engine);
    let digest: Digest = registry.put_component(component)?;
    let code = Code::of(&digest, &engine, &registry).await?;
    let candidate = Version {
        id: VersionId::new(project.name.clone(), 1),
        component: digest,
        description: Description::of_standard(Interface::Function),
        limits: project.manifest.limits.clone(),
        manifest: project.manifest.clone(),
        created_at_ms: now_ms(),
    };
    Ok(runtime::inspect(&engine, &code, candidate, Secrets::default()).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_a_name_is_one() {
        let deployed = |version| Subject::Deployed("shop".parse().expect("is one"), version);
        for (text, subject) in [
            ("shop", deployed(None)),
            ("shop@3", deployed(Some(3))),
            ("./shop", Subject::Local("./shop".into())),
            ("functions/shop", Subject::Local("functions/shop".into())),
            ("shop.wasm", Subject::Local("shop.wasm".into())),
            (".", Subject::Local(".".into())),
        ] {
            assert_eq!(Subject::parse(text), Ok(subject), "{text}");
        }
    }
}
