//! Commands that talk to a running host: `deploy`, `ls`, `logs`.

use super::args::{ClientArgs, DeployArgs, LogsArgs, LsArgs, Token};
use super::build::{self, BuildOptions, MissingTarget, Purpose, Toolchain};
use super::exit::Exit;
use super::output::{self, Output};
use super::project::{self, Project};
use super::traffic;
use crate::registry::{Digest, Manifest, Percent};
use anyhow::Context as _;
use futures::StreamExt as _;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

/// Longest wait for a connection to the host.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The admin API of one host.
pub(super) struct Admin<'a> {
    client: Client,
    args: &'a ClientArgs,
    token: Option<Token>,
}

impl<'a> Admin<'a> {
    pub(super) fn new(args: &'a ClientArgs) -> anyhow::Result<Self> {
        let client = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .no_proxy()
            .build()?;
        let token = match &args.token {
            Some(token) => Some(token.clone()),
            // A token of this machine is no other machine's business.
            None if args.host.is_local() => std::fs::read_to_string(args.data_dir.join("token"))
                .ok()
                .and_then(|text| Token::parse(&text).ok()),
            None => None,
        };
        Ok(Self {
            client,
            args,
            token,
        })
    }

    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, self.args.host.at(path));
        match &self.token {
            Some(token) => request.bearer_auth(token.as_str()),
            None => request,
        }
    }

    /// Sends a request; an answer that is no success becomes an error with the
    /// host's own words.
    pub(super) async fn send(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        let response = self.send_any(request).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let problem: Problem = response.json().await.unwrap_or_default();
        let mut message = problem.title;
        if message.is_empty() {
            message = format!(
                "the host answered {status}: is {} its admin address?",
                self.args.host
            );
        }
        for cause in problem.causes {
            message.push_str("\n  because: ");
            message.push_str(&cause);
        }
        Err(Exit::Refused.error(message))
    }

    /// What the host answers to `GET path`.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let answer = self.send(self.request(Method::GET, path)).await?;
        answer.json().await.context("the host's answer is not JSON")
    }

    pub(super) async fn send_any(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        request.send().await.map_err(|error| {
            Exit::Unreachable.because(
                format!(
                    "no host answers at {}: start one with `dunlin serve`, or name its admin \
                     address with `--host`",
                    self.args.host
                ),
                error,
            )
        })
    }
}

/// How the host says no.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem {
    title: String,
    causes: Vec<String>,
}

