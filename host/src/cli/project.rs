//! Finds functions: which folders hold one, what each is called, and what it
//! is built from.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};

use crate::names::FunctionName;
use crate::registry::{BuildCommand, Manifest};

/// How far below the given folder functions are looked for.
pub(crate) const MAX_DEPTH: usize = 3;

/// The manifest that makes any folder a function.
pub(crate) const MANIFEST: &str = "dunlin.toml";
/// Cargo's manifest, which makes a folder a function if it asks for a cdylib.
pub(crate) const CARGO_MANIFEST: &str = "Cargo.toml";

/// A function as it lies on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Project {
    pub(crate) name: FunctionName,
    /// Absolute and without symbolic links. Of a prebuilt component given by
    /// its path: the folder that the file lies in.
    pub(crate) folder: PathBuf,
    /// All defaults where there is no `dunlin.toml`.
    pub(crate) manifest: Manifest,
    pub(crate) source: Source,
}

/// What a function is built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A cargo package with a cdylib.
    Cargo {
        /// Its `Cargo.toml`.
        manifest: PathBuf,
        /// `None`: the profile that `build` defines.
        profile: Option<String>,
    },
    /// `[build] command`, run in the function's folder.
    Command {
        command: BuildCommand,
        /// What the command leaves.
        component: PathBuf,
    },
    /// A component that somebody else built.
    Prebuilt(PathBuf),
}

/// Finds the function in `path`, or else every function below it, sorted by
/// name. `path` may also be a `.wasm` file.
///
/// # Errors
/// When nothing is found, when a manifest is broken, or when two functions
/// have one name.
pub(crate) fn find(path: &Path) -> anyhow::Result<Vec<Project>> {
    let Survey { mut found, broken } = survey(path)?;
    if let Some(Broken { error, .. }) = broken.into_iter().next() {
        return Err(error);
    }
    if found.is_empty() {
        bail!(
            "no function in `{}`, nor {MAX_DEPTH} levels below it: looked for a `{MANIFEST}`, or a \
             `{CARGO_MANIFEST}` with `[lib] crate-type = [\"cdylib\"]`; add one, or name another folder",
            path.display()
        );
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    refuse_duplicates(&found)?;
    Ok(found)
}

/// What lies below a folder, whatever its state.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    pub(crate) found: Vec<Project>,
    pub(crate) broken: Vec<Broken>,
}

/// A folder that holds a function, or may do so, and can't be read.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) folder: PathBuf,
    pub(crate) error: anyhow::Error,
}

/// Like [`find`], but goes on past what can't be read. Two functions may have
/// one name, and there may be none.
///
/// # Errors
/// When `path` itself can't be opened, or is a file that is no component.
pub(crate) fn survey(path: &Path) -> anyhow::Result<Survey> {
    let root = open_path(path)?;
    let mut survey = Survey::default();
    if root.is_file() {
        survey.found.push(prebuilt(&root, None)?);
    } else {
        collect(&root, MAX_DEPTH, &mut survey);
    }
    Ok(survey)
}

/// Finds the one function in or below `path`.
///
/// # Errors
/// As [`find`], and when `path` holds several functions.
pub(crate) fn only(path: &Path) -> anyhow::Result<Project> {
    let mut found = find(path)?;
    if found.len() > 1 {
        let names: Vec<_> = found.iter().map(|project| project.name.as_str()).collect();
        bail!(
            "`{}` holds {} functions ({}): name the folder of one",
            path.display(),
            found.len(),
            names.join(", ")
        );
    }
    Ok(found.remove(0))
}

/// Finds the one function in or below `path` and calls it `name`.
///
/// # Errors
/// As [`find`], and when `path` holds several functions.
pub(crate) fn find_as(path: &Path, name: FunctionName) -> anyhow::Result<Project> {
    let root = open_path(path)?;
    if root.is_file() {
        return prebuilt(&root, Some(name));
    }
    match <[Project; 1]>::try_from(find(path)?) {
        Ok([project]) => {
            let manifest = project.manifest.renamed(name.clone());
            Ok(Project {
                name,
                manifest,
                ..project
            })
        }
        Err(several) => {
            let names: Vec<_> = several.iter().map(|p| format!("`{}`", p.name)).collect();
            bail!(
                "`{}` holds {} functions ({}), and only one can be named `{name}`: name its own folder",
                path.display(),
                several.len(),
                names.join(", ")
            )
        }
    }
}

