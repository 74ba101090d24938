//! Commands about a function's versions: `versions`, `split`, `rollback`, `rm`.

use super::client::Admin;
use super::exit::Exit;
use super::output::{self, Output};
use super::traffic_args::{RmArgs, RollbackArgs, SplitArgs, VersionsArgs};
use crate::registry::Split;
use anyhow::Context as _;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, UNIX_EPOCH};

/// `dunlin versions`.
///
/// # Errors
/// When the host is not there or refuses.
pub(super) async fn versions(args: &VersionsArgs, output: &Output) -> anyhow::Result<()> {
    #[derive(Deserialize)]
    struct Versions {
        versions: Vec<Value>,
        deployment: Value,
    }
    let admin = Admin::new(&args.client)?;
    let path = format!("/v1/functions/{}/versions", args.name);
    let Versions {
        versions,
        deployment,
    } = admin.get(&path).await?;
    if output.is_json() {
        return versions
            .iter()
            .try_for_each(|version| output.data(version, ToString::to_string));
    }
    let mut table = output::table(["VERSION", "TRAFFIC", "FAILED", "DEPLOYED", "COMPONENT"]);
    let total: u64 = versions.iter().filter_map(|it| it["weight"].as_u64()).sum();
    for version in &versions {
        let text = |key: &str| version[key].as_str().unwrap_or_default();
        let number = version["version"].to_string();
        let mut traffic = share(version["weight"].as_u64().unwrap_or_default(), total);
        if deployment["canary"]["version"] == version["version"] {
            let most = deployment["canary"]["abort_on"]
                .as_str()
                .unwrap_or_default();
            traffic.push_str(&format!(" (on trial: may fail {most} more often)"));
        }
        let rate = &version["invocations"];
        let failed = match rate["ended"].as_u64() {
            Some(ended) => format!("{} of {ended}", rate["failed"]),
            None => String::new(),
        };
        let time = Duration::from_millis(version["created_at_ms"].as_u64().unwrap_or_default());
        let time = humantime::format_rfc3339_seconds(UNIX_EPOCH + time).to_string();
        let component = text("component").chars().take(12).collect();
        table.add_row([number, traffic, failed, time, component]);
    }
    output.data(&table.to_string(), Clone::clone)
}

/// `dunlin split`.
///
/// # Errors
/// When the weights are none, or the host is not there or refuses.
pub(super) async fn split(args: &SplitArgs, output: &Output) -> anyhow::Result<()> {
    let split = Split::parse(args.weights.iter().map(String::as_str))
        .map_err(|error| Exit::Usage.error(error.to_string()))?;
    let admin = Admin::new(&args.client)?;
    let path = format!("/v1/functions/{}/deployment", args.name);
    let request = admin.request(Method::PUT, &path);
    let answer = admin.send(request.json(&json!({ "split": split }))).await?;
    say_deployment(answer, output).await
}

/// `dunlin rollback`.
///
/// # Errors
/// When there is nothing to go back to, or the host is not there or refuses.
pub(super) async fn rollback(args: &RollbackArgs, output: &Output) -> anyhow::Result<()> {
    let admin = Admin::new(&args.client)?;
    let path = format!("/v1/functions/{}/rollback", args.name);
    let request = admin.request(Method::POST, &path);
    let answer = admin.send(request.json(&json!({ "to": args.to }))).await?;
    say_deployment(answer, output).await
}

async fn say_deployment(answer: reqwest::Response, output: &Output) -> anyhow::Result<()> {
    let deployment: Value = answer
        .json()
        .await
        .context("the host's answer is not JSON")?;
    output.data(&deployment, |deployment| {
        let function = deployment["function"].as_str().unwrap_or_default();
        format!("traffic of `{function}`: {}", weights(deployment))
    })
}

/// `dunlin rm`.
///
/// # Errors
/// When nobody agrees, or the host is not there or refuses.
pub(super) async fn rm(args: &RmArgs, output: &Output) -> anyhow::Result<()> {
    let name = &args.name;
    if !args.yes && !agreed(name.as_str())? {
        output.note("nothing was removed");
        return Ok(());
    }
    let admin = Admin::new(&args.client)?;
    let path = format!("/v1/functions/{name}");
    admin.send(admin.request(Method::DELETE, &path)).await?;
    output.data(&json!({ "removed": name }), |_| format!("removed `{name}`"))
}

/// Asks whether to remove a function.
fn agreed(name: &str) -> anyhow::Result<bool> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        let message = format!(
            "`dunlin rm {name}` forgets the function and all its versions: add `--yes` if that is \
             meant"
        );
        return Err(Exit::Usage.error(message));
    }
    let mut stderr = std::io::stderr();
    write!(
        stderr,
        "forget `{name}` and all its versions? Type its name: "
    )?;
    stderr.flush()?;
    let mut answer = String::new();
    stdin.read_line(&mut answer)?;
    Ok(answer.trim() == name)
}

/// A deployment's weights for people: `4`, or `3 (90 %) 4 (10 %)`.
pub(super) fn weights(deployment: &Value) -> String {
    let split = deployment["split"].as_object();
    let mut weights: Vec<(u32, u64)> = split
        .into_iter()
        .flatten()
        .filter_map(|(version, weight)| Some((version.parse().ok()?, weight.as_u64()?)))
        .collect();
    weights.sort_unstable();
    if let [(version, _)] = weights[..] {
        return version.to_string();
    }
    let total = weights.iter().map(|(_, weight)| weight).sum();
    let each = weights
        .iter()
        .map(|(version, weight)| format!("{version} ({})", share(*weight, total)));
    each.collect::<Vec<_>>().join(" ")
}

/// A weight's part of all, with as many digits as it needs.
#[expect(clippy::cast_precision_loss, reason = "weights are small")]
fn share(weight: u64, total: u64) -> String {
    if weight == 0 {
        return String::new();
    }
    let share = weight as f64 * 100.0 / total.max(1) as f64;
    let share = format!("{share:.2}");
    let share = share.trim_end_matches('0').trim_end_matches('.');
    format!("{share} %")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_shown_as_shares() {
        let shown = |split: Value| weights(&json!({ "split": split }));
        assert_eq!(shown(json!({ "4": 100 })), "4");
        assert_eq!(shown(json!({ "10": 1, "9": 9 })), "9 (90 %) 10 (10 %)");
        assert_eq!(shown(json!({ "1": 1, "2": 2 })), "1 (33.33 %) 2 (66.67 %)");
    }
}
