//! A running host, and requests to it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{HeaderMap, Method, StatusCode};
use reqwest::{Client, RequestBuilder};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::{NamedTempFile, TempDir};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::binary::{Ran, dunlin, run};
use super::{Upstream, function_folder, until, within};

/// A running host. It ends when dropped; when its test fails, what it wrote to
/// standard error is printed.
pub(crate) struct Host {
    child: Child,
    pid: Pid,
    pub(crate) listen: SocketAddr,
    pub(crate) admin: SocketAddr,
    data_dir: Arc<TempDir>,
    /// Open for as long as the host runs.
    _stdout: Lines<BufReader<ChildStdout>>,
    stderr: NamedTempFile,
    client: Client,
    /// Its end was expected.
    ended: AtomicBool,
}

impl Host {
    /// A host on free ports, with an empty data directory.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with more flags.
    pub(crate) async fn start_with(flags: &[&str]) -> Self {
        let data_dir = tempfile::tempdir().expect("a temporary folder");
        share_compiled_code(data_dir.path());
        Self::start_on(Arc::new(data_dir), flags).await
    }

    /// A host that compiles everything itself, rather than using what the
    /// hosts of other tests have compiled.
    pub(crate) async fn start_cold() -> Self {
        let data_dir = tempfile::tempdir().expect("a temporary folder");
        Self::start_on(Arc::new(data_dir), &[]).await
    }

    /// A host on the data directory of one that has ended.
    pub(crate) async fn start_on(data_dir: Arc<TempDir>, flags: &[&str]) -> Self {
        let mut command = dunlin();
        command
            .arg("serve")
            .arg("--data-dir")
            .arg(data_dir.path())
            .args(flags);
        within("the host's start", Self::spawn(command, data_dir)).await
    }

