//! `dunlin deploy`: builds a function, sends its component unless the host has
//! it, and gives it traffic.

use std::io::Read as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::TryStreamExt as _;
use reqwest::{Body, Method, Response, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::fs::File;
use tokio_util::io::ReaderStream;

use super::args::DeployArgs;
use super::build;
use super::client::Admin;
use super::output::Output;
use super::project::{self, Project};
use super::traffic;
use crate::registry::{Digest, Manifest, Percent};

/// How the host says that it has no such component.
const UNKNOWN_COMPONENT: StatusCode = StatusCode::PRECONDITION_FAILED;

/// How much of a file is read at once, in bytes.
const PIECE: usize = 64 * 1024;

/// Runs the command.
///
/// # Errors
/// When the function does not build, the host is not there, or it refuses.
pub(super) async fn run(args: &DeployArgs, output: &Output) -> anyhow::Result<()> {
    let project = one_project(args)?;
    let built = build::build_one(&project, output).await?;
    let component = &built.file;

    let admin = Admin::new(&args.client)?;
    let start = Instant::now();
    let digest = digest(component).await?;
    if !has(&admin, &digest).await? {
        upload(&admin, component, &digest, output).await?;
    }
    let mut uploaded = start.elapsed();
    let request = DeployRequest {
        component: &digest,
        manifest: &project.manifest,
        canary: args.canary.map(|share| CanaryRequest {
            share,
            abort_on: args.abort_on,
        }),
    };
    let mut answer = make_version(&admin, &request, output).await?;
    if answer.status() == UNKNOWN_COMPONENT {
        // It was there a moment ago, and nothing used it: it was cleaned up.
        let again = Instant::now();
        upload(&admin, component, &digest, output).await?;
        uploaded += again.elapsed();
        answer = make_version(&admin, &request, output).await?;
    }
    let answer = admin.accepted(answer).await?;
    let mut deployed: Value = answer
        .json()
        .await
        .context("the host's answer is not JSON")?;
    let own = [step("build", built.elapsed), step("upload", uploaded)];
    if let Some(steps) = deployed["steps"].as_array_mut() {
        steps.splice(..0, own);
    }
    for warning in deployed["warnings"].as_array().into_iter().flatten() {
        output.warn(warning.as_str().unwrap_or_default());
    }
    let mount = deployed["mount"].as_str().unwrap_or_default();
    let url = admin
        .public()
        .await?
        .of_function(deployed["host"].as_str(), mount);
    deployed["url"] = json!(url);
    output.data(&deployed, human)
}

fn step(name: &str, time: Duration) -> Value {
    json!({ "name": name, "ms": time.as_secs_f64() * 1e3 })
}

fn human(deployed: &Value) -> String {
    let mut text = format!(
        "deployed {}@{} at {}",
        deployed["name"].as_str().unwrap_or_default(),
        deployed["version"],
        deployed["url"].as_str().unwrap_or_default(),
    );
    let deployment = &deployed["deployment"];
    let split = deployment["split"].as_object();
    if split.is_some_and(|split| split.len() > 1) {
        text.push_str(&format!(", traffic {}", traffic::weights(deployment)));
    }
    for step in deployed["steps"].as_array().into_iter().flatten() {
        let ms = step["ms"].as_f64().unwrap_or_default();
        text.push_str(&format!(
            "\n  {:<14}{ms:>9.1} ms",
            step["name"].as_str().unwrap_or_default()
        ));
    }
    text
}

fn one_project(args: &DeployArgs) -> anyhow::Result<Project> {
    if let Some(name) = &args.name {
        return project::find_as(&args.path, name.clone());
    }
    project::only(&args.path)
}

#[derive(Serialize)]
struct DeployRequest<'a> {
    component: &'a Digest,
    manifest: &'a Manifest,
    #[serde(skip_serializing_if = "Option::is_none")]
    canary: Option<CanaryRequest>,
}

#[derive(Serialize)]
struct CanaryRequest {
    share: Percent,
    #[serde(skip_serializing_if = "Option::is_none")]
    abort_on: Option<Percent>,
}

/// Asks for a new version. The answer may be a refusal.
async fn make_version(
    admin: &Admin<'_>,
    request: &DeployRequest<'_>,
    output: &Output,
) -> anyhow::Result<Response> {
    let name = &request.manifest.name;
    let _progress = output.progress(format_args!("compiling and starting `{name}`"));
    let path = format!("/v1/functions/{name}/versions");
    admin
        .send_any(admin.request(Method::POST, &path).json(request))
        .await
}

/// The digest of a file, which is never held whole.
async fn digest(component: &Path) -> anyhow::Result<Digest> {
    let file = component.to_owned();
    let hashed = tokio::task::spawn_blocking(move || {
        let mut file = std::fs::File::open(file)?;
        let mut hash = Sha256::new();
        let mut piece = vec![0; PIECE];
        loop {
            match file.read(&mut piece)? {
                0 => return std::io::Result::Ok(Digest::from_hash(hash)),
                read => hash.update(&piece[..read]),
            }
        }
    });
    hashed
        .await?
        .with_context(|| format!("`{}` cannot be read", component.display()))
}

async fn has(admin: &Admin<'_>, digest: &Digest) -> anyhow::Result<bool> {
    let path = format!("/v1/components/{digest}");
    let known = admin.send_any(admin.request(Method::HEAD, &path)).await?;
    Ok(known.status() == StatusCode::NO_CONTENT)
}

/// Sends a component from its file.
async fn upload(
    admin: &Admin<'_>,
    component: &Path,
    digest: &Digest,
    output: &Output,
) -> anyhow::Result<()> {
    let unreadable = || format!("`{}` cannot be read", component.display());
    let file = File::open(component).await.with_context(unreadable)?;
    let size = file.metadata().await.with_context(unreadable)?.len();
    let progress = output.transfer(format_args!("sending {size} bytes"), size);
    let pieces = ReaderStream::with_capacity(file, PIECE);
    let counted = pieces.inspect_ok(move |piece| progress.advance(piece.len() as u64));
    let request = admin
        .request(Method::PUT, &format!("/v1/components/{digest}"))
        .header(http::header::CONTENT_LENGTH, size)
        .body(Body::wrap_stream(counted));
    admin.send(request).await?;
    Ok(())
}
