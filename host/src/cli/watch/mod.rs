//! Watches what functions are built from, for `up`.

mod folders;
mod map;

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use tokio::time::{Instant, timeout_at};

use self::folders::{Folders, Happened};
use self::map::{Effect, Map};
use super::build::{Toolchain, Workspaces};
use super::output::Output;
use super::project::Project;

/// The place of a function in the list last given to [`Watch`].
pub(crate) type ProjectIndex = usize;

/// Changes are told after so long without a further one: an editor or a
/// `git checkout` writes many files at once. Short, as every save waits so long,
/// and a build that began too early is given up.
const QUIET: Duration = Duration::from_millis(25);

/// Changes are told after so long at the latest, from the first one.
const LONGEST: Duration = Duration::from_secs(1);

/// What happened to the functions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Changed {
    /// These are to be built again; never empty.
    Functions(Vec<ProjectIndex>),
    /// Functions may have come, gone, or have another manifest: find them
    /// again and [`Watch::follow`] them. Of those known so far, these are to be
    /// built again.
    Layout(Vec<ProjectIndex>),
}

/// Watches the folders of functions, of the path dependencies they are built
/// from, and the root below which functions may come.
pub(crate) struct Watch {
    root: PathBuf,
    toolchain: Toolchain,
    map: Map,
    folders: Folders,
    /// What changed and was not told yet. Paths rather than functions, as
    /// `follow` gives the functions new numbers.
    pending: BTreeSet<PathBuf>,
    /// The system dropped events: everything counts as changed.
    lost: bool,
    /// When the pending changes began, and when the last one came.
    since: Option<(Instant, Instant)>,
    /// Hashes of changed files. A build may write where it likes, so only new
    /// contents count, or its own product would set it off again for ever.
    contents: HashMap<PathBuf, Option<u64>>,
}

impl Watch {
    /// Watches `projects`, and `root` (a folder, or a function's `.wasm` file)
    /// for new ones. Where the system has no more watches to give, polls, and
    /// says so.
    ///
    /// # Errors
    /// When `root` does not exist, or not even polling is possible.
    pub(crate) async fn new(
        root: &Path,
        projects: &[Project],
        toolchain: &Toolchain,
        output: &Output,
    ) -> anyhow::Result<Self> {
        let root = fs::canonicalize(root)
            .with_context(|| format!("`{}` cannot be watched: check the path", root.display()))?;
        let mut watch = Self {
            root,
            toolchain: toolchain.clone(),
            map: Map::default(),
            folders: Folders::new(output)?,
            pending: BTreeSet::new(),
            lost: false,
            since: None,
            contents: HashMap::new(),
        };
        watch.follow(projects).await?;
        Ok(watch)
    }

    /// Watches `projects` instead of those before. What changed meanwhile is
    /// told of by the next [`Watch::next`], in the new numbers.
    ///
    /// # Errors
    /// When no folder can be watched.
    pub(crate) async fn follow(&mut self, projects: &[Project]) -> anyhow::Result<()> {
        let mut workspaces = Workspaces::new(&self.toolchain);
        let mut sources = Vec::with_capacity(projects.len());
        for project in projects {
            sources.push(workspaces.sources(project).await);
        }
        self.map = Map::new(&self.root, projects, sources);
        self.folders.set(self.map.watched_folders())
    }

    /// Waits for changes, until they pause. May be dropped and called again
    /// without losing any.
    ///
    /// # Errors
    /// When no folder can be watched any more.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Changed> {
        loop {
            let happened = match self.since {
                None => self.folders.next().await,
                Some((first, last)) => {
                    let deadline = (last + QUIET).min(first + LONGEST);
                    match timeout_at(deadline, self.folders.next()).await {
                        Ok(happened) => happened,
                        Err(_) => match self.take() {
                            Some(changed) => return Ok(changed),
                            None => continue,
                        },
                    }
                }
            };
            self.note(happened)?;
        }
    }

    /// Adds what happened to what is pending.
    fn note(&mut self, happened: Happened) -> anyhow::Result<()> {
        let paths = match happened {
            Happened::Touched(paths) => paths,
            Happened::Lost => {
                // New folders may be among what was lost.
                self.folders.add(self.map.watched_folders())?;
                self.lost = true;
                self.begin();
                return Ok(());
            }
        };
        for path in paths {
            if path.is_dir() {
                self.folders.add(self.map.watched_below(&path))?;
            } else if !path.exists() {
                self.folders.forget(&path);
            }
            if !self.map.effect(&path).is_none() {
                self.pending.insert(path);
                self.begin();
            }
        }
        Ok(())
    }

    fn begin(&mut self) {
        let now = Instant::now();
        let first = self.since.map_or(now, |(first, _)| first);
        self.since = Some((first, now));
    }

    /// What the pending changes come to, if to anything.
    fn take(&mut self) -> Option<Changed> {
        self.since = None;
        let mut effect = Effect::default();
        if std::mem::take(&mut self.lost) {
            effect.add(self.map.everything());
        }
        for path in std::mem::take(&mut self.pending) {
            let one = self.map.effect(&path);
            // What lies in a folder that has just come was never told of.
            let is_folder = path.is_dir() && !self.map.is_commanded(&one);
            if self.has_new_contents(&path) || is_folder {
                effect.add(one);
            }
        }
        let functions = Vec::from_iter(effect.functions);
        match effect.layout {
            true => Some(Changed::Layout(functions)),
            false if functions.is_empty() => None,
            false => Some(Changed::Functions(functions)),
        }
    }

    fn has_new_contents(&mut self, path: &Path) -> bool {
        let contents = fs::read(path).ok().map(|bytes| {
            let mut hasher = DefaultHasher::new();
            bytes.hash(&mut hasher);
            hasher.finish()
        });
        self.contents.insert(path.to_path_buf(), contents) != Some(contents)
    }
}

#[cfg(test)]
mod tests;