    /// Starts `command`, `serve` or `up`, on free ports. No limit on the time:
    /// `up` builds first.
    pub(crate) async fn spawn(mut command: Command, data_dir: Arc<TempDir>) -> Self {
        let stderr = NamedTempFile::new().expect("a temporary file");
        let mut child = command
            .args([
                "--listen",
                "127.0.0.1:0",
                "--admin",
                "127.0.0.1:0",
                "--json",
            ])
            .stderr(stderr.reopen().expect("a second handle"))
            .spawn()
            .expect("the host starts");
        let pid = child.id().expect("it was just started");
        let pid = Pid::from_raw(pid.cast_signed()).expect("is no zero");
        let mut stdout = BufReader::new(child.stdout.take().expect("is piped")).lines();
        let line = stdout
            .next_line()
            .await
            .expect("can be read")
            .unwrap_or_default();
        let bound: serde_json::Value = line.parse().unwrap_or_else(|_| {
            let said = fs::read_to_string(stderr.path()).unwrap_or_default();
            panic!("the host did not print its addresses but {line:?}:\n{said}")
        });
        let address = |key: &str| {
            bound[key]
                .as_str()
                .expect("is a text")
                .parse()
                .expect("is one")
        };
        let client = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none());
        Self {
            listen: address("listen"),
            admin: address("admin"),
            child,
            pid,
            data_dir,
            _stdout: stdout,
            stderr,
            client: client.build().expect("the client is sound"),
            ended: AtomicBool::new(false),
        }
    }

    /// The URL of `path` on the public listener.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.listen)
    }

    /// A request to `path`.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path))
    }

    /// The answer to `GET path`.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::to(self.request(Method::GET, path)).await
    }

    /// The answer to `POST path`.
    pub(crate) async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        Answer::to(self.request(Method::POST, path).body(body)).await
    }

    /// Deploys the function `name` with these settings before its `[build]`.
    ///
    /// # Panics
    /// If it is not deployed.
    pub(crate) async fn deploy(&self, name: &str, manifest: &str) {
        self.try_deploy(name, manifest).await.succeeded();
    }

    /// The same; may fail.
    pub(crate) async fn try_deploy(&self, name: &str, manifest: &str) -> Ran {
        let folder = function_folder(name, manifest).await;
        self.run(["deploy".as_ref(), folder.path.as_os_str()]).await
    }

    /// Deploys `misc` so that it may fetch from `upstream`.
    pub(crate) async fn deploy_misc_for(&self, upstream: &Upstream) {
        self.deploy(
            "misc",
            &format!("[egress]\nallow = [\"{}\"]", upstream.address),
        )
        .await;
    }

    /// A command that talks to this host, to be given more arguments.
    pub(crate) fn command(&self, subcommand: &str) -> Command {
        let mut command = dunlin();
        command
            .arg(subcommand)
            .arg("--host")
            .arg(format!("http://{}", self.admin))
            .arg("--data-dir")
            .arg(self.data_dir());
        command
    }

    /// Runs a command that talks to this host: the subcommand, then the rest.
    pub(crate) async fn run<A: AsRef<std::ffi::OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Ran {
        let mut command = dunlin();
        command
            .args(arguments)
            .arg("--host")
            .arg(format!("http://{}", self.admin))
            .arg("--data-dir")
            .arg(self.data_dir());
        run(&mut command).await
    }

    /// A request to the admin API, without a token.
    pub(crate) fn admin_request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("http://{}{path}", self.admin);
        self.client.request(method, url)
    }

    /// The first token.
    pub(crate) fn token(&self) -> String {
        let token = fs::read_to_string(self.data_dir().join("token")).expect("there is a token");
        token.trim().to_owned()
    }

    /// The function's log so far, a JSON value a line.
    pub(crate) async fn logs(&self, name: &str) -> Vec<serde_json::Value> {
        let tail = ["logs", name, "--json", "--tail", "1000"];
        self.run(tail).await.succeeded().json()
    }

    /// Waits for a line with this text in the function's log.
    pub(crate) async fn logged(&self, name: &str, text: &str) -> serde_json::Value {
        until(text, async || {
            let log = self.logs(name).await;
            log.into_iter().find(|line| {
                let message = line["message"].as_str();
                message.is_some_and(|message| message.contains(text))
            })
        })
        .await
    }

    /// What `/metrics` on the admin listener says.
    pub(crate) async fn metrics(&self) -> String {
        let request = self.admin_request(Method::GET, "/metrics");
        let request = request.bearer_auth(self.token());
        Answer::to(request).await.ok().to_owned()
    }

    /// The data directory.
    pub(crate) fn data_dir(&self) -> &Path {
        self.data_dir.path()
    }

    /// What the host has written to standard error.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.stderr.path()).unwrap_or_default()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).expect("the host runs");
    }

    /// Waits for the host's end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let status = within("the host's end", self.child.wait())
            .await
            .expect("it runs");
        self.ended.store(true, Ordering::Relaxed);
        status
    }

    /// Stops the host as an operator would; returns its data directory.
    pub(crate) async fn stop(mut self) -> Arc<TempDir> {
        self.signal(Signal::TERM);
        let status = self.ended().await;
        assert!(status.success(), "{status}: {}", self.said());
        self.data_dir.clone()
    }

    /// The host's resident memory, now and at its peak, in bytes.
    pub(crate) fn resident_bytes(&self) -> (u64, u64) {
        let status = self.proc_file("status");
        let kib = |key: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            let number = line.and_then(|line| line.split_whitespace().next());
            number
                .and_then(|number| number.parse().ok())
                .expect("Linux tells it")
        };
        (kib("VmRSS:") * 1024, kib("VmHWM:") * 1024)
    }

    /// From now on the peak of the resident memory is a new one.
    pub(crate) fn forget_peak(&self) {
        let path = format!("/proc/{}/clear_refs", self.pid.as_raw_nonzero());
        fs::write(path, "5").expect("the host runs");
    }

    /// The CPU time that the host has used, in clock ticks (10 ms).
    pub(crate) fn cpu_ticks(&self) -> u64 {
        let stat = self.proc_file("stat");
        // The name in parentheses may hold anything: count from behind it.
        let (_, after) = stat.rsplit_once(") ").expect("the name ends");
        let fields: Vec<&str> = after.split(' ').collect();
        let ticks = |at: usize| -> u64 { fields[at].parse().expect("is a number") };
        ticks(11) + ticks(12)
    }

    /// Waits until the host uses hardly any CPU time between one look and the
    /// next.
    pub(crate) async fn becomes_idle(&self) {
        let mut looks = vec![self.cpu_ticks()];
        until("the host becomes idle", async || {
            looks.push(self.cpu_ticks());
            // Of ten looks' time, 200 ms and more, a guest that runs takes most.
            let ten_before = looks.len().checked_sub(11)?;
            (looks[looks.len() - 1] - looks[ten_before] <= 3).then_some(())
        })
        .await;
    }

    /// The host's process.
    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// The processes that the host has started and that still run.
    pub(crate) fn children(&self) -> Vec<Pid> {
        let host = self.pid.as_raw_nonzero().to_string();
        let is_child = |stat: &str| {
            // The name in parentheses may hold anything: count from behind it.
            let (_, after) = stat.rsplit_once(") ")?;
            let mut fields = after.split(' ');
            (fields.next() != Some("Z") && fields.next() == Some(&host)).then_some(())
        };
        let processes = fs::read_dir("/proc").expect("Linux has it").flatten();
        processes
            .filter_map(|process| {
                let pid = Pid::from_raw(process.file_name().to_str()?.parse().ok()?)?;
                // It may end meanwhile.
                is_child(&fs::read_to_string(process.path().join("stat")).ok()?)?;
                Some(pid)
            })
            .collect()
    }

    fn proc_file(&self, name: &str) -> String {
        let path: PathBuf = format!("/proc/{}/{name}", self.pid.as_raw_nonzero()).into();
        fs::read_to_string(path).expect("the host runs")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if !self.ended.load(Ordering::Relaxed) {
            // Fails only if it has ended by itself.
            let _ = self.child.start_kill();
        }
        if std::thread::panicking() {
            eprintln!("--- the host's standard error ---\n{}---", self.said());
        }
    }
}

