//! Joins the stations to a running host, and takes it down again.

use super::args::ServeArgs;
use super::config::HostConfig;
use super::exit::Exit;
use super::output::Output;
use crate::admin::{self, AdminConfig, Deployer, FailedAttempts, HostInfo, Observed, Public};
use crate::capabilities::egress::Egress;
use crate::gateway::{self, Detail, Gateway, Listener, Stations, Tls, TlsSource};
use crate::registry::{
    LocalToken, Registry, RegistryError, SECRET_KEY_VARIABLE, SecretKey, Version,
};
use crate::routing::Table;
use crate::runtime::{Engine, Instances};
use crate::scheduling::Lanes;
use crate::telemetry::{self, LogFormat, Logs, Metrics};
use anyhow::Context as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::disable_transparent_huge_pages;
use serde::Serialize;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

/// How often instances and versions that nobody uses are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);

/// Longest wait for the last answers, to those whose invocations were ended.
const FAREWELL_TIMEOUT: Duration = Duration::from_millis(500);

/// Longest wait for the event loops to let go of what they run: a few ticks,
/// unless the machine is very busy.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// A host that serves.
pub(super) struct Host {
    pub(super) bound: Bound,
    pub(super) deployer: Arc<Deployer>,
    pub(super) registry: Arc<Registry>,
    pub(super) restored: usize,
    /// What its own user gets in with.
    local_token: LocalToken,
    routes: Arc<Table>,
    gateway: Arc<Gateway>,
    ready: Arc<AtomicBool>,
    serving: JoinHandle<()>,
    admin: JoinHandle<()>,
    sweeping: JoinHandle<()>,
    /// Looks after versions on trial.
    watching: JoinHandle<()>,
    drain_timeout: Duration,
    engine: Arc<Engine>,
    lanes: Arc<Lanes>,
}

/// Where a host can be reached.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Bound {
    pub(super) scheme: &'static str,
    pub(super) listen: SocketAddr,
    pub(super) admin: SocketAddr,
    pub(super) data_dir: PathBuf,
}

