//! What a hostile guest is, what it is called with, and what is to come of it.

use std::time::Duration;

use futures::future::join_all;
use reqwest::Client;

use super::components;
use super::neighbour::Callers;
use crate::harness::{FunctionFolder, Host, component, folder_of, until, within};

/// Where a guest comes from.
#[derive(Clone, Copy)]
pub(crate) enum Guest {
    /// `tests/guests/zoo`, our contract.
    Zoo,
    /// `tests/guests/zoo-wasi-02`.
    Wasi02,
    /// A component as text: each of its requests is the attack.
    Text(&'static str),
}

/// What a caller gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A failure of the host: status and code.
    Failed(u16, String),
    /// The function's own answer, whole.
    Answered(u16, String),
    /// An answer that broke off.
    Cut,
}

/// A hostile guest: a row of the table.
#[derive(Clone)]
pub(crate) struct Animal {
    pub(crate) name: &'static str,
    guest: Guest,
    path: String,
    vars: String,
    cpu: &'static str,
    deadline: &'static str,
    memory: &'static str,
    outgoing: u32,
    egress: String,
    concurrency: u32,
    expected: Outcome,
    /// Or it is refused, because of `concurrency`.
    or_is_refused: bool,
    /// Evidence: what the function's log says.
    pub(crate) logged: &'static str,
    /// Callers at once.
    pub(crate) attackers: usize,
    /// It computes all the time, to its limit.
    pub(crate) computes: bool,
}

impl Animal {
    /// A guest that is to meet none of its limits but the ones that the row
    /// sets. They are small, so that breaching them is quick.
    pub(crate) fn new(name: &'static str, guest: Guest, path: &str) -> Self {
        Self {
            name,
            guest,
            path: path.to_owned(),
            vars: String::new(),
            cpu: "1m",
            deadline: "1m",
            memory: "32MiB",
            outgoing: 50,
            egress: String::new(),
            concurrency: 1_000,
            expected: Outcome::Cut,
            or_is_refused: false,
            logged: "",
            attackers: 4,
            computes: false,
        }
    }

    pub(crate) fn cpu(self, cpu: &'static str) -> Self {
        Self {
            cpu,
            computes: true,
            ..self
        }
    }

    pub(crate) fn deadline(self, deadline: &'static str) -> Self {
        Self { deadline, ..self }
    }

    pub(crate) fn memory(self, memory: &'static str) -> Self {
        Self { memory, ..self }
    }

    pub(crate) fn egress(self, egress: impl ToString, outgoing: u32) -> Self {
        Self {
            egress: egress.to_string(),
            outgoing,
            ..self
        }
    }

    pub(crate) fn concurrency(self, concurrency: u32) -> Self {
        Self {
            concurrency,
            ..self
        }
    }

    pub(crate) fn attackers(self, attackers: usize) -> Self {
        Self { attackers, ..self }
    }

    pub(crate) fn fails(self, status: u16, code: &str) -> Self {
        let expected = Outcome::Failed(status, code.to_owned());
        Self { expected, ..self }
    }

    pub(crate) fn or_is_refused(self) -> Self {
        Self {
            or_is_refused: true,
            ..self
        }
    }

    pub(crate) fn answers(self, text: &str) -> Self {
        let expected = Outcome::Answered(200, text.to_owned());
        Self { expected, ..self }
    }

    pub(crate) fn var(self, name: &str, value: impl ToString) -> Self {
        let vars = format!("{name} = \"{}\"", value.to_string());
        Self { vars, ..self }
    }

    pub(crate) fn logs(self, logged: &'static str) -> Self {
        Self { logged, ..self }
    }

    /// What is deployed.
    pub(crate) async fn folder(&self) -> FunctionFolder {
        let bytes = match self.guest {
            Guest::Zoo => component("zoo").await.to_vec(),
            Guest::Wasi02 => component("zoo-wasi-02").await.to_vec(),
            Guest::Text(text) => components::encode(text),
        };
        let manifest = format!(
            "[vars]\n{}\n[egress]\nallow = [{}]\n[limits]\ncpu = \"{}\"\ndeadline = \"{}\"\n\
             memory = \"{}\"\noutgoing_requests = {}\nconcurrency = {}\nlog_output = \"16KiB\"\n",
            self.vars,
            self.egress,
            self.cpu,
            self.deadline,
            self.memory,
            self.outgoing,
            self.concurrency
        );
        folder_of(self.name, &bytes, &manifest)
    }

    pub(crate) async fn deploy(&self, host: &Host) {
        let folder = self.folder().await;
        let deploy = ["deploy".as_ref(), folder.path.as_os_str()];
        host.run(deploy).await.succeeded();
    }

    /// Attacks until the neighbour's callers have seen enough, each attacker at
    /// least once; asserts what comes of it.
    pub(crate) async fn attack(&self, host: &Host, neighbour: &Callers, pause: Duration) {
        let client = Client::builder().no_proxy().build().expect("is sound");
        let url = host.url(&format!("/{}{}", self.name, self.path));
        let refused = Outcome::Failed(429, "function-overloaded".to_owned());
        let attacker = async || {
            loop {
                let outcome = within(self.name, call(&client, &url)).await;
                if !(self.or_is_refused && outcome == refused) {
                    assert_eq!(outcome, self.expected, "{}", self.name);
                }
                if neighbour.have_seen_enough() {
                    break;
                }
                tokio::time::sleep(pause).await;
            }
        };
        join_all((0..self.attackers).map(|_| attacker())).await;
    }

    /// Asserts that the function's log says why.
    pub(crate) async fn is_logged(&self, host: &Host) {
        if self.logged.is_empty() {
            return;
        }
        let what = format!("{}: a log line with `{}`", self.name, self.logged);
        until(&what, async || {
            let log = host.logs(self.name).await;
            let mut messages = log.iter().filter_map(|line| line["message"].as_str());
            messages
                .any(|message| message.contains(self.logged))
                .then_some(())
        })
        .await;
    }

    /// Asserts that the function serves on: a component whose every request is
    /// an attack, with the same failure.
    pub(crate) async fn is_served(&self, host: &Host) {
        let path = match self.guest {
            Guest::Zoo | Guest::Wasi02 => "/well",
            Guest::Text(_) => {
                let outcome = call(&Client::new(), &host.url(&format!("/{}", self.name))).await;
                assert_eq!(outcome, self.expected, "{}", self.name);
                return;
            }
        };
        let answer = until("room for another request", async || {
            let answer = host.get(&format!("/{}{path}", self.name)).await;
            (!self.or_is_refused || answer.status != 429).then_some(answer)
        })
        .await;
        assert_eq!(answer.ok(), "well", "{}", self.name);
    }
}

/// Longest answer that is kept, in bytes.
const KEPT: usize = 1024;

/// One request, and what became of it.
async fn call(client: &Client, url: &str) -> Outcome {
    let mut response = match client.get(url).send().await {
        Ok(response) => response,
        // Cut before the head was out.
        Err(error) if error.is_request() => return Outcome::Cut,
        Err(error) => panic!("{url}: {error:?}"),
    };
    let status = response.status().as_u16();
    let code = response.headers().get("dunlin-error").cloned();
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(piece)) => {
                let room = KEPT - body.len();
                body.extend_from_slice(&piece[..piece.len().min(room)]);
            }
            Ok(None) => break,
            Err(_) => return Outcome::Cut,
        }
    }
    match code {
        Some(code) => Outcome::Failed(status, code.to_str().expect("is ASCII").to_owned()),
        None => Outcome::Answered(status, String::from_utf8_lossy(&body).into_owned()),
    }
}