/// `dunlin deploy`: builds the function, sends its component unless the host
/// has it, and gives it traffic.
///
/// # Errors
/// When the function does not build, the host is not there, or it refuses.
pub(super) async fn deploy(args: &DeployArgs, output: &Output) -> anyhow::Result<()> {
    let project = one_project(args)?;
    let options = BuildOptions {
        toolchain: Toolchain::from_env(),
        missing_target: MissingTarget::Install,
        purpose: Purpose::Deploying,
    };
    let built = build::build(std::slice::from_ref(&project), &options, output).await?;
    for one in &built {
        one.print(output);
    }
    build::require_all(&built)?;
    let component = built[0].outcome.as_ref().expect("every function was built");

    let admin = Admin::new(&args.client)?;
    let start = Instant::now();
    let digest = upload(&admin, component, output).await?;
    let uploaded = start.elapsed();
    let answer = {
        let _progress = output.progress(format_args!("deploying `{}`", project.name));
        let path = format!("/v1/functions/{}/versions", project.name);
        let request = DeployRequest {
            component: &digest,
            manifest: &project.manifest,
            canary: args.canary.map(|share| CanaryRequest {
                share,
                abort_on: args.abort_on,
            }),
        };
        admin
            .send(admin.request(Method::POST, &path).json(&request))
            .await?
    };
    let mut deployed: Value = answer
        .json()
        .await
        .context("the host's answer is not JSON")?;
    if let Some(steps) = deployed["steps"].as_array_mut() {
        steps.insert(
            0,
            json!({ "name": "upload", "ms": uploaded.as_secs_f64() * 1e3 }),
        );
    }
    for warning in deployed["warnings"].as_array().into_iter().flatten() {
        output.warn(warning.as_str().unwrap_or_default());
    }
    output.data(&deployed, |deployed| {
        let mut text = format!(
            "deployed {}@{} at {}{}",
            deployed["name"].as_str().unwrap_or_default(),
            deployed["version"],
            deployed["host"].as_str().unwrap_or_default(),
            deployed["mount"].as_str().unwrap_or_default(),
        );
        if deployed["deployment"]["split"]
            .as_object()
            .is_some_and(|split| split.len() > 1)
        {
            text.push_str(&format!(
                ", traffic {}",
                traffic::weights(&deployed["deployment"])
            ));
        }
        for step in deployed["steps"].as_array().into_iter().flatten() {
            let ms = step["ms"].as_f64().unwrap_or_default();
            text.push_str(&format!(
                "\n  {:<14}{ms:>9.1} ms",
                step["name"].as_str().unwrap_or_default()
            ));
        }
        text
    })
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

fn one_project(args: &DeployArgs) -> anyhow::Result<Project> {
    if let Some(name) = &args.name {
        return project::find_as(&args.path, name.clone());
    }
    let mut found = project::find(&args.path)?;
    if found.len() > 1 {
        let names: Vec<_> = found.iter().map(|project| project.name.as_str()).collect();
        anyhow::bail!(
            "`{}` holds {} functions ({}): deploy one folder at a time",
            args.path.display(),
            found.len(),
            names.join(", ")
        );
    }
    Ok(found.remove(0))
}

/// Sends a component, unless the host has it already.
async fn upload(admin: &Admin<'_>, component: &Path, output: &Output) -> anyhow::Result<Digest> {
    let bytes = tokio::fs::read(component)
        .await
        .with_context(|| format!("`{}` cannot be read", component.display()))?;
    let digest = Digest::of(&bytes);
    let path = format!("/v1/components/{digest}");
    let known = admin.send_any(admin.request(Method::HEAD, &path)).await?;
    if known.status() != StatusCode::NO_CONTENT {
        let size = bytes.len();
        let _progress = output.progress(format_args!("sending {size} bytes"));
        admin
            .send(admin.request(Method::PUT, &path).body(bytes))
            .await?;
    }
    Ok(digest)
}

/// `dunlin ls`.
///
/// # Errors
/// When the host is not there or refuses.
pub(super) async fn ls(args: &LsArgs, output: &Output) -> anyhow::Result<()> {
    let admin = Admin::new(&args.client)?;
    let Functions { functions } = admin.get("/v1/functions").await?;
    if output.is_json() {
        return functions
            .iter()
            .try_for_each(|function| output.data(function, ToString::to_string));
    }
    if functions.is_empty() {
        output.note("nothing is deployed: `dunlin deploy FOLDER` changes that");
        return Ok(());
    }
    let mut table = output::table([
        "FUNCTION",
        "VERSION",
        "AT",
        "INTERFACE",
        "METHOD",
        "PATH",
        "LANE",
        "SUMMARY",
    ]);
    for function in &functions {
        let text = |key: &str| function[key].as_str().unwrap_or_default().to_owned();
        let address = format!("{}{}", text("host"), text("mount"));
        let mut head = [
            text("name"),
            traffic::weights(&function["deployment"]),
            address,
            text("interface"),
        ];
        for route in function["routes"].as_array().into_iter().flatten() {
            let text = |key: &str| route[key].as_str().unwrap_or_default().to_owned();
            let mut lane = match route["learned"]["cpu_ms"].as_f64() {
                Some(ms) => format!("blocking (learned: {ms:.0} ms of CPU, declare it `fn`)"),
                None => text("lane"),
            };
            if route["quarantined"] == true {
                lane.push_str(" (keeps crashing: kept apart)");
            }
            let route = [text("method"), text("path"), lane, text("summary")];
            table.add_row(head.into_iter().chain(route));
            head = Default::default();
        }
    }
    output.data(&table.to_string(), Clone::clone)
}

#[derive(Deserialize)]
pub(super) struct Functions {
    pub(super) functions: Vec<Value>,
}

/// `dunlin logs`.
///
/// # Errors
/// When the host is not there, refuses, or breaks off.
pub(super) async fn logs(args: &LogsArgs, output: &Output) -> anyhow::Result<()> {
    let admin = Admin::new(&args.client)?;
    let path = format!(
        "/v1/functions/{}/logs?tail={}&follow={}",
        args.name, args.tail, args.follow
    );
    let answer = admin.send(admin.request(Method::GET, &path)).await?;
    let mut chunks = answer.bytes_stream();
    let mut pending = Vec::new();
    while let Some(chunk) = chunks.next().await {
        pending.extend_from_slice(&chunk.context("the host broke off")?);
        while let Some(end) = pending.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            let line: Value =
                serde_json::from_slice(&line).context("the host's answer is not JSON")?;
            output.data(&line, log_line)?;
        }
    }
    Ok(())
}

fn log_line(line: &Value) -> String {
    let text = |key: &str| line[key].as_str().unwrap_or_default();
    let time = Duration::from_millis(line["time_ms"].as_u64().unwrap_or_default());
    let time = humantime::format_rfc3339_millis(std::time::UNIX_EPOCH + time);
    let id = match text("request_id") {
        "" => "-",
        id => id,
    };
    output::plain(&format!(
        "{time} {}@{} {id} {} {}",
        text("function"),
        line["version"],
        text("source"),
        text("message")
    ))
}
