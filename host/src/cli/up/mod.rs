//! `dunlin up`, the developer's loop: build, deploy, serve, watch, and again.

mod functions;
mod service;

use self::functions::Functions;
use self::service::Service;
use super::args::UpArgs;
use super::build::{BuildOptions, Builder, Built, MissingTarget, Purpose, Toolchain};
use super::host::{Host, StopSignal, install_log};
use super::output::Output;
use super::project::{Project, Source};
use super::watch::{Changed, Watch};
use crate::gateway::{Builds, Detail};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;

/// Runs the loop until it is told to stop.
///
/// # Errors
/// When nothing can be served at all: no functions, no cargo, a busy port.
pub(super) async fn run(args: &UpArgs, output: &Output) -> anyhow::Result<()> {
    install_log(output);
    let mut stop = StopSignal::new()?;
    let functions = Functions::find(&args.folder)?;
    let builds = Arc::new(Builds::default());
    let host = Host::start(&args.serve, &Detail::Development(builds.clone())).await?;
    let mut service = Service::new(host, builds, output);
    let options = BuildOptions {
        toolchain: Toolchain::from_env().in_own_group(),
        missing_target: MissingTarget::Install,
        purpose: Purpose::Developing,
    };
    let developed = develop(&args.folder, functions, &options, &mut service, &mut stop).await;
    if developed.is_ok() {
        output.note("stopping: running invocations may finish; again to stop at once");
    }
    service.into_host().stop(&mut stop, output).await;
    developed
}

/// The loop itself.
async fn develop(
    folder: &Path,
    mut functions: Functions,
    options: &BuildOptions,
    service: &mut Service<'_>,
    stop: &mut StopSignal,
) -> anyhow::Result<()> {
    let output = service.output();
    let mut builder = Builder::new(options);
    // Watched from before the first build: what is saved meanwhile is not lost.
    let mut watch = Watch::new(folder, &functions.found, &options.toolchain, output).await?;
    let mut is_first = true;
    loop {
        service.follow(&functions);
        let building = build(&functions.found, &mut builder, &mut watch, stop, output).await?;
        let changed = match building {
            Building::Stopped => return Ok(()),
            Building::GivenUp(changed) => changed,
            Building::Done(built, later) => {
                match built {
                    Ok(built) => tokio::select! {
                        () = stop.recv() => return Ok(()),
                        () = service.deploy(&built) => {}
                    },
                    Err(error) if is_first => return Err(error),
                    Err(error) => output.error(&error),
                }
                if std::mem::take(&mut is_first) {
                    service.print_addresses()?;
                }
                match later {
                    Some(changed) => changed,
                    None => tokio::select! {
                        () = stop.recv() => return Ok(()),
                        changed = watch.next() => changed?,
                    },
                }
            }
        };
        if let Changed::Layout(_) = changed {
            builder.forget();
            match functions.find_again(folder) {
                Ok(gone) => {
                    service.remove(&gone).await;
                    watch.follow(&functions.found).await?;
                }
                Err(error) => output.error(&error),
            }
        }
    }
}

/// What came of a build.
enum Building<'a> {
    /// All functions are built, well or not; meanwhile this has changed.
    Done(anyhow::Result<Vec<Built<'a>>>, Option<Changed>),
    /// What it is built from has changed: its outcome would be of no use.
    GivenUp(Changed),
    /// The loop is to end.
    Stopped,
}

/// Builds everything: what has not changed costs nothing.
///
/// # Errors
/// When nothing can be watched any more.
async fn build<'a>(
    projects: &'a [Project],
    builder: &mut Builder<'_>,
    watch: &mut Watch,
    stop: &mut StopSignal,
    output: &Output,
) -> anyhow::Result<Building<'a>> {
    let mut building = pin!(builder.build(projects, output));
    let mut later = None;
    loop {
        tokio::select! {
            () = stop.recv() => return Ok(Building::Stopped),
            built = &mut building => return Ok(Building::Done(built, later)),
            changed = watch.next() => {
                let changed = changed?;
                if gives_up(projects, &changed) {
                    return Ok(Building::GivenUp(changed));
                }
                later = Some(changed);
            }
        }
    }
}

/// Whether a build is of no use after this change. One that a command does may
/// have made the change itself, and would be given up for ever.
fn gives_up(projects: &[Project], changed: &Changed) -> bool {
    match changed {
        Changed::Layout(_) => true,
        Changed::Functions(functions) => functions
            .iter()
            .any(|&index| !matches!(projects[index].source, Source::Command { .. })),
    }
}
