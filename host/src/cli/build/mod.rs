//! Builds functions: one cargo run per workspace and profile, or the command
//! that the manifest names.

mod cargo;
mod command;
mod component;
mod slim;
mod toolchain;
mod workspace;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::slice;
use std::time::{Duration, Instant};

use serde::Serialize;

pub(crate) use self::toolchain::{MissingTarget, Toolchain};
pub(crate) use self::workspace::{Sources, Workspaces};
use super::exit::Exit;
use super::output::{Output, count, duration, plain};
use super::project::{Project, Source};

/// How to build.
#[derive(Debug, Clone)]
pub(crate) struct BuildOptions {
    pub(crate) toolchain: Toolchain,
    pub(crate) missing_target: MissingTarget,
    pub(crate) purpose: Purpose,
}

impl BuildOptions {
    /// As commands build what is to be deployed.
    fn deploying() -> Self {
        Self {
            toolchain: Toolchain::from_env(),
            missing_target: MissingTarget::Install,
            purpose: Purpose::Deploying,
        }
    }
}

/// What is built for. A manifest's own profile is kept for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Built once, called often.
    Deploying,
    /// Built at every save; its backtraces name lines.
    Developing,
}

/// A function after its build.
#[derive(Debug)]
pub(crate) struct Built<'a> {
    pub(crate) project: &'a Project,
    /// The component's file. The next build may overwrite it.
    pub(crate) outcome: Result<PathBuf, BuildFailure>,
    /// What the compiler warned about in the function's own package; with ANSI
    /// colours.
    pub(crate) warnings: String,
    /// From the start of the cargo run or command that it was built by.
    pub(crate) elapsed: Duration,
}

/// Why a function was not built: its author's fault, never the host's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{summary}")]
pub(crate) struct BuildFailure {
    /// One line: what failed and the remedy.
    pub(crate) summary: String,
    /// What the compiler or the command said, with ANSI colours (see
    /// [`plain`]). May be empty.
    pub(crate) diagnostics: String,
}

impl BuildFailure {
    fn new(summary: impl Into<String>) -> Self {
        Self::with(summary, "")
    }

    fn with(summary: impl Into<String>, diagnostics: impl Into<String>) -> Self {
        Self {
            summary: summary.into(),
            diagnostics: diagnostics.into(),
        }
    }
}

/// Builds `functions`, answering in their order. One function's failure leaves
/// the others built.
///
/// Dropping the future kills what runs; cargo's own children may outlive it,
/// unless the toolchain has [its own group](Toolchain::in_own_group).
///
/// # Errors
/// Only when nothing can be built at all: cargo or the wasm target is missing.
async fn build<'a>(
    functions: &'a [Project],
    options: &BuildOptions,
    output: &Output,
) -> anyhow::Result<Vec<Built<'a>>> {
    Builder::new(options).build(functions, output).await
}

/// Builds again and again, without asking again what cargo has answered.
#[derive(Debug)]
pub(crate) struct Builder<'o> {
    options: &'o BuildOptions,
    workspaces: Workspaces<'o>,
    /// Workspaces whose toolchain has the target.
    ready: HashSet<PathBuf>,
}

impl<'o> Builder<'o> {
    pub(crate) fn new(options: &'o BuildOptions) -> Self {
        Self {
            options,
            workspaces: Workspaces::new(&options.toolchain),
            ready: HashSet::new(),
        }
    }

    /// Asks anew from now on: a manifest or the toolchain may have changed.
    pub(crate) fn forget(&mut self) {
        *self = Self::new(self.options);
    }

    /// As [`build`].
    ///
    /// Cargo unifies the features of shared dependencies over the functions
    /// built together: it is spared recompiling them by always passing the same
    /// functions. The unchanged ones cost nothing.
    pub(crate) async fn build<'a>(
        &mut self,
        functions: &'a [Project],
        output: &Output,
    ) -> anyhow::Result<Vec<Built<'a>>> {
        let mut done: Vec<Option<Built<'a>>> = functions.iter().map(|_| None).collect();
        let options = self.options;
        let mut jobs: Vec<cargo::Job> = Vec::new();

        for (index, project) in functions.iter().enumerate() {
            let start = Instant::now();
            let outcome = match &project.source {
                Source::Prebuilt(file) => Ok(file.clone()),
                Source::Command { command, component } => {
                    let _progress = output.progress(format_args!("building `{}`", project.name));
                    command::run(&options.toolchain, &project.folder, command, component).await
                }
                Source::Cargo { manifest, profile } => {
                    match self.workspaces.member(manifest).await? {
                        Ok(member) => {
                            cargo::Job::add(&mut jobs, member, profile.as_deref(), index);
                            continue;
                        }
                        Err(failure) => Err(failure),
                    }
                }
            };
            done[index] = Some(Built::new(project, outcome, String::new(), start.elapsed()).await);
        }

        for job in jobs {
            if !self.ready.contains(&job.root) {
                options
                    .toolchain
                    .require_target(&job.root, options.missing_target, output)
                    .await?;
                self.ready.insert(job.root.clone());
            }
            let names: Vec<&str> = job
                .members
                .iter()
                .map(|member| functions[member.index].name.as_str())
                .collect();
            let progress = output.progress(format_args!("building {}", names.join(", ")));
            for unit in job.run(options, &progress).await? {
                let project = &functions[unit.index];
                let built = Built::new(project, unit.outcome, unit.warnings, unit.elapsed).await;
                done[unit.index] = Some(built);
            }
        }
        Ok(done
            .into_iter()
            .map(|built| built.expect("every function was prebuilt, run, or part of a job"))
            .collect())
    }
}

