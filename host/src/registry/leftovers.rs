//! What a crash may leave in the data directory, or damage, and what becomes of
//! it.

use super::RegistryError;
use super::data_dir::Registry;
use super::files::{Digest, Layout, write_atomically};
use super::store_error::io_error;
use super::usage::entries;
use crate::failpoint::fail_point;
use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

/// Engines whose machine code is kept: the one that runs, and the one that ran
/// before, so that going back to it compiles nothing.
const KEPT_ENGINES: usize = 2;

/// What was removed from a data directory because nothing needs it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Files that were never finished.
    pub unfinished: usize,
    /// Components that no version has.
    pub components: usize,
    /// Files of machine code: of such components, or of engines that are long
    /// gone.
    pub compiled: usize,
    /// How large they were together.
    pub bytes: u64,
}

impl Removed {
    /// Whether there was nothing to remove.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    fn file(path: &Path, count: &mut usize, bytes: &mut u64) -> io::Result<()> {
        let size = path.metadata()?.len();
        fs::remove_file(path)?;
        *count += 1;
        *bytes += size;
        Ok(())
    }
}

impl fmt::Display for Removed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            unfinished,
            components,
            compiled,
            bytes,
        } = self;
        let kib = bytes.div_ceil(1024);
        write!(
            f,
            "removed what nothing needs: unfinished files {unfinished}, components {components}, \
             machine code {compiled}, together {kib} KiB"
        )
    }
}

impl Registry {
    /// Removes what earlier hosts left behind: unfinished files, components
    /// without a version, machine code without a component or of an engine
    /// before the last one. `engine` is the one that runs.
    ///
    /// Only for the start: what is being uploaded looks just the same. Nothing
    /// is removed from `compiled` where that is a link: others may use the
    /// folder too.
    ///
    /// # Errors
    ///
    /// When the database can't be read, or the disk fails. What was removed up
    /// to then is gone.
    pub fn remove_leftovers(&self, engine: &str) -> Result<Removed, RegistryError> {
        let mut removed = Removed::default();
        let needed = self.components_of_versions()?;
        let layout = Layout::new(self.data_dir());
        let root = layout.root();
        let components = layout.components();
        let compiled = layout.all_compiled();
        clear(root, "", &needed, &mut removed).map_err(io_error("clean up", root))?;
        fail_point!("cleaning", io_error("clean up", root));
        clear(&components, "wasm", &needed, &mut removed)
            .map_err(io_error("clean up", &components))?;
        if !compiled.is_symlink() {
            clear_compiled(&layout, engine, &needed, &mut removed)
                .map_err(io_error("clean up", &compiled))?;
        }
        Ok(removed)
    }

    /// The components that a version needs, whether the rest of its record can
    /// be read or not.
    fn components_of_versions(&self) -> Result<HashSet<String>, RegistryError> {
        let database = self.database();
        let mut query = database.prepare("SELECT DISTINCT component FROM versions")?;
        let rows = query.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Puts a damaged component aside, so that it counts as missing and can be
    /// sent again. It is kept for whoever wants to look.
    pub fn set_aside(&self, digest: &Digest) {
        let path = Layout::new(self.data_dir()).component(digest);
        let aside = path.with_extension("wasm.damaged");
        match fs::rename(&path, &aside) {
            Ok(()) => tracing::error!(
                target: "dunlin",
                "the component {} was damaged: it is put aside as {}",
                path.display(),
                aside.display()
            ),
            Err(error) => tracing::error!(
                target: "dunlin",
                "the component {} is damaged and cannot be put aside: {error}",
                path.display()
            ),
        }
    }
}

/// Removes unfinished files from a folder, and those of `kind` whose component
/// is not `needed`. Anything else is somebody's.
fn clear(
    folder: &Path,
    kind: &str,
    needed: &HashSet<String>,
    removed: &mut Removed,
) -> io::Result<()> {
    for entry in entries(folder)? {
        let path = entry.path();
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|_| path.is_file()) else {
            continue;
        };
        let component = name
            .split_once('.')
            .filter(|(_, extension)| *extension == kind)
            .map(|(stem, _)| stem)
            .filter(|stem| stem.parse::<Digest>().is_ok());
        if is_unfinished(name) {
            Removed::file(&path, &mut removed.unfinished, &mut removed.bytes)?;
        } else if component.is_some_and(|digest| !needed.contains(digest)) {
            let count = match kind {
                "wasm" => &mut removed.components,
                _ => &mut removed.compiled,
            };
            Removed::file(&path, count, &mut removed.bytes)?;
        }
    }
    Ok(())
}

/// Whether `tempfile` named it: what is written goes by such a name until it is
/// whole.
fn is_unfinished(name: &str) -> bool {
    name.strip_prefix(".tmp")
        .is_some_and(|rest| rest.len() == 6 && rest.bytes().all(|it| it.is_ascii_alphanumeric()))
}