/// Like [`find`] for several paths at once; a function found twice counts once.
///
/// # Errors
/// As [`find`].
pub(crate) fn find_all(paths: &[PathBuf]) -> anyhow::Result<Vec<Project>> {
    let mut found = Vec::new();
    for path in paths {
        found.extend(find(path)?);
    }
    found.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.folder.cmp(&b.folder)));
    found.dedup();
    refuse_duplicates(&found)?;
    Ok(found)
}

fn open_path(path: &Path) -> anyhow::Result<PathBuf> {
    fs::canonicalize(path)
        .with_context(|| format!("`{}` cannot be opened: check the path", path.display()))
}

/// Whether a folder of this name holds no sources: build output, hidden,
/// installed packages.
pub(crate) fn is_skipped(folder_name: &std::ffi::OsStr) -> bool {
    let name = folder_name.to_string_lossy();
    name.starts_with('.') || name == "target" || name == "node_modules"
}

/// Adds the function in `folder`, or those below it.
fn collect(folder: &Path, depth: usize, survey: &mut Survey) {
    let below = match open(folder) {
        Ok(Some(project)) => {
            survey.found.push(project);
            return;
        }
        Ok(None) if depth == 0 => return,
        Ok(None) => folders_in(folder),
        Err(error) => Err(error),
    };
    match below {
        Ok(below) => {
            for folder in below {
                collect(&folder, depth - 1, survey);
            }
        }
        Err(error) => survey.broken.push(Broken {
            folder: folder.to_path_buf(),
            error,
        }),
    }
}

/// The folders in `folder` that may hold functions.
fn folders_in(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let read = || {
        let mut folders = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() && !is_skipped(&entry.file_name()) {
                folders.push(entry.path());
            }
        }
        std::io::Result::Ok(folders)
    };
    read().with_context(|| format!("`{}` cannot be read", folder.display()))
}

/// The function that `folder` itself is, if it is one.
fn open(folder: &Path) -> anyhow::Result<Option<Project>> {
    let cargo_manifest = folder.join(CARGO_MANIFEST);
    let is_package = makes_cdylib(&cargo_manifest)?;
    let own = folder.join(MANIFEST);
    if !is_package && !own.is_file() {
        return Ok(None);
    }

    let fallback = file_name(folder).parse::<FunctionName>();
    let manifest = if own.is_file() {
        read_manifest(&own, fallback.ok().as_ref())?
    } else {
        Manifest::named(fallback.with_context(|| {
            format!(
                "`{}` needs a name of its own: set `name` in its `{MANIFEST}`",
                folder.display()
            )
        })?)
    };
    let build = &manifest.build;
    let source = match (&build.command, &build.component) {
        (Some(command), Some(component)) => Source::Command {
            command: command.clone(),
            component: folder.join(component),
        },
        (Some(_), None) => bail!(
            "`{}` has `[build] command` but no `component`: name the file that the command leaves",
            own.display()
        ),
        (None, Some(component)) => Source::Prebuilt(folder.join(component)),
        (None, None) if cargo_manifest.is_file() => Source::Cargo {
            manifest: cargo_manifest,
            profile: build.profile.clone(),
        },
        (None, None) => bail!(
            "`{}` doesn't say how to build: put a `{CARGO_MANIFEST}` beside it, or set \
             `[build] component` (and `command`)",
            own.display()
        ),
    };
    Ok(Some(Project {
        name: manifest.name.clone(),
        folder: folder.to_path_buf(),
        manifest,
        source,
    }))
}

fn read_manifest(path: &Path, fallback: Option<&FunctionName>) -> anyhow::Result<Manifest> {
    let text =
        fs::read_to_string(path).with_context(|| format!("`{}` cannot be read", path.display()))?;
    Ok(Manifest::from_toml(&text, path, fallback)?)
}

