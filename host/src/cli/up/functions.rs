//! The functions in a folder that is being worked on: some of them may be
//! half-typed.

use super::super::project::{self, Broken, Project};
use crate::gateway::{BuildFailed, FunctionBuild};
use crate::names::{FunctionName, Mount};
use anyhow::anyhow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The functions below a folder.
#[derive(Debug, Default)]
pub(super) struct Functions {
    /// Those that can be built, by name.
    pub(super) found: Vec<Project>,
    /// Those that can't even be read.
    pub(super) broken: Vec<BrokenFolder>,
}

/// A folder with a function that can't be read.
#[derive(Debug)]
pub(super) struct BrokenFolder {
    folder: PathBuf,
    pub(super) error: anyhow::Error,
    /// The function that it was before, or seems to be; `None` if that is
    /// another folder's.
    pub(super) function: Option<FunctionBuild>,
}

impl Functions {
    /// Finds the functions.
    ///
    /// # Errors
    /// When there are none that could be built.
    pub(super) fn find(folder: &Path) -> anyhow::Result<Self> {
        let mut functions = Self::default();
        functions.find_again(folder)?;
        if functions.found.is_empty() {
            // Says what is wrong, or what was looked for.
            project::find(folder)?;
        }
        Ok(functions)
    }

    /// Finds them anew, and returns the functions that are gone. One that can't
    /// be read is not: what is known of it stays.
    ///
    /// # Errors
    /// When the folder itself can't be read; then nothing has changed.
    pub(super) fn find_again(&mut self, folder: &Path) -> anyhow::Result<Vec<FunctionName>> {
        let survey = project::survey(folder)?;
        // Of two with one name, the one that had it before comes first.
        let (known, new): (Vec<_>, Vec<_>) = survey.found.into_iter().partition(|it| {
            let before = self.found.iter().find(|old| old.folder == it.folder);
            before.is_some_and(|before| before.name == it.name)
        });
        let mut found: Vec<Project> = Vec::new();
        let mut broken = survey.broken;
        for project in known.into_iter().chain(new) {
            match found.iter().find(|it| it.name == project.name) {
                None => found.push(project),
                Some(first) => broken.push(Broken {
                    error: project::same_name(first, &project),
                    folder: project.folder,
                }),
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        let mut now = Self {
            found,
            broken: Vec::new(),
        };
        for Broken { folder, error } in broken {
            let function = self.function_in(&folder);
            let function = function.filter(|it| !now.has(&it.name));
            now.broken.push(BrokenFolder {
                folder,
                error,
                function,
            });
        }
        let before = std::mem::replace(self, now);
        let gone = before.names().filter(|name| !self.has(name));
        Ok(gone.cloned().collect())
    }

    /// What is known of the function in `folder`, which can't be read now.
    fn function_in(&self, folder: &Path) -> Option<FunctionBuild> {
        if let Some(it) = self.found.iter().find(|it| it.folder == folder) {
            return Some(build_of(it));
        }
        if let Some(it) = self.broken.iter().find(|it| it.folder == folder) {
            return it.function.clone();
        }
        let name: FunctionName = folder.file_name()?.to_str()?.parse().ok()?;
        Some(FunctionBuild {
            host: None,
            mount: Mount::below_root(&name),
            name,
            failed: None,
        })
    }

    fn names(&self) -> impl Iterator<Item = &FunctionName> {
        let broken = self.broken.iter().filter_map(|it| it.function.as_ref());
        let found = self.found.iter().map(|it| &it.name);
        found.chain(broken.map(|it| &it.name))
    }

    fn has(&self, name: &FunctionName) -> bool {
        self.names().any(|it| it == name)
    }
}

impl BrokenFolder {
    /// As a browser is told of it.
    pub(super) fn build(&self) -> Option<FunctionBuild> {
        let function = self.function.clone()?;
        let summary = format!("`{}` was not built: its manifest is broken", function.name);
        Some(FunctionBuild {
            failed: Some(failed(summary, &self.error)),
            ..function
        })
    }

    /// As the terminal is told of it.
    pub(super) fn told(&self) -> anyhow::Error {
        let message = causes(&self.error);
        anyhow!("`{}` was not built\n{message}", self.folder.display())
    }
}

/// A function whose newest code serves.
pub(super) fn build_of(project: &Project) -> FunctionBuild {
    FunctionBuild {
        name: project.name.clone(),
        host: project.manifest.host.clone(),
        mount: project.manifest.mount.clone(),
        failed: None,
    }
}

/// An error as a page shows it.
pub(super) fn failed(summary: String, error: &anyhow::Error) -> Arc<BuildFailed> {
    let message = causes(error);
    Arc::new(BuildFailed { summary, message })
}

/// An error and its causes, a line each.
fn causes(error: &anyhow::Error) -> String {
    let causes: Vec<_> = error.chain().map(ToString::to_string).collect();
    causes.join("\n")
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::Folder;
    use super::*;

    fn names(functions: &Functions) -> (Vec<String>, Vec<Option<String>>) {
        let found = functions.found.iter().map(|it| it.name.to_string());
        let broken = functions.broken.iter().map(|it| {
            let function = it.function.as_ref();
            function.map(|it| format!("{} at {}", it.name, it.mount))
        });
        (found.collect(), broken.collect())
    }

    #[test]
    fn a_half_typed_manifest_is_not_a_function_gone() {
        let folder = Folder::new();
        folder.write_package("a", "a", "");
        folder.write_package("b", "b", "");
        folder.write("b/dunlin.toml", "mount = \"/bee\"\n");
        let mut functions = Functions::find(folder.root()).expect("are found");
        for half in ["mount = ", "mount = \"/", "moun"] {
            folder.write("b/dunlin.toml", half);
            let gone = functions.find_again(folder.root()).expect("is there");
            assert_eq!(gone, []);
            assert_eq!(
                names(&functions),
                (vec!["a".to_owned()], vec![Some("b at /bee".to_owned())])
            );
        }
        std::fs::remove_dir_all(folder.path("b")).expect("is there");
        let gone = functions.find_again(folder.root()).expect("is there");
        assert_eq!(gone, ["b".parse().expect("is valid")]);
    }

    #[test]
    fn a_copy_with_the_same_name_takes_nothing_away() {
        let folder = Folder::new();
        folder.write_package("shop", "shop", "");
        folder.write("shop/dunlin.toml", "name = \"shop\"\n");
        let mut functions = Functions::find(folder.root()).expect("is found");
        folder.write_package("copy", "copy", "");
        folder.write("copy/dunlin.toml", "name = \"shop\"\n");
        let gone = functions.find_again(folder.root()).expect("is there");
        assert_eq!(gone, []);
        assert_eq!(functions.found[0].folder, folder.path("shop"));
        let told = functions.broken[0].told().to_string();
        assert!(told.contains("two functions are named `shop`"), "{told}");
    }

    #[test]
    fn nothing_to_build_is_an_error_only_at_the_start() {
        let folder = Folder::new();
        folder.write_package("a", "a", "");
        let mut functions = Functions::find(folder.root()).expect("is found");
        std::fs::remove_dir_all(folder.path("a")).expect("is there");
        let error = Functions::find(folder.root()).expect_err("is empty");
        assert!(error.to_string().contains("no function in"), "{error}");
        let gone = functions.find_again(folder.root()).expect("is there");
        assert_eq!(gone, ["a".parse().expect("is valid")]);
        folder.write("b/Cargo.toml", "[pack");
        let error = Functions::find(folder.root()).expect_err("is broken");
        assert!(error.to_string().contains("is broken"), "{error}");
    }
}