impl Host {
    /// Starts a host, with everything that its data directory says is deployed.
    ///
    /// # Errors
    /// A bad setting, a port in use, a data directory in use or damaged: all
    /// before the first request is taken.
    pub(super) async fn start(args: &ServeArgs, detail: &Detail) -> anyhow::Result<Self> {
        // Memory here is many small pieces, of instances and connections: pages of
        // 2 MiB would make a third more of it resident. Where that can't be had,
        // it costs memory and nothing else.
        let _ = disable_transparent_huge_pages(true);
        let open_files = raise_open_file_limit();
        // Where files may only be so large, a write that is refused is an error
        // like any other, not the end of the process.
        let _ = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?;
        let config = HostConfig::load(args, detail, open_files)?;
        // Both sockets next: a busy port is the likeliest mistake, and cheap.
        let listener = Listener::bind(args.listen)?;
        let admin_socket = gateway::bind(args.admin, "--admin")?;
        let admin_socket = tokio::net::TcpListener::from_std(admin_socket)?;

        let data_dir = args.data_dir.clone();
        let secret_key = given_secret_key()?;
        let opening = tokio::task::spawn_blocking(move || {
            let registry = Registry::open(&data_dir)?.with_secret_key(secret_key);
            for closed in registry.closed_secrets()? {
                tracing::error!(target: "dunlin", "{closed}");
            }
            let local_token = registry.local_token()?;
            Ok::<_, RegistryError>((registry, local_token))
        });
        let (registry, local_token) = opening.await??;
        let registry = Arc::new(registry.with_maxima(config.maxima));
        let logs = Arc::new(Logs::default());
        let lanes = Arc::new(Lanes::start(&config.lanes).context(
            "the lanes do not start: lower `host.workers` and `host.blocking_threads`, or let the \
             host have more threads",
        )?);
        let egress = Egress::new(&config.egress, tokio::runtime::Handle::current())?
            .with_event_loops(lanes.event_loops());
        let engine = Engine::new(&config.engine, egress, logs.clone())
            .map_err(anyhow::Error::from)
            .context("the WebAssembly engine does not start on this machine")?;
        let engine = Arc::new(engine);
        clean_up(&registry, &engine).await?;
        let tls = tls_source(args).map(Tls::load).transpose()?.map(Arc::new);
        let metrics = Arc::new(Metrics::default());
        let routes = Arc::new(Table::new(metrics.clone()));
        let instances = Arc::new(Instances::new(
            engine.clone(),
            registry.clone(),
            &lanes,
            config.unload_after,
        ));
        let deployer = Arc::new(Deployer::new(
            engine.clone(),
            registry.clone(),
            routes.clone(),
            instances.clone(),
            logs.clone(),
            lanes.clone(),
            config.kept_versions,
        ));
        let restored = {
            let deployer = deployer.clone();
            tokio::task::spawn_blocking(move || deployer.restore()).await??
        };

        let gateway = Arc::new(Gateway::new(
            config.gateway,
            tls.clone(),
            Stations {
                registry: registry.clone(),
                routes: routes.clone(),
                lanes: lanes.clone(),
                instances: instances.clone(),
            },
            logs.clone(),
            metrics.clone(),
        ));
        let ready = Arc::new(AtomicBool::new(true));
        let sweep_interval = SWEEP_INTERVAL.min(config.unload_after);
        let bound = Bound {
            scheme: if tls.is_some() { "https" } else { "http" },
            listen: listener.local_addr()?,
            admin: admin_socket.local_addr()?,
            data_dir: args.data_dir.clone(),
        };
        let router = admin::router(AdminConfig {
            deployer: deployer.clone(),
            registry: registry.clone(),
            routes: routes.clone(),
            logs,
            ready: ready.clone(),
            host: HostInfo {
                public: Public {
                    scheme: bound.scheme,
                    listen: bound.listen,
                },
                settings: config.settings,
                open_files,
                threads: config.lanes.workers.max(config.lanes.blocking_threads),
                engine: engine.clone(),
            },
            observed: Observed {
                metrics,
                lanes: lanes.clone(),
                instances: instances.clone(),
            },
            failures: FailedAttempts::default(),
        });
        Ok(Self {
            bound,
            registry,
            restored,
            local_token,
            routes,
            serving: tokio::spawn(listener.serve(gateway.clone())),
            gateway,
            ready,
            admin: tokio::spawn(admin::serve(admin_socket, router)),
            sweeping: tokio::spawn(async move {
                let mut interval = tokio::time::interval(sweep_interval);
                loop {
                    interval.tick().await;
                    instances.sweep();
                    match tls.as_ref().map(|tls| tls.reload_if_changed()) {
                        Some(Ok(true)) => {
                            tracing::info!(target: "dunlin", "the certificate was loaded again");
                        }
                        Some(Err(error)) => tracing::error!(
                            target: "dunlin",
                            error = &error as &dyn std::error::Error,
                            "the new certificate is not used, the old one is"
                        ),
                        Some(Ok(false)) | None => {}
                    }
                }
            }),
            watching: tokio::spawn(deployer.clone().watch()),
            deployer,
            drain_timeout: config.drain_timeout,
            engine,
            lanes,
        })
    }

    /// The version of each function that gets most of its traffic.
    pub(super) fn versions(&self) -> Vec<Arc<Version>> {
        let functions = self.routes.functions();
        let main = functions.iter().map(|it| it.main().version.clone());
        main.collect()
    }

