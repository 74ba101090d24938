//! Commands about who may do what, and who did: `token`, `secret`, `audit`.

use super::access_args::{AuditArgs, SecretArgs, SecretCommand, TokenArgs, TokenCommand};
use super::client::Admin;
use super::exit::Exit;
use super::output::{self, Output};
use crate::names::FunctionName;
use crate::registry::{MAX_SECRET_BYTES, VarName};
use anyhow::Context as _;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::{IsTerminal as _, Read as _};
use std::time::{Duration, UNIX_EPOCH};
use zeroize::Zeroizing;

/// `dunlin token`.
///
/// # Errors
/// When the host is not there or refuses.
pub(super) async fn token(args: &TokenArgs, output: &Output) -> anyhow::Result<()> {
    match &args.command {
        TokenCommand::Create {
            name,
            scope,
            expires,
            client,
        } => {
            let admin = Admin::new(client)?;
            let mut wanted = json!({ "name": name, "scope": scope });
            if let Some(expires) = expires {
                wanted["expires_in"] = json!(expires);
            }
            let request = admin.request(Method::POST, "/v1/tokens").json(&wanted);
            let answer = admin.send(request).await?;
            let made: Value = answer
                .json()
                .await
                .context("the host's answer is not JSON")?;
            output.note("this token is told only now:");
            output.data(&made, |made| text(made, "token"))
        }
        TokenCommand::Ls { client } => tokens(&Admin::new(client)?, output).await,
        TokenCommand::Rm { id, client } => {
            let admin = Admin::new(client)?;
            let path = format!("/v1/tokens/{id}");
            admin.send(admin.request(Method::DELETE, &path)).await?;
            output.data(&json!({ "removed": id }), |_| format!("removed token {id}"))
        }
    }
}

async fn tokens(admin: &Admin<'_>, output: &Output) -> anyhow::Result<()> {
    #[derive(Deserialize)]
    struct Tokens {
        tokens: Vec<Value>,
    }
    let Tokens { tokens } = admin.get("/v1/tokens").await?;
    let header = ["ID", "NAME", "SCOPE", "MADE", "USED", "EXPIRES"];
    list(&tokens, header, output, |token| {
        [
            token["id"].to_string(),
            text(token, "name"),
            text(token, "scope"),
            time(&token["created_at_ms"]),
            time(&token["used_at_ms"]),
            time(&token["expires_at_ms"]),
        ]
    })
}

/// `dunlin secret`.
///
/// # Errors
/// When there is no value, or the host is not there or refuses.
pub(super) async fn secret(args: &SecretArgs, output: &Output) -> anyhow::Result<()> {
    match &args.command {
        SecretCommand::Set {
            function,
            key,
            client,
        } => {
            let value = value(key)?;
            let admin = Admin::new(client)?;
            let request = admin.request(Method::PUT, &path(function, key));
            admin
                .send(request.json(&json!({ "value": *value })))
                .await?;
            let set = json!({ "function": function, "set": key });
            output.data(&set, |_| format!("set `{key}` of `{function}`"))
        }
        SecretCommand::Ls { function, client } => {
            secrets(&Admin::new(client)?, function, output).await
        }
        SecretCommand::Rm {
            function,
            key,
            client,
        } => {
            let admin = Admin::new(client)?;
            let request = admin.request(Method::DELETE, &path(function, key));
            admin.send(request).await?;
            let removed = json!({ "function": function, "removed": key });
            output.data(&removed, |_| format!("removed `{key}` of `{function}`"))
        }
    }
}

fn path(function: &FunctionName, key: &VarName) -> String {
    format!("/v1/functions/{function}/secrets/{key}")
}

async fn secrets(
    admin: &Admin<'_>,
    function: &FunctionName,
    output: &Output,
) -> anyhow::Result<()> {
    #[derive(Deserialize)]
    struct Secrets {
        secrets: Vec<Value>,
    }
    let path = format!("/v1/functions/{function}/secrets");
    let Secrets { secrets } = admin.get(&path).await?;
    list(&secrets, ["SECRET", "SET"], output, |secret| {
        [text(secret, "name"), time(&secret["updated_at_ms"])]
    })
}

/// A secret's value: asked for on a terminal, without echo, or else all of
/// standard input but the line break at its end. Never an argument, which every
/// user of the machine can see, and the shell remembers.
fn value(key: &VarName) -> anyhow::Result<Zeroizing<String>> {
    let stdin = std::io::stdin();
    let mut value = Zeroizing::new(String::new());
    if stdin.is_terminal() {
        *value = rpassword::prompt_password(format!("{key}: "))?;
    } else {
        // One byte more than may be, and a line break: too long is told by the
        // host, endless is not read.
        let most = MAX_SECRET_BYTES as u64 + 3;
        stdin
            .take(most)
            .read_to_string(&mut value)
            .context("a secret is text in UTF-8; encode anything else, in base64 say")?;
        if value.ends_with('\n') {
            value.pop();
            if value.ends_with('\r') {
                value.pop();
            }
        }
    }
    if value.is_empty() {
        let message =
            format!("there is no value for `{key}`: type it, or send it to standard input");
        return Err(Exit::Usage.error(message));
    }
    Ok(value)
}

/// `dunlin audit`.
///
/// # Errors
/// When the host is not there or refuses.
pub(super) async fn audit(args: &AuditArgs, output: &Output) -> anyhow::Result<()> {
    #[derive(Deserialize)]
    struct Entries {
        entries: Vec<Value>,
    }
    let admin = Admin::new(&args.client)?;
    let path = format!("/v1/audit?tail={}", args.tail);
    let Entries { entries } = admin.get(&path).await?;
    let header = ["TIME", "WHO", "FROM", "ACTION", "ON", "OUTCOME", "DETAIL"];
    list(&entries, header, output, |entry| {
        let who = match entry["token"].as_u64() {
            Some(token) => format!("{} ({token})", text(entry, "who")),
            None => text(entry, "who"),
        };
        [
            time(&entry["at_ms"]),
            who,
            text(entry, "peer"),
            text(entry, "action"),
            text(entry, "target"),
            text(entry, "outcome"),
            text(entry, "detail"),
        ]
    })
}

/// Prints a table, or with `--json` a value a line.
fn list<const N: usize>(
    values: &[Value],
    header: [&str; N],
    output: &Output,
    row: impl Fn(&Value) -> [String; N],
) -> anyhow::Result<()> {
    if output.is_json() {
        let mut values = values.iter();
        return values.try_for_each(|value| output.data(value, ToString::to_string));
    }
    if values.is_empty() {
        output.note("there are none");
        return Ok(());
    }
    let mut table = output::table(header);
    for value in values {
        table.add_row(row(value));
    }
    output.data(&table.to_string(), Clone::clone)
}

fn text(value: &Value, key: &str) -> String {
    output::plain(value[key].as_str().unwrap_or_default())
}

/// A moment for people; nothing, when it never was.
fn time(ms: &Value) -> String {
    let moment = ms.as_u64().map(Duration::from_millis);
    let moment = moment.and_then(|it| UNIX_EPOCH.checked_add(it));
    // What is later than its last year is never.
    let last = UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    match moment {
        Some(moment) if moment <= last => humantime::format_rfc3339_seconds(moment).to_string(),
        _ => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_that_never_come_are_shown_too() {
        assert_eq!(time(&json!(0)), "1970-01-01T00:00:00Z");
        assert_eq!(time(&Value::Null), "-");
        assert_eq!(time(&json!(i64::MAX)), "-");
        assert_eq!(time(&json!(u64::MAX)), "-");
    }
}
