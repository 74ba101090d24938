//! A real host with the real component: what `DUNLIN_TEST=host` asks for.

use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use std::{env, fs, process};

use serde_json::Value;
use tungstenite::client::IntoClientRequest as _;
use tungstenite::protocol::CloseFrame;

use super::block_on;
use super::response::{Source, TestResponse};
use super::socket::closed;
use crate::headers::Headers;
use crate::request::Request;
use crate::websocket::frames::Frame;
use crate::websocket::{Close, Message};

/// Starts the host (`$0`) with its data in `$1`, and ends it when standard
/// input ends: that is when the test's process has gone, however it went.
const WATCH: &str = r#"
trap '' INT
"$0" serve --data-dir "$1/data" --listen 127.0.0.1:0 --admin 127.0.0.1:0 \
  --drain-timeout 1s --json 2>"$1/log" &
host=$!
exec >/dev/null
read -r _
kill "$host"
wait "$host"
rm -rf "$1"
"#;

/// A message that has not come after so long never will. A host's handlers
/// take their time in earnest.
const LIMIT: Duration = Duration::from_secs(60);

/// A running host, and the function in it.
pub(super) struct Host {
    /// The listener: `http://127.0.0.1:1234`.
    url: String,
    /// Where the function answers: `/shop`, or nothing at all.
    pub(super) mount: String,
    /// The only host name that the function answers for, if it has one.
    name: Option<String>,
    agent: ureq::Agent,
    /// The host ends when this is closed.
    _life: ChildStdin,
}

impl Host {
    /// Whether the tests are to run in a host.
    #[track_caller]
    pub(super) fn wanted() -> bool {
        match env::var("DUNLIN_TEST") {
            Err(_) => false,
            Ok(place) => match place.as_str() {
                "" | "native" => false,
                "host" => true,
                other => panic!("`DUNLIN_TEST` is `{other}`: it may be `native` or `host`"),
            },
        }
    }

    /// The host of this process, which is started by the first who asks.
    #[track_caller]
    pub(super) fn running() -> &'static Host {
        static HOST: OnceLock<Result<Host, String>> = OnceLock::new();
        match HOST.get_or_init(Host::start) {
            Ok(host) => host,
            Err(reason) => panic!("no host for `DUNLIN_TEST=host`: {reason}"),
        }
    }

    fn start() -> Result<Host, String> {
        if !cfg!(unix) {
            return Err("it needs a Unix system".to_owned());
        }
        let package = env::var("CARGO_MANIFEST_DIR")
            .map_err(|_| "start the tests with `cargo test`, which says where the package is")?;
        let binary = binary();
        let folder = new_folder()?;
        let mut watch = Command::new("sh");
        watch.arg("-c").arg(WATCH).arg(&binary).arg(&folder);
        let mut watch = undisturbed(&mut watch)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("`sh` does not start: {error}"))?;
        let (Some(life), Some(stdout)) = (watch.stdin.take(), watch.stdout.take()) else {
            unreachable!("both are piped");
        };
        let mut line = String::new();
        let read = BufReader::new(stdout).read_line(&mut line);
        let bound = read.ok().and_then(|_| line.parse::<Value>().ok());
        let Some(bound) = bound else {
            let said = fs::read_to_string(folder.join("log")).unwrap_or_default();
            return Err(format!(
                "`{} serve` does not start: {said}\nname the binary with `DUNLIN_BIN`",
                binary.display()
            ));
        };
        let text = |value: &Value, key: &str| value[key].as_str().map(str::to_owned);
        let admin = text(&bound, "admin").unwrap_or_default();

        let mut deploy = Command::new(&binary);
        deploy.args(["deploy", &package, "--json"]);
        deploy.args(["--host", &format!("http://{admin}"), "--data-dir"]);
        deploy.arg(folder.join("data"));
        let deployed = undisturbed(&mut deploy)
            .output()
            .map_err(|error| format!("`{}` does not start: {error}", binary.display()))?;
        let version = String::from_utf8_lossy(&deployed.stdout);
        let version = version.lines().last().and_then(|line| line.parse().ok());
        let (true, Some(version)) = (deployed.status.success(), version) else {
            return Err(String::from_utf8_lossy(&deployed.stderr).into_owned());
        };
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .allow_non_standard_methods(true)
            .proxy(None)
            .build();
        let mount = text(&version, "mount").unwrap_or_default();
        let listen = text(&bound, "listen").unwrap_or_default();
        Ok(Host {
            url: format!("http://{listen}"),
            mount: mount.trim_end_matches('/').to_owned(),
            name: text(&version, "host"),
            agent: agent.into(),
            _life: life,
        })
    }

    #[track_caller]
    pub(super) fn send(&self, request: Request) -> TestResponse {
        match self.try_send(request) {
            Ok(answer) => answer,
            Err(error) => panic!("no answer from the host: {error}"),
        }
    }

    /// Opens a WebSocket, or gives the answer that refuses it.
    #[track_caller]
    pub(super) fn open(&self, request: &Request) -> Result<(Headers, HostSocket), TestResponse> {
        match self.try_open(request) {
            Ok(opened) => opened,
            Err(error) => panic!("no answer from the host: {error}"),
        }
    }

    fn try_open(
        &self,
        request: &Request,
    ) -> Result<Result<(Headers, HostSocket), TestResponse>, Box<dyn std::error::Error>> {
        let listen = self.url.trim_start_matches("http://");
        let url = format!("ws://{listen}{}{}", self.mount, request.target());
        let mut handshake = url.into_client_request()?;
        let headers = handshake.headers_mut();
        if let Some(name) = &self.name {
            headers.insert("host", name.parse()?);
        }
        for (name, value) in request.headers().iter() {
            let name: http::HeaderName = name.parse()?;
            headers.append(name, http::HeaderValue::from_bytes(value)?);
        }
        match tungstenite::client(handshake, TcpStream::connect(listen)?) {
            Ok((socket, answer)) => {
                let headers = Headers::from(answer.headers().clone());
                Ok(Ok((headers, HostSocket(Box::new(socket)))))
            }
            Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(answer))) => {
                let (head, body) = answer.into_parts();
                let headers = Headers::from(head.headers);
                let body = Source::Whole(body.unwrap_or_default());
                Ok(Err(TestResponse::new(head.status, headers, body)))
            }
            Err(error) => Err(error.to_string().into()),
        }
    }

    fn try_send(&self, request: Request) -> Result<TestResponse, Box<dyn std::error::Error>> {
        let (parts, body) = request.into_parts();
        let body = block_on(body.bytes())?;
        let mut builder = http::Request::builder().method(parts.method()).uri(format!(
            "{}{}{}",
            self.url,
            self.mount,
            parts.target()
        ));
        if let Some(name) = &self.name {
            builder = builder.header("host", name);
        }
        for (name, value) in parts.headers().iter() {
            builder = builder.header(name, value);
        }
        let answer = if body.is_empty() {
            self.agent.run(builder.body(())?)?
        } else {
            self.agent.run(builder.body(body)?)?
        };
        let (head, body) = answer.into_parts();
        let body = Source::Host(Box::new(body.into_reader()));
        Ok(TestResponse::new(
            head.status,
            Headers::from(head.headers),
            body,
        ))
    }
}