/// Whether `path` is the `Cargo.toml` of a package with a cdylib. Asks the file
/// rather than cargo: it is asked of every folder.
fn makes_cdylib(path: &Path) -> anyhow::Result<bool> {
    if !path.is_file() {
        return Ok(false);
    }
    let text =
        fs::read_to_string(path).with_context(|| format!("`{}` cannot be read", path.display()))?;
    // Passing over a broken one would make `up` forget the function while its
    // author is still typing.
    let manifest: toml::Table = text
        .parse()
        .with_context(|| format!("`{}` is broken", path.display()))?;
    let lib = manifest.get("lib");
    let crate_types = lib
        .and_then(|lib| lib.get("crate-type").or_else(|| lib.get("crate_type")))
        .and_then(toml::Value::as_array);
    Ok(manifest.contains_key("package")
        && crate_types.is_some_and(|types| types.iter().any(|t| t.as_str() == Some("cdylib"))))
}

fn prebuilt(file: &Path, name: Option<FunctionName>) -> anyhow::Result<Project> {
    if file.extension().is_none_or(|extension| extension != "wasm") {
        bail!(
            "`{}` is neither a folder nor a `.wasm` file: name one of these",
            file.display()
        );
    }
    let name = match name {
        Some(name) => name,
        None => {
            let stem = file.file_stem().unwrap_or_default().to_string_lossy();
            stem.replace('_', "-")
                .parse::<FunctionName>()
                .with_context(|| {
                    format!("`{}` needs a name: give it by `--name`", file.display())
                })?
        }
    };
    Ok(Project {
        manifest: Manifest::named(name.clone()),
        name,
        folder: file.parent().unwrap_or(Path::new("/")).to_path_buf(),
        source: Source::Prebuilt(file.to_path_buf()),
    })
}

fn refuse_duplicates(projects: &[Project]) -> anyhow::Result<()> {
    let mut by_name: BTreeMap<&FunctionName, &Project> = BTreeMap::new();
    for project in projects {
        if let Some(other) = by_name.insert(&project.name, project) {
            return Err(same_name(other, project));
        }
    }
    Ok(())
}