    /// Stops: takes no more connections, lets running invocations finish until
    /// the drain timeout, then ends them. A second signal ends them at once.
    pub(super) async fn stop(self, stop: &mut StopSignal, output: &Output) {
        self.ready.store(false, Ordering::Relaxed);
        self.gateway.drain();
        let mut serving = self.serving;
        let is_done = tokio::select! {
            _ = &mut serving => true,
            () = tokio::time::sleep(self.drain_timeout) => {
                output.warn("the drain timeout is over: what still ran was ended");
                false
            }
            () = stop.recv() => {
                output.warn("second signal: what still ran was ended");
                false
            }
        };
        // Also what outlives its requests ends now; who waits for an answer
        // gets one.
        self.engine.stop_instances();
        if !is_done {
            let _ = tokio::time::timeout(FAREWELL_TIMEOUT, serving).await;
        }
        // Before the control loop ends, on which outgoing requests run: no
        // function sees its calls fail because the host stops.
        let lanes = self.lanes;
        let stopped = tokio::task::spawn_blocking(move || lanes.stop());
        let _ = tokio::time::timeout(STOP_TIMEOUT, stopped).await;
        self.admin.abort();
        self.sweeping.abort();
        self.watching.abort();
    }
}

/// Removes what earlier hosts left behind. A host that can't do that can
/// still serve.
async fn clean_up(registry: &Arc<Registry>, engine: &Engine) -> anyhow::Result<()> {
    let (registry, engine) = (registry.clone(), engine.fingerprint());
    match tokio::task::spawn_blocking(move || registry.remove_leftovers(&engine)).await? {
        Ok(removed) if removed.is_nothing() => {}
        Ok(removed) => tracing::info!(target: "dunlin", "{removed}"),
        Err(error) => tracing::warn!(
            target: "dunlin",
            error = &error as &dyn std::error::Error,
            "what earlier hosts left behind could not be removed"
        ),
    }
    Ok(())
}

/// The signals that stop a host.
pub(super) struct StopSignal {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignal {
    /// Listens from now on.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    pub(super) async fn recv(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Starts the log of a command that serves.
pub(super) fn install_log(output: &Output) {
    let format = if output.is_json() {
        LogFormat::Json
    } else {
        LogFormat::Text
    };
    let writer = output.clone();
    telemetry::install(format, output.verbosity(), move || writer.log_writer());
}

/// `dunlin serve`.
///
/// # Errors
/// As [`Host::start`].
pub(super) async fn serve(args: &ServeArgs, output: &Output) -> anyhow::Result<()> {
    install_log(output);
    let mut stop = StopSignal::new()?;
    let host = Host::start(args, &Detail::Brief).await?;
    let file = args.data_dir.join("token");
    match &host.local_token {
        LocalToken::Kept => {}
        LocalToken::Made(token) => output.note(format_args!(
            "the first token, scope admin, is told only now and lies in {}:\n  {}",
            file.display(),
            token.as_str()
        )),
        LocalToken::Revoked => output.warn(format_args!(
            "the token in {} was removed: commands on this machine need `--token`, or delete the \
             file and start again, which makes a new one",
            file.display()
        )),
    }
    output.data(&host.bound, |bound| {
        format!(
            "serving {} on {}://{}, admin on http://{}",
            super::output::count(host.restored, "function"),
            bound.scheme,
            bound.listen,
            bound.admin
        )
    })?;
    stop.recv().await;
    output.note("stopping: running invocations may finish; again to stop at once");
    host.stop(&mut stop, output).await;
    Ok(())
}

/// The key for secrets that the environment gives.
fn given_secret_key() -> anyhow::Result<Option<SecretKey>> {
    let Some(text) = std::env::var_os(SECRET_KEY_VARIABLE) else {
        return Ok(None);
    };
    let text = Zeroizing::new(text.into_string().unwrap_or_default());
    let key = SecretKey::parse(&text, &format!("the variable {SECRET_KEY_VARIABLE}"));
    Ok(Some(
        key.map_err(|error| Exit::Usage.error(error.to_string()))?,
    ))
}

fn tls_source(args: &ServeArgs) -> Option<TlsSource> {
    match (&args.tls_cert, &args.tls_key) {
        (Some(certificate), Some(key)) => Some(TlsSource::Files {
            certificate: certificate.clone(),
            key: key.clone(),
        }),
        _ => args.tls_self_signed.then_some(TlsSource::SelfSigned),
    }
}

/// Every connection is an open file; the soft limit is often a mere 1,024.
fn raise_open_file_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // Refused, the old limit is what there is.
    let _ = setrlimit(Resource::Nofile, raised);
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