/// A WebSocket in a real host.
pub(super) struct HostSocket(Box<tungstenite::WebSocket<TcpStream>>);

impl HostSocket {
    pub(super) fn send(&mut self, message: Message) {
        let message = match message {
            Message::Text(text) => tungstenite::Message::text(text),
            Message::Binary(bytes) => tungstenite::Message::binary(bytes),
        };
        // Closed: `receive` tells how.
        let _ = self.0.send(message);
    }

    #[track_caller]
    pub(super) fn receive(&mut self) -> Frame {
        let end = Instant::now() + LIMIT;
        loop {
            // Pings come all the time.
            let left = end.saturating_duration_since(Instant::now());
            let left = left.max(Duration::from_millis(1));
            // Only a time of zero is refused.
            let _ = self.0.get_mut().set_read_timeout(Some(left));
            match self.0.read() {
                Err(tungstenite::Error::Io(error)) if is_timeout(&error) => {
                    panic!("the function has sent nothing for a minute, and has not closed")
                }
                Ok(tungstenite::Message::Text(text)) => {
                    return Frame::Message(Message::Text(text.to_string()));
                }
                Ok(tungstenite::Message::Binary(bytes)) => {
                    return Frame::Message(Message::Binary(bytes.into()));
                }
                Ok(tungstenite::Message::Close(close)) => {
                    // The answer to it.
                    let _ = self.0.flush();
                    return Frame::Close(Close {
                        code: close.as_ref().map(|close| close.code.into()),
                        reason: close.map_or_else(String::new, |it| it.reason.to_string()),
                    });
                }
                Ok(_) => {}
                Err(_) => return Frame::Close(closed(1006)),
            }
        }
    }

    pub(super) fn close(&mut self, code: u16, reason: &str) {
        let close = CloseFrame {
            code: code.into(),
            reason: reason.into(),
        };
        // Closed already.
        let _ = self.0.close(Some(close));
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{TimedOut, WouldBlock};
    matches!(error.kind(), TimedOut | WouldBlock)
}

/// `DUNLIN_BIN`, or the one that was built beside the test, or that in `PATH`.
fn binary() -> PathBuf {
    if let Some(binary) = env::var_os("DUNLIN_BIN") {
        return binary.into();
    }
    let test = env::current_exe().unwrap_or_default();
    // target/PROFILE/deps/TEST-HASH stands beside target/PROFILE/dunlin.
    let profiles = test.ancestors().nth(3).into_iter();
    let built = profiles.flat_map(|target| ["debug", "release"].map(|p| target.join(p)));
    let beside = test.ancestors().nth(2).map(Path::to_owned);
    let mut binaries = beside.into_iter().chain(built).map(|p| p.join("dunlin"));
    binaries
        .find(|binary| binary.is_file())
        .unwrap_or_else(|| "dunlin".into())
}

/// A folder that was not there before. For this user alone: the host's log
/// tells the first token.
fn new_folder() -> Result<PathBuf, String> {
    let now = std::time::SystemTime::now();
    let now = now
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    let name = format!("dunlin-test-{}-{}", process::id(), now.as_nanos());
    let folder = env::temp_dir().join(name);
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(&folder)
        .map_err(|error| format!("`{}` cannot be made: {error}", folder.display()))?;
    Ok(folder)
}

/// Without the variables that mean another host.
fn undisturbed(command: &mut Command) -> &mut Command {
    command
        .env_remove("DUNLIN_CONFIG")
        .env_remove("DUNLIN_HOST")
        .env_remove("DUNLIN_TOKEN")
}
