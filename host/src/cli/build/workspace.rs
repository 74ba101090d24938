//! What cargo knows of the functions' packages: which workspace each is in,
//! and which folders it is built from.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};

use super::super::project::{Project, Source};
use super::BuildFailure;
use super::toolchain::Toolchain;

/// A function's package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    /// The folder with the workspace's `Cargo.toml` and `Cargo.lock`.
    pub(super) root: PathBuf,
    pub(super) package: PackageId,
}

/// The workspaces asked about so far. Asks cargo once for each, without its
/// dependencies, so that it neither needs the network nor writes `Cargo.lock`.
#[derive(Debug)]
pub(crate) struct Workspaces<'a> {
    toolchain: &'a Toolchain,
    known: Vec<Metadata>,
}

/// The files that a change in which means a new build of the function.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sources {
    /// The function's folder and those of the path dependencies it is built
    /// from, with all that is below them.
    pub(crate) folders: BTreeSet<PathBuf>,
    /// Single files: the workspace's manifest, lock and toolchain.
    pub(crate) files: BTreeSet<PathBuf>,
}

impl<'a> Workspaces<'a> {
    pub(crate) fn new(toolchain: &'a Toolchain) -> Self {
        Self {
            toolchain,
            known: Vec::new(),
        }
    }

    /// Where the package of `manifest` belongs. The inner error is the
    /// package's fault.
    ///
    /// # Errors
    /// When cargo cannot be started.
    pub(super) async fn member(
        &mut self,
        manifest: &Path,
    ) -> anyhow::Result<Result<Member, BuildFailure>> {
        let (metadata, package) = match self.package(manifest).await? {
            Ok(found) => found,
            Err(failure) => return Ok(Err(failure)),
        };
        if !package
            .targets
            .iter()
            .any(cargo_metadata::Target::is_cdylib)
        {
            return Ok(Err(BuildFailure::new(format!(
                "`{}` makes no component: add `[lib] crate-type = [\"cdylib\"]`",
                manifest.display()
            ))));
        }
        Ok(Ok(Member {
            root: metadata.workspace_root.clone().into(),
            package: package.id.clone(),
        }))
    }

    /// What `project` is built from, as far as cargo can tell. Never fails:
    /// where cargo knows nothing, the function's own folder is the answer.
    pub(crate) async fn sources(&mut self, project: &Project) -> Sources {
        let mut sources = Sources::default();
        sources.folders.insert(project.folder.clone());
        let mut manifests = match &project.source {
            Source::Cargo { manifest, .. } => vec![manifest.clone()],
            Source::Command { .. } => Vec::new(),
            Source::Prebuilt(file) => {
                // A lone file: what lies beside it is nobody's source.
                if !project
                    .folder
                    .join(super::super::project::MANIFEST)
                    .is_file()
                {
                    sources.folders.clear();
                }
                sources.files.insert(file.clone());
                Vec::new()
            }
        };
        while let Some(manifest) = manifests.pop() {
            let Ok(Ok((metadata, package))) = self.package(&manifest).await else {
                continue;
            };
            let root = metadata.workspace_root.as_std_path();
            for file in [
                "Cargo.toml",
                "Cargo.lock",
                "rust-toolchain.toml",
                "rust-toolchain",
            ] {
                sources.files.insert(root.join(file));
            }
            for dependency in &package.dependencies {
                let Some(folder) = &dependency.path else {
                    continue;
                };
                if dependency.kind == DependencyKind::Development {
                    continue;
                }
                let folder = resolved(folder.as_std_path());
                manifests.push(folder.join("Cargo.toml"));
                if !sources.folders.insert(folder) {
                    manifests.pop();
                }
            }
        }
        sources
    }

