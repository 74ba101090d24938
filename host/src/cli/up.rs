//! `dunlin up`, the developer's loop: build, deploy, serve, watch, and again.

use super::args::UpArgs;
use super::build::{self, BuildOptions, Built, MissingTarget, Purpose, Toolchain};
use super::host::{Host, StopSignal, install_log};
use super::output::{self, Output};
use super::project::{self, Project};
use super::watch::{Changed, Watch};
use crate::admin::Rollout;
use crate::gateway::Detail;
use crate::names::FunctionName;
use crate::registry::{Digest, Manifest};
use anyhow::Context as _;
use std::collections::HashMap;
use std::time::Instant;

/// Runs the loop until it is told to stop.
///
/// # Errors
/// When nothing can be served at all: no functions, no cargo, a busy port.
pub(super) async fn run(args: &UpArgs, output: &Output) -> anyhow::Result<()> {
    install_log(output);
    let mut stop = StopSignal::new()?;
    let mut projects = project::find(&args.folder)?;
    let host = Host::start(&args.serve, Detail::Development).await?;
    let options = BuildOptions {
        toolchain: Toolchain::from_env().in_own_group(),
        missing_target: MissingTarget::Install,
        purpose: Purpose::Developing,
    };
    // Watched from before the first build: what is saved meanwhile is not lost.
    let mut watch = Watch::new(&args.folder, &projects, &options.toolchain, output).await?;

    let mut loop_state = Loop::new(host, options, output);
    tokio::select! {
        () = stop.recv() => {
            loop_state.host.stop(&mut stop, output).await;
            return Ok(());
        }
        built = loop_state.build_and_deploy(&projects) => built?,
    }
    loop_state.print_addresses()?;
    loop {
        let changed = tokio::select! {
            () = stop.recv() => break,
            changed = watch.next() => changed?,
        };
        if let Changed::Layout(_) = changed {
            match project::find(&args.folder) {
                Ok(found) => {
                    loop_state.remove_absent(&projects, &found).await?;
                    projects = found;
                }
                // Half-typed manifests are part of the loop: the last good
                // state serves on.
                Err(error) => {
                    output.error(&error);
                    continue;
                }
            }
            watch.follow(&projects).await?;
        }
        tokio::select! {
            () = stop.recv() => break,
            built = loop_state.build_and_deploy(&projects) => {
                if let Err(error) = built {
                    output.error(&error);
                }
            }
        }
    }
    output.note("stopping: running invocations may finish; again to stop at once");
    loop_state.host.stop(&mut stop, output).await;
    Ok(())
}

struct Loop<'a> {
    host: Host,
    options: BuildOptions,
    output: &'a Output,
    /// What each function was last deployed from: the same again is no change.
    deployed: HashMap<FunctionName, (Digest, Manifest)>,
}

impl<'a> Loop<'a> {
    fn new(host: Host, options: BuildOptions, output: &'a Output) -> Self {
        let deployed = host.versions().into_iter().map(|version| {
            let state = (version.component.clone(), version.manifest.clone());
            (version.id.function().clone(), state)
        });
        Self {
            deployed: deployed.collect(),
            host,
            options,
            output,
        }
    }

    /// Builds everything (what has not changed costs nothing) and deploys what
    /// came out different. A function that fails leaves its last good version
    /// in service.
    async fn build_and_deploy(&mut self, projects: &[Project]) -> anyhow::Result<()> {
        let built = build::build(projects, &self.options, self.output).await?;
        for one in &built {
            if one.outcome.is_err() || !one.warnings.is_empty() {
                one.print(self.output);
            }
            if let Err(error) = self.deploy(one).await {
                let name = &one.project.name;
                self.output
                    .error(&error.context(format!("`{name}` was not deployed")));
            }
        }
        Ok(())
    }

    async fn deploy(&mut self, built: &Built<'_>) -> anyhow::Result<()> {
        let Ok(component) = &built.outcome else {
            return Ok(());
        };
        let start = Instant::now();
        let bytes = tokio::fs::read(component)
            .await
            .with_context(|| format!("`{}` cannot be read", component.display()))?;
        let manifest = &built.project.manifest;
        let state = (Digest::of(&bytes), manifest.clone());
        if self.deployed.get(&manifest.name) == Some(&state) {
            return Ok(());
        }
        let registry = self.host.registry.clone();
        let digest = tokio::task::spawn_blocking(move || registry.put_component(&bytes)).await??;
        let deployed = self
            .host
            .deployer
            .deploy(digest, manifest.clone(), Rollout::All)
            .await?;
        self.deployed.insert(manifest.name.clone(), state);
        for warning in deployed.version.warnings() {
            let name = &manifest.name;
            self.output.warn(format_args!("`{name}`: {warning}"));
        }
        let address = match &manifest.host {
            Some(host) => host.to_string(),
            None => self.host.bound.listen.to_string(),
        };
        self.output.note(format_args!(
            "deployed {} at {}://{address}{} in {}",
            deployed.version.id,
            self.host.bound.scheme,
            manifest.mount,
            output::duration(start.elapsed())
        ));
        Ok(())
    }

    /// Takes functions out of service whose folders are gone.
    async fn remove_absent(&mut self, before: &[Project], now: &[Project]) -> anyhow::Result<()> {
        for gone in before
            .iter()
            .filter(|one| now.iter().all(|other| other.name != one.name))
        {
            self.host.deployer.remove(gone.name.clone()).await?;
            self.deployed.remove(&gone.name);
            self.output.note(format_args!("removed {}", gone.name));
        }
        Ok(())
    }

    /// What to try: one URL for each route that needs no more than a click.
    fn print_addresses(&self) -> anyhow::Result<()> {
        let bound = &self.host.bound;
        self.output.data(bound, |bound| {
            let mut text = format!("\nserving on {}://{}\n", bound.scheme, bound.listen);
            for version in self.host.versions() {
                let manifest = &version.manifest;
                let mount = if manifest.mount.is_root() {
                    ""
                } else {
                    manifest.mount.as_str()
                };
                for route in &version.description.routes {
                    text.push_str(&format!(
                        "  {:<7} {}://{}{mount}{}\n",
                        route.method, bound.scheme, bound.listen, route.path
                    ));
                }
            }
            text.push_str("watching for changes; Ctrl-C stops");
            text
        })
    }
}
