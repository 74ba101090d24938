//! One run of cargo for all functions of a workspace: cargo then shares the
//! work and the processors among them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context;
use cargo_metadata::diagnostic::{Diagnostic, DiagnosticLevel};
use cargo_metadata::{Artifact, Message, PackageId};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

use super::super::output::Progress;
use super::slim;
use super::toolchain::TARGET;
use super::workspace::Member;
use super::{BuildFailure, BuildOptions, Purpose};

/// The profile of functions that name none. Defined on the command line, so
/// that a function needs no `[profile]` in its workspace.
#[derive(Debug)]
struct Profile {
    name: &'static str,
    settings: &'static [&'static str],
}

/// Fast, but small where speed gains nothing: what cargo compiles once is
/// loaded, checked and compiled again by every host. What a function calls
/// often is generic, such as serde's code, and so compiled as its own.
const DEPLOYING: Profile = Profile {
    name: "dunlin",
    settings: &[
        "inherits=\"release\"",
        "opt-level=2",
        "package.\"*\".opt-level=\"s\"",
        "lto=true",
        "codegen-units=1",
        "panic=\"abort\"",
        // Names stay, for the backtraces.
        "strip=\"debuginfo\"",
    ],
};

/// Soon rather than small: it is built at every save. Optimised all the same,
/// as the host has to compile what is left. A name of its own, so that neither
/// loop throws the other's packages away.
const DEVELOPING: Profile = Profile {
    name: "dunlin-up",
    settings: &[
        "inherits=\"release\"",
        "opt-level=\"s\"",
        "lto=false",
        "incremental=true",
        "panic=\"abort\"",
        // File and line in backtraces.
        "debug=\"line-tables-only\"",
        "strip=\"none\"",
    ],
};

impl Profile {
    fn of(purpose: Purpose) -> &'static Self {
        match purpose {
            Purpose::Deploying => &DEPLOYING,
            Purpose::Developing => &DEVELOPING,
        }
    }
}

/// How many lines of cargo's own output a failure shows: the last.
const SHOWN_LINES: usize = 100;

/// What one run of cargo builds.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) root: PathBuf,
    /// `None`: that of the build's purpose.
    profile: Option<String>,
    pub(super) members: Vec<JobMember>,
}

#[derive(Debug)]
pub(super) struct JobMember {
    package: PackageId,
    /// The function's place in the list given to `build`.
    pub(super) index: usize,
}

/// A function after the run.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) index: usize,
    pub(super) outcome: Result<PathBuf, BuildFailure>,
    pub(super) warnings: String,
    pub(super) elapsed: Duration,
}

impl Job {
    /// Adds the function to the job of its workspace and profile.
    pub(super) fn add(jobs: &mut Vec<Self>, member: Member, profile: Option<&str>, index: usize) {
        let found = jobs
            .iter()
            .position(|job| job.root == member.root && job.profile.as_deref() == profile);
        let at = found.unwrap_or_else(|| {
            jobs.push(Self {
                root: member.root,
                profile: profile.map(str::to_owned),
                members: Vec::new(),
            });
            jobs.len() - 1
        });
        jobs[at].members.push(JobMember {
            package: member.package,
            index,
        });
    }

    /// Builds the members.
    ///
    /// # Errors
    /// Only when cargo cannot be started or read.
    pub(super) async fn run(
        &self,
        options: &BuildOptions,
        progress: &Progress,
    ) -> anyhow::Result<Vec<Unit>> {
        let start = Instant::now();
        let toolchain = &options.toolchain;
        let mut cargo = toolchain.cargo(&self.root);
        cargo
            .args(self.arguments(options.purpose))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = cargo
            .spawn()
            .map_err(|error| toolchain.cargo_missing(error))?;
        let group = toolchain.group(&child);
        let stdout = child.stdout.take().expect("is piped");
        let stderr = child.stderr.take().expect("is piped");

        // Both at once: a full pipe would stop cargo.
        let (heard, said) = tokio::try_join!(hear(stdout, start), follow(stderr, progress))
            .context("cannot read what cargo prints")?;
        let status = child.wait().await.context("cannot wait for cargo")?;
        group.ended();
        let said = if status.success() { "" } else { &said };
        let units = self.members.iter();
        let units: Vec<_> = units
            .map(|member| self.unit(member, &heard, said, start))
            .collect();
        // A profile of one's own is taken at its word.
        if self.profile.is_none() && options.purpose == Purpose::Deploying {
            for path in units.iter().filter_map(|unit| unit.outcome.as_ref().ok()) {
                slim::slim(path).await?;
            }
        }
        Ok(units)
    }

