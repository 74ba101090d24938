//! `dunlin doctor`: what is in force on a running host and why, and what could
//! be better there and on this machine.

use std::path::Path;

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::args::DoctorArgs;
use super::build::{MissingTarget, Toolchain};
use super::client::{Admin, Functions};
use super::client_args::ClientArgs;
use super::exit::Exit;
use super::output::{self, Output};
use crate::admin::{Check, Status};

/// What a host says of itself.
#[derive(Default, Deserialize)]
struct Host {
    version: String,
    checks: Vec<Check>,
    settings: Vec<Value>,
}

/// `dunlin doctor`. Prints all that can be said, even where no host answers.
///
/// # Errors
/// When something does not work: no host, a host that refuses, a check that
/// failed.
pub(super) async fn run(args: &DoctorArgs, output: &Output) -> anyhow::Result<()> {
    let asked = ask(&args.client).await;
    let mut checks = match &asked {
        Ok((host, functions)) => of_host(&args.client, host, &functions.functions),
        Err(error) => vec![Check::bad(
            Status::Failed,
            "host",
            error.to_string(),
            "start it, or correct `--host` and `--token`",
        )],
    };
    checks.push(rust_target(output).await);
    let (host, functions) = match &asked {
        Ok((host, functions)) => (&*host.settings, &*functions.functions),
        Err(_) => Default::default(),
    };
    let limits = |function: &Value| json!({ "name": function["name"], "version": function["version"], "limits": function["limits"] });
    let report = json!({
        "settings": host,
        "functions": functions.iter().map(limits).collect::<Vec<_>>(),
        "checks": checks,
    });
    output.data(&report, |_| {
        let mut text = String::new();
        if !host.is_empty() {
            text.push_str(&settings(host));
        }
        for function in functions {
            text.push_str(&limits_of(function));
        }
        text.push_str(&list(&checks));
        text
    })?;
    asked?;
    let failed = checks.iter().filter(|it| it.status == Status::Failed);
    match failed.count() {
        0 => Ok(()),
        failed => Err(Exit::Unwell.error(format!("{} failed", output::count(failed, "check")))),
    }
}

async fn ask(args: &ClientArgs) -> anyhow::Result<(Host, Functions)> {
    let admin = Admin::new(args)?;
    let mut host: Host = admin.get("/v1/host").await?;
    let ready = admin
        .send_any(admin.request(Method::GET, "/readyz"))
        .await?;
    if !ready.status().is_success() {
        host.checks.push(Check::bad(
            Status::Failed,
            "ready",
            "the host is stopping: it takes no new connections",
            "wait for its end, and start it again",
        ));
    }
    Ok((host, admin.get("/v1/functions").await?))
}

/// What the host found, and what can only be seen from here.
fn of_host(args: &ClientArgs, host: &Host, functions: &[Value]) -> Vec<Check> {
    const OWN: &str = env!("CARGO_PKG_VERSION");
    let seen = format!("{} answers, dunlin {}", args.host, host.version);
    let reached = if host.version == OWN {
        Check::ok("host", seen)
    } else {
        let remedy = format!("use the same version on both sides: this is dunlin {OWN}");
        Check::bad(Status::Warning, "host", seen, remedy)
    };
    let refused: Vec<_> = functions
        .iter()
        .flat_map(|function| {
            let name = function["name"].as_str().unwrap_or_default();
            let warnings = function["warnings"].as_array().into_iter().flatten();
            warnings.map(move |it| format!("{name}: {}", it.as_str().unwrap_or_default()))
        })
        .collect();
    let limits = if refused.is_empty() {
        Check::ok("limits", "every function has what its dunlin.toml asks for")
    } else {
        let remedy = "ask for less in dunlin.toml, or allow more under `[limits]` of the host's \
                      `--config`";
        Check::bad(Status::Warning, "limits", refused.join("; "), remedy)
    };
    let own = [reached, limits];
    own.into_iter().chain(host.checks.iter().cloned()).collect()
}

/// Whether functions can be built on this machine. A host needs no Rust.
async fn rust_target(output: &Output) -> Check {
    let toolchain = Toolchain::from_env();
    let target = toolchain
        .require_target(Path::new("."), MissingTarget::Refuse, output)
        .await;
    match target {
        Ok(()) => Check::ok("rust", "functions can be built on this machine"),
        Err(error) => Check::bad(
            Status::Warning,
            "rust",
            format!("{error:#}"),
            "only needed where functions are built",
        ),
    }
}

fn settings(settings: &[Value]) -> String {
    let mut table = output::table(["SETTING", "IN FORCE", "WHY"]);
    for setting in settings {
        table.add_row([
            plain(&setting["key"]),
            plain(&setting["value"]),
            plain(&setting["why"]),
        ]);
    }
    format!("{table}\n\n")
}

fn limits_of(function: &Value) -> String {
    let name = format!("{}@{}", plain(&function["name"]), function["version"]);
    let mut table = output::table([&*name, "IN FORCE", "WHY"]);
    for (key, limit) in function["limits"].as_object().into_iter().flatten() {
        table.add_row([key.clone(), plain(&limit["value"]), plain(&limit["why"])]);
    }
    format!("{table}\n\n")
}

fn list(checks: &[Check]) -> String {
    let mut table = output::table(["CHECK", "STATUS", "SEEN"]);
    for check in checks {
        let status = match check.status {
            Status::Ok => "ok",
            Status::Warning => "warning",
            Status::Failed => "failed",
        };
        let mut seen = check.message.clone();
        if let Some(remedy) = &check.remedy {
            seen.push_str("\n→ ");
            seen.push_str(remedy);
        }
        table.add_row([&*check.name, status, &*seen]);
    }
    table.to_string()
}

/// A text or number as people read it.
fn plain(value: &Value) -> String {
    value.as_str().map_or(value.to_string(), str::to_owned)
}