    /// The package of `manifest` and the workspace it is in.
    async fn package(
        &mut self,
        manifest: &Path,
    ) -> anyhow::Result<Result<(&Metadata, &Package), BuildFailure>> {
        let place = |known: &[Metadata]| {
            known.iter().enumerate().find_map(|(at, metadata)| {
                let is_it = |p: &Package| resolved(p.manifest_path.as_std_path()) == manifest;
                Some((at, metadata.packages.iter().position(is_it)?))
            })
        };
        let found = match place(&self.known) {
            Some(found) => Some(found),
            None => {
                match self.ask(manifest).await? {
                    Ok(metadata) => self.known.push(metadata),
                    Err(failure) => return Ok(Err(failure)),
                }
                place(&self.known)
            }
        };
        Ok(match found {
            Some((workspace, package)) => {
                let metadata = &self.known[workspace];
                Ok((metadata, &metadata.packages[package]))
            }
            None => Err(BuildFailure::new(format!(
                "`{}` holds no package: add a `[package]` section",
                manifest.display()
            ))),
        })
    }

    async fn ask(&self, manifest: &Path) -> anyhow::Result<Result<Metadata, BuildFailure>> {
        let folder = manifest.parent().unwrap_or(Path::new("/"));
        let mut cargo = self.toolchain.cargo(folder);
        cargo
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .arg("--manifest-path")
            .arg(manifest);
        let answer = self
            .toolchain
            .run(cargo)
            .await
            .map_err(|error| self.toolchain.cargo_missing(error))?;
        if !answer.status.success() {
            return Ok(Err(BuildFailure::with(
                format!("cargo cannot read `{}`", manifest.display()),
                String::from_utf8_lossy(&answer.stderr),
            )));
        }
        let text = String::from_utf8_lossy(&answer.stdout);
        Ok(Ok(MetadataCommand::parse(text)?))
    }
}

/// `path` without symbolic links and `..`, as far as it exists.
fn resolved(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::super::super::project;
    use super::super::super::testing::Folder;
    use super::*;

    #[tokio::test]
    async fn a_function_is_built_from_its_path_dependencies_too() {
        let folder = Folder::new();
        folder.write(
            "ws/Cargo.toml",
            "[workspace]\nmembers = [\"f\", \"sdk\"]\nresolver = \"3\"\n",
        );
        folder.write_package("ws/f", "f", "");
        folder.write("ws/sdk/src/lib.rs", "");
        folder.write("far/src/lib.rs", "");
        folder.write("tests-only/src/lib.rs", "");
        let package = |name: &str, rest: &str| {
            format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\n{rest}")
        };
        folder.write(
            "ws/f/Cargo.toml",
            package(
                "f",
                "[lib]\ncrate-type = [\"cdylib\"]\n[dependencies]\nsdk = { path = \"../sdk\" }\n\
                 [dev-dependencies]\ntests-only = { path = \"../../tests-only\" }\n",
            ),
        );
        folder.write(
            "ws/sdk/Cargo.toml",
            package("sdk", "[dependencies]\nfar = { path = \"../../far\" }\n"),
        );
        folder.write("far/Cargo.toml", package("far", ""));
        folder.write("tests-only/Cargo.toml", package("tests-only", ""));

        let found = project::find(&folder.path("ws")).expect("is found");
        let toolchain = Toolchain::from_env();
        let mut workspaces = Workspaces::new(&toolchain);
        let sources = workspaces.sources(&found[0]).await;
        let expected = ["ws/f", "ws/sdk", "far"].map(|p| folder.path(p));
        assert_eq!(sources.folders, BTreeSet::from(expected));
        assert!(sources.files.contains(&folder.path("ws/Cargo.lock")));
        assert!(!folder.path("ws/Cargo.lock").exists());
        // One question for the workspace, one for `far`.
        assert_eq!(workspaces.known.len(), 2);
    }

    #[tokio::test]
    async fn what_cargo_refuses_is_the_packages_fault() {
        let folder = Folder::new();
        folder.write("Cargo.toml", "[package]\nname = \"has spaces\"\n");
        let toolchain = Toolchain::from_env();
        let mut workspaces = Workspaces::new(&toolchain);
        let answer = workspaces.member(&folder.path("Cargo.toml")).await;
        let failure = answer.expect("cargo runs").expect_err("is refused");
        assert!(failure.summary.contains("cargo cannot read"), "{failure}");
        assert!(failure.diagnostics.contains("has spaces"), "{failure:?}");
    }
}
