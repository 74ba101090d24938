//! Which change concerns which function.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::super::build::Sources;
use super::super::project::{CARGO_MANIFEST, MANIFEST, MAX_DEPTH, Project, Source, is_skipped};
use super::ProjectIndex;

/// Files that decide what there is to build, and by what.
const LAYOUT_FILES: [&str; 4] = [
    CARGO_MANIFEST,
    MANIFEST,
    "rust-toolchain.toml",
    "rust-toolchain",
];

/// What a change means.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Effect {
    /// Functions to build again.
    pub(super) functions: BTreeSet<ProjectIndex>,
    /// Whether functions may have come, gone, or changed what they are built
    /// from.
    pub(super) layout: bool,
}

impl Effect {
    pub(super) fn is_none(&self) -> bool {
        self.functions.is_empty() && !self.layout
    }

    pub(super) fn add(&mut self, other: Self) {
        self.functions.extend(other.functions);
        self.layout |= other.layout;
    }
}

/// The folders and files that functions are built from.
#[derive(Debug, Default)]
pub(super) struct Map {
    /// New functions are looked for below it; `None` for a single file.
    root: Option<PathBuf>,
    /// By folder: all below it concerns these functions, unless a deeper one of
    /// these folders holds it.
    folders: BTreeMap<PathBuf, BTreeSet<ProjectIndex>>,
    files: HashMap<PathBuf, BTreeSet<ProjectIndex>>,
    /// What `[build] command`s leave: to react to it would never end.
    products: BTreeSet<PathBuf>,
    /// Functions built by a command, which may leave more than its product.
    commanded: BTreeSet<ProjectIndex>,
}

impl Map {
    pub(super) fn new(root: &Path, projects: &[Project], sources: Vec<Sources>) -> Self {
        let mut map = Self {
            root: root.is_dir().then(|| root.to_path_buf()),
            ..Self::default()
        };
        for (index, (project, sources)) in projects.iter().zip(sources).enumerate() {
            for folder in sources.folders {
                map.folders.entry(folder).or_default().insert(index);
            }
            for file in sources.files {
                map.files.entry(file).or_default().insert(index);
            }
            if let Source::Command { component, .. } = &project.source {
                map.commanded.insert(index);
                map.products.insert(match component.parent() {
                    Some(folder) if folder != project.folder => folder.to_path_buf(),
                    _ => component.clone(),
                });
            }
        }
        map
    }

    /// What a change of `path` means.
    pub(super) fn effect(&self, path: &Path) -> Effect {
        let mut effect = Effect::default();
        let is_manifest = path
            .file_name()
            .is_some_and(|name| LAYOUT_FILES.iter().any(|file| name == *file));
        if let Some(functions) = self.files.get(path) {
            effect.functions.extend(functions);
            effect.layout |= is_manifest;
        }
        if self
            .products
            .iter()
            .any(|product| path.starts_with(product))
        {
            return effect;
        }
        if let Some((folder, functions)) = self.folder_of(path) {
            if !is_noise(path, folder) {
                effect.functions.extend(functions);
                effect.layout |= is_manifest || path == folder;
            }
        } else if let Some(root) = &self.root
            && path.starts_with(root)
            && !is_noise(path, root)
        {
            // Between the functions only one thing matters: that one comes. A
            // folder that went may have held one.
            effect.layout |= is_manifest || path.is_dir() || !path.exists();
        }
        effect
    }

    /// What a change of everything means.
    pub(super) fn everything(&self) -> Effect {
        Effect {
            functions: self
                .folders
                .values()
                .chain(self.files.values())
                .flatten()
                .copied()
                .collect(),
            layout: true,
        }
    }

    /// Whether all that the change concerns is built by commands.
    pub(super) fn is_commanded(&self, effect: &Effect) -> bool {
        !effect.layout && effect.functions.is_subset(&self.commanded)
    }

    /// Every folder to watch, each for its own entries only: watching `target/`
    /// would use up the system's watches.
    pub(super) fn watched_folders(&self) -> BTreeSet<PathBuf> {
        let mut watched = BTreeSet::new();
        for folder in self.folders.keys() {
            walk(folder, usize::MAX, &mut watched);
        }
        if let Some(root) = &self.root {
            walk(root, MAX_DEPTH, &mut watched);
        }
        // A file may be replaced by another of its name: watch where it lies.
        watched.extend(
            self.files
                .keys()
                .filter_map(|file| Some(file.parent()?.to_path_buf())),
        );
        watched
    }

    /// The folders to watch after `folder` came to be.
    pub(super) fn watched_below(&self, folder: &Path) -> BTreeSet<PathBuf> {
        let mut watched = BTreeSet::new();
        if self.effect(folder).is_none() {
            return watched;
        }
        let depth = match (&self.root, self.folder_of(folder)) {
            (Some(root), None) => {
                let below = folder
                    .strip_prefix(root)
                    .map_or(0, |p| p.components().count());
                MAX_DEPTH.saturating_sub(below)
            }
            _ => usize::MAX,
        };
        walk(folder, depth, &mut watched);
        watched
    }