impl<'a> Built<'a> {
    async fn new(
        project: &'a Project,
        outcome: Result<PathBuf, BuildFailure>,
        warnings: String,
        elapsed: Duration,
    ) -> Self {
        let outcome = match outcome {
            Ok(path) => component::check(&path).await.map(|()| path),
            Err(failure) => Err(failure),
        };
        Self {
            project,
            outcome,
            warnings,
            elapsed,
        }
    }

    /// Prints the outcome with what the compiler said.
    pub(crate) fn print(&self, output: &Output) {
        let name = &self.project.name;
        if !self.warnings.is_empty() {
            output.note(self.warnings.trim_end());
        }
        match &self.outcome {
            Ok(_) => {
                let time = duration(self.elapsed);
                output.note(format_args!("built `{name}` in {time}"));
            }
            Err(failure) => {
                if !failure.diagnostics.is_empty() {
                    output.note(failure.diagnostics.trim_end());
                }
                output.error(&anyhow::anyhow!("`{name}` was not built: {failure}"));
            }
        }
    }

    /// The outcome as data, for `--json`.
    fn summary(&self) -> Summary<'_> {
        let failure = self.outcome.as_ref().err();
        Summary {
            function: self.project.name.as_str(),
            component: self.outcome.as_ref().ok().map(PathBuf::as_path),
            error: failure.map(|failure| failure.summary.as_str()),
            diagnostics: failure.map(|failure| plain(&failure.diagnostics)),
            elapsed_ms: self.elapsed.as_millis(),
        }
    }
}

#[derive(Serialize)]
struct Summary<'a> {
    function: &'a str,
    component: Option<&'a Path>,
    error: Option<&'a str>,
    diagnostics: Option<String>,
    elapsed_ms: u128,
}

/// A function's component, as it was built.
#[derive(Debug)]
pub(crate) struct Component {
    /// The next build may overwrite it.
    pub(crate) file: PathBuf,
    pub(crate) elapsed: Duration,
}

/// Builds one function to be deployed, and prints the outcome.
///
/// # Errors
/// As [`build`], and with [`Exit::BuildFailed`] when it was not built.
pub(crate) async fn build_one(function: &Project, output: &Output) -> anyhow::Result<Component> {
    let functions = slice::from_ref(function);
    let mut built = build(functions, &BuildOptions::deploying(), output).await?;
    let built = built.pop().expect("one function has one outcome");
    built.print(output);
    require_all(slice::from_ref(&built))?;
    Ok(Component {
        file: built.outcome.expect("every function was built"),
        elapsed: built.elapsed,
    })
}

/// `dunlin build`: builds every function in or below `paths`; prints the path
/// of each component.
///
/// # Errors
/// As [`build`], and with [`Exit::BuildFailed`] when a function was not built.
pub(crate) async fn run(paths: &[PathBuf], output: &Output) -> anyhow::Result<()> {
    let functions = super::project::find_all(paths)?;
    let built = build(&functions, &BuildOptions::deploying(), output).await?;
    for one in &built {
        one.print(output);
        if one.outcome.is_ok() || output.is_json() {
            output.data(&one.summary(), |summary| {
                summary
                    .component
                    .map_or_else(String::new, |path| path.display().to_string())
            })?;
        }
    }
    require_all(&built)
}

/// An error with [`Exit::BuildFailed`] unless every function was built.
///
/// # Errors
/// Which of how many were not.
fn require_all(built: &[Built<'_>]) -> anyhow::Result<()> {
    let failed = built.iter().filter(|one| one.outcome.is_err()).count();
    if failed == 0 {
        return Ok(());
    }
    let of = count(built.len(), "function");
    Err(Exit::BuildFailed.error(format!("{failed} of {of} failed to build")))
}

#[cfg(test)]
mod tests;