    fn arguments(&self, purpose: Purpose) -> Vec<String> {
        let mut arguments: Vec<String> = [
            "build",
            "--lib",
            "--keep-going",
            "--color=never",
            "--message-format=json-diagnostic-rendered-ansi",
        ]
        .map(String::from)
        .into();
        let manifest = self.root.join("Cargo.toml");
        arguments.push(format!("--manifest-path={}", manifest.display()));
        arguments.push(format!("--target={TARGET}"));
        match &self.profile {
            Some(profile) => arguments.push(format!("--profile={profile}")),
            None => {
                let Profile { name, settings } = Profile::of(purpose);
                arguments.push(format!("--profile={name}"));
                for setting in *settings {
                    arguments.push(format!("--config=profile.{name}.{setting}"));
                }
            }
        }
        for member in &self.members {
            arguments.push(format!("--package={}", member.package.repr));
        }
        arguments
    }

    fn unit(&self, member: &JobMember, heard: &Heard, said: &str, start: Instant) -> Unit {
        let package = &member.package;
        let texts = heard.texts.get(package);
        let warnings = texts.map_or_else(String::new, |texts| texts.warnings.clone());
        if let Some((path, elapsed)) = heard.components.get(package) {
            return Unit {
                index: member.index,
                outcome: Ok(path.clone()),
                warnings,
                elapsed: *elapsed,
            };
        }
        let own = texts.map_or("", |texts| &texts.errors);
        let failure = if !own.is_empty() {
            BuildFailure::with("it does not compile", own)
        } else {
            let shared = heard.errors_except(|id| self.members.iter().any(|m| m.package == *id));
            if shared.is_empty() {
                BuildFailure::with("cargo gave up on it", said)
            } else {
                BuildFailure::with("a package that it depends on does not compile", shared)
            }
        };
        Unit {
            index: member.index,
            outcome: Err(failure),
            warnings,
            elapsed: start.elapsed(),
        }
    }
}

/// What cargo reported on standard output.
#[derive(Debug, Default)]
struct Heard {
    /// The component of each package, and when it was done.
    components: HashMap<PackageId, (PathBuf, Duration)>,
    texts: HashMap<PackageId, Texts>,
}

/// What the compiler said of one package, rendered.
#[derive(Debug, Default)]
struct Texts {
    errors: String,
    warnings: String,
}

impl Heard {
    fn note(&mut self, message: Message, elapsed: Duration) {
        match message {
            Message::CompilerArtifact(artifact) => {
                if let Some(path) = component_of(&artifact) {
                    let done = (path.to_path_buf(), elapsed);
                    self.components.insert(artifact.package_id, done);
                }
            }
            Message::CompilerMessage(message) => {
                let texts = self.texts.entry(message.package_id).or_default();
                texts.note(&message.message);
            }
            _ => {}
        }
    }

    /// The errors of all packages but those.
    fn errors_except(&self, except: impl Fn(&PackageId) -> bool) -> String {
        let others = self.texts.iter().filter(|(id, _)| !except(id));
        others.map(|(_, texts)| texts.errors.as_str()).collect()
    }
}

impl Texts {
    fn note(&mut self, diagnostic: &Diagnostic) {
        let rendered = diagnostic.rendered.as_deref().unwrap_or_default();
        match diagnostic.level {
            // rustc's own count of what was just read.
            DiagnosticLevel::Error if diagnostic.message.starts_with("aborting due to") => {}
            DiagnosticLevel::Error | DiagnosticLevel::Ice => self.errors.push_str(rendered),
            DiagnosticLevel::Warning => self.warnings.push_str(rendered),
            _ => {}
        }
    }
}

fn component_of(artifact: &Artifact) -> Option<&Path> {
    if !artifact.target.is_cdylib() {
        return None;
    }
    let paths = artifact.filenames.iter().map(|path| path.as_std_path());
    paths.into_iter().find(|path| {
        path.extension()
            .is_some_and(|extension| extension == "wasm")
    })
}

/// Reads cargo's messages to their end.
async fn hear(stdout: impl AsyncRead + Unpin, start: Instant) -> std::io::Result<Heard> {
    let mut heard = Heard::default();
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await? {
        // Build scripts and procedural macros may print lines of their own.
        if let Ok(message) = serde_json::from_str::<Message>(&line) {
            heard.note(message, start.elapsed());
        }
    }
    Ok(heard)
}

/// Shows what cargo is at, and keeps the end of what it says.
async fn follow(stderr: impl AsyncRead + Unpin, progress: &Progress) -> std::io::Result<String> {
    let mut last = std::collections::VecDeque::with_capacity(SHOWN_LINES);
    let mut lines = BufReader::new(stderr).lines();
    while let Some(line) = lines.next_line().await? {
        if is_progress(&line) {
            progress.step(line.trim());
            continue;
        }
        if last.len() == SHOWN_LINES {
            last.pop_front();
        }
        last.push_back(line);
    }
    Ok(Vec::from(last).join("\n"))
}

/// Cargo pads its verbs to the right: `   Compiling serde v1.0.229`.
fn is_progress(line: &str) -> bool {
    let verb = line.split_whitespace().next().unwrap_or_default();
    line.starts_with(' ')
        && matches!(
            verb,
            "Compiling"
                | "Downloading"
                | "Downloaded"
                | "Locking"
                | "Adding"
                | "Updating"
                | "Finished"
                | "Blocking"
                | "Fresh"
        )
}