/// Two functions have one name.
pub(crate) fn same_name(one: &Project, other: &Project) -> anyhow::Error {
    anyhow!(
        "two functions are named `{}`: `{}` and `{}`; give one of them another `name` in its \
         `{MANIFEST}`",
        one.name,
        one.folder.display(),
        other.folder.display()
    )
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::testing::Folder;
    use super::*;

    const CDYLIB: &str =
        "[package]\nname = \"p\"\nversion = \"0.1.0\"\n[lib]\ncrate-type = [\"cdylib\"]\n";

    fn names(projects: &[Project]) -> Vec<&str> {
        projects.iter().map(|p| p.name.as_str()).collect()
    }

    fn error_of(path: &Path) -> String {
        format!("{:#}", find(path).expect_err("must be refused"))
    }

    #[test]
    fn a_folder_with_a_cdylib_is_a_function_named_after_it() {
        let folder = Folder::new();
        folder.write("shop/Cargo.toml", CDYLIB);
        let found = find(&folder.path("shop")).expect("is found");
        assert_eq!(names(&found), ["shop"]);
        assert_eq!(
            found[0].source,
            Source::Cargo {
                manifest: folder.path("shop/Cargo.toml"),
                profile: None
            }
        );
    }

    #[test]
    fn functions_below_are_sorted_and_the_rest_is_passed_over() {
        let folder = Folder::new();
        folder.write("zebra/Cargo.toml", CDYLIB);
        folder.write("zebra/inner/Cargo.toml", CDYLIB);
        folder.write("team/deep/ant/Cargo.toml", CDYLIB);
        folder.write("a/b/c/too-deep/Cargo.toml", CDYLIB);
        folder.write("target/built/Cargo.toml", CDYLIB);
        folder.write(".hidden/Cargo.toml", CDYLIB);
        folder.write("node_modules/pkg/Cargo.toml", CDYLIB);
        folder.write("library/Cargo.toml", "[package]\nname = \"l\"\n");
        folder.write("Cargo.toml", "[workspace]\nmembers = [\"zebra\"]\n");
        folder.write("named/dunlin.toml", "name = \"bee\"\n");
        folder.write("named/Cargo.toml", CDYLIB);
        let found = find(folder.root()).expect("are found");
        assert_eq!(names(&found), ["ant", "bee", "zebra"]);
        assert_eq!(found[0].folder, folder.path("team/deep/ant"));
    }

    #[test]
    fn a_build_command_needs_its_component() {
        let folder = Folder::new();
        folder.write(
            "js/dunlin.toml",
            "[build]\ncommand = \"make\"\ncomponent = \"out/js.wasm\"\n",
        );
        let found = find(folder.root()).expect("is found");
        assert_eq!(
            found[0].source,
            Source::Command {
                command: BuildCommand::Shell("make".to_owned()),
                component: folder.path("js/out/js.wasm")
            }
        );
        folder.write("js/dunlin.toml", "[build]\ncommand = \"make\"\n");
        assert!(error_of(folder.root()).contains("but no `component`"));
        folder.write("js/dunlin.toml", "");
        assert!(error_of(folder.root()).contains("doesn't say how to build"));
    }

    #[test]
    fn a_wasm_file_is_a_prebuilt_function() {
        let folder = Folder::new();
        folder.write("my_shop.wasm", "");
        let file = folder.path("my_shop.wasm");
        let found = find(&file).expect("is found");
        assert_eq!(names(&found), ["my-shop"]);
        assert_eq!(found[0].source, Source::Prebuilt(file));
        folder.write("readme.txt", "");
        assert!(error_of(&folder.path("readme.txt")).contains("neither a folder nor"));
    }

    #[test]
    fn a_given_name_is_for_one_function() {
        let folder = Folder::new();
        folder.write("My Shop.wasm", "");
        folder.write("one/Cargo.toml", CDYLIB);
        let shop = || "shop".parse::<FunctionName>().expect("is valid");
        let named = |path: &Path| find_as(path, shop());
        assert!(error_of(&folder.path("My Shop.wasm")).contains("`--name`"));
        assert_eq!(
            named(&folder.path("My Shop.wasm")).expect("found").name,
            shop()
        );
        assert_eq!(named(folder.root()).expect("found").name, shop());
        folder.write("two/Cargo.toml", CDYLIB);
        let error = named(folder.root()).expect_err("two").to_string();
        assert!(error.contains("2 functions (`one`, `two`)"), "{error}");
    }

    #[test]
    fn two_functions_of_one_name_are_refused() {
        let folder = Folder::new();
        folder.write("a/shop/Cargo.toml", CDYLIB);
        folder.write("b/shop/Cargo.toml", CDYLIB);
        let error = error_of(folder.root());
        assert!(error.contains("named `shop`"), "{error}");
        assert!(
            error.contains("a/shop") && error.contains("b/shop"),
            "{error}"
        );
        let paths = ["a/shop", "b/shop"].map(|p| folder.path(p));
        assert!(find_all(&paths).is_err());
        let twice = ["a/shop", "a"].map(|p| folder.path(p));
        assert_eq!(names(&find_all(&twice).expect("is one")), ["shop"]);
    }

    #[test]
    fn nothing_found_says_what_was_looked_for() {
        let folder = Folder::new();
        folder.write("docs/readme.md", "");
        let error = error_of(folder.root());
        assert!(error.contains("looked for a `dunlin.toml`"), "{error}");
        assert!(error_of(&folder.path("missing")).contains("check the path"));
    }

    #[test]
    fn broken_manifests_point_at_the_line() {
        let folder = Folder::new();
        folder.write("shop/Cargo.toml", CDYLIB);
        folder.write("shop/dunlin.toml", "name = \"shop\"\nnam = 1\n");
        let error = error_of(folder.root());
        assert!(error.contains("shop/dunlin.toml:2:1: `nam`"), "{error}");
        folder.write("shop/dunlin.toml", "");
        folder.write("shop/Cargo.toml", "[package\n");
        let error = error_of(folder.root());
        assert!(error.contains("Cargo.toml` is broken"), "{error}");
    }

    #[test]
    fn an_unfit_folder_name_asks_for_a_name() {
        let folder = Folder::new();
        folder.write("My Shop/Cargo.toml", CDYLIB);
        assert!(error_of(folder.root()).contains("set `name`"));
    }
}