fn clear_compiled(
    layout: &Layout,
    engine: &str,
    needed: &HashSet<String>,
    removed: &mut Removed,
) -> io::Result<()> {
    let list = layout.engines();
    let text = match fs::read_to_string(&list) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    // In the order in which they ran: clocks jump.
    let mut ran: Vec<&str> = text.lines().filter(|it| *it != engine).collect();
    ran.push(engine);
    let kept = &ran[ran.len().saturating_sub(KEPT_ENGINES)..];
    for entry in entries(&layout.all_compiled())? {
        let path = entry.path();
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|_| path.is_dir()) else {
            continue;
        };
        if kept.contains(&name) {
            clear(&path, "cwasm", needed, removed)?;
        } else {
            clear(&path, "cwasm", &HashSet::new(), removed)?;
            // Whatever else is in there is not ours.
            let _ = fs::remove_dir(&path);
        }
    }
    let text = kept.join("\n") + "\n";
    if fs::read_to_string(&list).ok().as_ref() != Some(&text) {
        write_atomically(&list, text.as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{Cause, Change, Description, Interface, Manifest, Split, Version};
    use super::*;
    use std::path::PathBuf;

    fn deploy(registry: &Registry, name: &str, wasm: &[u8]) -> Digest {
        let digest = registry.put_component(wasm).unwrap();
        let manifest = Manifest::named(name.parse().unwrap());
        let version = Version {
            id: registry.store().next_version(&manifest.name).unwrap(),
            component: digest.clone(),
            limits: manifest.limits.clone(),
            manifest,
            description: Description::of_standard(Interface::WasiHttp02),
            created_at_ms: 0,
        };
        let change = Change {
            split: Split::all_to(version.id.number()),
            cause: Cause::Deploy,
            before: None,
            canary: None,
        };
        registry.store().deploy(&version, change).unwrap();
        digest
    }

    fn write(path: PathBuf, text: &str) -> PathBuf {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// The next start.
    fn reopened(registry: Registry) -> Registry {
        let folder = registry.data_dir().to_owned();
        drop(registry);
        Registry::open(&folder).unwrap()
    }

    #[test]
    fn what_nothing_needs_goes_and_all_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::open(folder.path()).unwrap();
        let here = |name: &str| folder.path().join(name);
        let one = deploy(&registry, "shop", b"one");
        let two = deploy(&registry, "shop", b"two");
        let orphan = registry.put_component(b"orphan").unwrap();
        let damaged = deploy(&registry, "blog", b"three");
        registry
            .database()
            .execute(
                "UPDATE versions SET manifest = '{' WHERE function = 'blog'",
                [],
            )
            .unwrap();
        let layout = Layout::new(folder.path());
        let stays = [
            layout.component(&one),
            layout.component(&two),
            layout.component(&damaged),
            write(registry.compiled(&one, "now"), "code"),
            write(registry.compiled(&damaged, "now"), "code"),
            write(here("token"), "secret"),
            write(here("components/README"), "mine"),
            write(here("components/.tmp-mine"), "mine"),
            write(here("notes.wasm"), "mine"),
        ];
        let goes = [
            layout.component(&orphan),
            write(registry.compiled(&orphan, "now"), "code"),
            write(here(".tmpabc123"), "x"),
            write(here("components/.tmpABC123"), "x"),
            write(here("compiled/now/.tmp000000"), "x"),
        ];
        let removed = reopened(registry).remove_leftovers("now").unwrap();
        assert_eq!(
            removed,
            Removed {
                unfinished: 3,
                components: 1,
                compiled: 1,
                bytes: 6 + 4 + 3,
            }
        );
        for path in stays {
            assert!(path.exists(), "{} is gone", path.display());
        }
        for path in goes {
            assert!(!path.exists(), "{} is still there", path.display());
        }
        let again = Registry::open(folder.path()).unwrap();
        assert!(again.remove_leftovers("now").unwrap().is_nothing());
    }

    /// It may have been taken away, or cut off: then it knows nothing of what
    /// is there, which would all look as if nobody needed it.
    #[test]
    fn a_lost_database_costs_no_component() {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::open(folder.path()).unwrap();
        let component = deploy(&registry, "shop", b"one");
        let component = registry.component(&component).unwrap();
        drop(registry);
        let file = folder.path().join("registry.sqlite");
        fs::write(&file, "").unwrap();
        let is_refused = || {
            matches!(
                Registry::open(folder.path()),
                Err(RegistryError::NoDatabase(_))
            )
        };
        assert!(is_refused());
        fs::remove_file(&file).unwrap();
        assert!(is_refused() && is_refused());
        assert!(component.exists());
        fs::remove_dir_all(folder.path().join("components")).unwrap();
        Registry::open(folder.path()).unwrap();
    }

    #[test]
    fn the_engine_before_keeps_its_code_and_older_ones_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let mut registry = Registry::open(folder.path()).unwrap();
        let component = deploy(&registry, "shop", b"one");
        // Up, up, down again, up again.
        for (engine, kept) in [
            ("b", "b"),
            ("c", "b c"),
            ("b", "c b"),
            ("a", "b a"),
            ("a", "b a"),
        ] {
            registry = reopened(registry);
            registry.remove_leftovers(engine).unwrap();
            write(registry.compiled(&component, engine), "code");
            for engine in ["a", "b", "c"] {
                assert_eq!(
                    registry.compiled(&component, engine).exists(),
                    kept.contains(engine),
                    "{engine} of {kept}"
                );
            }
        }
    }

    #[test]
    fn machine_code_that_hosts_share_is_left_alone() {
        let (folder, shared) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink(shared.path(), folder.path().join("compiled")).unwrap();
        let registry = Registry::open(folder.path()).unwrap();
        let code = registry.compiled(&Digest::of(b"another host's"), "old");
        let code = write(code, "code");
        reopened(registry).remove_leftovers("now").unwrap();
        assert!(code.exists());
    }
}
