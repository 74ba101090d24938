//! Commands that talk to a running host: `ls`, `logs`, and what all of them
//! share.

use super::args::{LogsArgs, LsArgs};
use super::client_args::{ClientArgs, Token};
use super::exit::Exit;
use super::output::{self, Output};
use super::public::{Public, Reach};
use super::traffic;
use anyhow::Context as _;
use futures::StreamExt as _;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;

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
        // Fails only if there is one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut client = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .no_proxy();
        if !args.host.is_https() {
            // Else the system's certificates are read, for nothing.
            client = client.tls_certs_only([]);
        }
        let client = client.build()?;
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
        self.accepted(self.send_any(request).await?).await
    }

    /// `response`, if it is a success; else an error with the host's own words.
    pub(super) async fn accepted(&self, response: Response) -> anyhow::Result<Response> {
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

    /// The token to show, if there is one.
    pub(super) fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    /// Where the host serves functions.
    pub(super) async fn public(&self) -> anyhow::Result<Public> {
        let Reach { scheme, listen } = self.get("/v1/host").await?;
        Ok(Public::new(&scheme, listen, &self.args.host))
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
            let method = match route["kind"] == "websocket" {
                true => "WS".to_owned(),
                false => text("method"),
            };
            let route = [method, text("path"), lane, text("summary")];
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