    fn folder_of(&self, path: &Path) -> Option<(&Path, &BTreeSet<ProjectIndex>)> {
        path.ancestors().find_map(|folder| {
            let (folder, functions) = self.folders.get_key_value(folder)?;
            Some((folder.as_path(), functions))
        })
    }
}

/// Adds `folder` and the folders of sources below it.
fn walk(folder: &Path, depth: usize, watched: &mut BTreeSet<PathBuf>) {
    watched.insert(folder.to_path_buf());
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if depth > 0 && is_folder && !is_skipped(&entry.file_name()) {
            walk(&entry.path(), depth - 1, watched);
        }
    }
}

/// Whether `path`, below `folder`, is no source: build output, hidden, or left
/// by an editor.
fn is_noise(path: &Path, folder: &Path) -> bool {
    let below = path.strip_prefix(folder).unwrap_or(path);
    below.iter().any(is_skipped) || path.file_name().is_some_and(is_left_by_editor)
}

/// Swap, backup and lock files of vim, Emacs and JetBrains; hidden ones are
/// noise already.
fn is_left_by_editor(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    // vim asks whether it may write to a folder by making this file.
    name == "4913"
        || name.ends_with('~')
        || (name.starts_with('#') && name.ends_with('#'))
        || [
            ".swp",
            ".swx",
            ".bak",
            ".tmp",
            "___jb_tmp___",
            "___jb_old___",
        ]
        .iter()
        .any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::super::super::project::find;
    use super::super::super::testing::Folder;
    use super::*;

    /// Functions `a` (0), and `js` (1) built by a command, both below `root`;
    /// `a` depends on `sdk`.
    fn map(folder: &Folder) -> Map {
        folder.write_package("root/a", "a", "");
        folder.write("root/a/src/deep/mod.rs", "");
        folder.write("root/a/target/dunlin/x", "");
        folder.write("sdk/src/lib.rs", "");
        folder.write(
            "root/js/dunlin.toml",
            "[build]\ncommand = \"make\"\ncomponent = \"dist/js.wasm\"\n",
        );
        let projects = find(&folder.path("root")).expect("are found");
        let sources = vec![
            Sources {
                folders: ["root/a", "sdk"].map(|p| folder.path(p)).into(),
                files: ["Cargo.lock", "Cargo.toml"].map(|p| folder.path(p)).into(),
            },
            Sources {
                folders: [folder.path("root/js")].into(),
                files: BTreeSet::new(),
            },
        ];
        Map::new(&folder.path("root"), &projects, sources)
    }

    #[test]
    fn a_change_concerns_who_is_built_from_it() {
        let folder = Folder::new();
        let map = map(&folder);
        let of = |path: &str| {
            let effect = map.effect(&folder.path(path));
            (Vec::from_iter(effect.functions), effect.layout)
        };
        for source in ["root/a/src/lib.rs", "sdk/src/lib.rs", "Cargo.lock"] {
            assert_eq!(of(source), (vec![0], false), "{source}");
        }
        for manifest in [
            "root/a/Cargo.toml",
            "root/a/dunlin.toml",
            "root/a",
            "Cargo.toml",
        ] {
            assert_eq!(of(manifest), (vec![0], true), "{manifest}");
        }
        assert_eq!(of("root/js/main.js"), (vec![1], false));
        for coming in ["root/new/Cargo.toml", "root/gone"] {
            assert_eq!(of(coming), (vec![], true), "{coming}");
        }
    }

    #[test]
    fn noise_concerns_nobody() {
        let folder = Folder::new();
        let map = map(&folder);
        folder.write("root/readme.md", "");
        let noise = [
            "root/a/target/dunlin/x",
            "root/a/.git/index",
            "root/a/src/.lib.rs.swp",
            "root/a/src/lib.rs~",
            "root/a/src/4913",
            "root/a/src/#lib.rs#",
            "root/js/node_modules/x/y.js",
            "root/js/dist/js.wasm",
            "root/js/dist/bundle.js",
            "root/.hidden/Cargo.toml",
            "root/readme.md",
            "elsewhere/src/lib.rs",
            "README.md",
        ];
        for path in noise {
            assert!(map.effect(&folder.path(path)).is_none(), "{path}");
        }
    }

    #[test]
    fn only_folders_of_sources_are_watched() {
        let folder = Folder::new();
        let map = map(&folder);
        let expected = [
            "",
            "root",
            "root/a",
            "root/a/src",
            "root/a/src/deep",
            "root/js",
            "sdk",
            "sdk/src",
        ];
        let expected = expected.map(|p| folder.path(p).components().collect::<PathBuf>());
        assert_eq!(map.watched_folders(), BTreeSet::from(expected));
        folder.write("root/1/2/3/4/Cargo.toml", "");
        let below = map.watched_below(&folder.path("root/1"));
        assert_eq!(
            below,
            ["root/1", "root/1/2", "root/1/2/3"]
                .map(|p| folder.path(p))
                .into()
        );
        assert!(map.watched_below(&folder.path("root/a/target")).is_empty());
    }
}