/// Compiling is most of what deploying costs. The code is named by what it was
/// compiled from and by the engine, so hosts can share it.
fn share_compiled_code(data_dir: &Path) {
    let shared = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
    fs::create_dir_all(&shared).expect("can be made");
    std::os::unix::fs::symlink(shared, data_dir.join("compiled")).expect("is not there yet");
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    /// The answer to `request`.
    ///
    /// # Panics
    /// If there is none, or it breaks off.
    #[track_caller]
    pub(crate) fn to(request: RequestBuilder) -> impl Future<Output = Self> {
        within("an answer", async move {
            let response = request.send().await.expect("an answer");
            let (status, headers) = (response.status(), response.headers().clone());
            let body = response.text().await.expect("a whole answer");
            Self {
                status,
                headers,
                body,
            }
        })
    }

    /// A header field; empty when it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("is text"))
    }

    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        self.body
            .parse()
            .unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// Asserts a 200, and returns the body.
    #[track_caller]
    pub(crate) fn ok(&self) -> &str {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        &self.body
    }

    /// Asserts that the host, and not the function, refused.
    #[track_caller]
    pub(crate) fn failed(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("dunlin-error"), code, "{self:?}");
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{self:?}"
        );
        let problem = self.json();
        assert_eq!(problem["status"], status, "{problem}");
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(
            problem["request_id"],
            self.header("x-request-id"),
            "{problem}"
        );
        assert!(
            problem["title"].as_str().is_some_and(|it| !it.is_empty()),
            "{problem}"
        );
        // Nothing about the inside of guest or host.
        assert!(problem.get("detail").is_none(), "{problem}");
    }
}
