//! The set of folders watched, whatever the system offers for it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use notify::event::{MetadataKind, ModifyKind};
use notify::{
    Config, ErrorKind, Event, EventKind, PollWatcher, RecommendedWatcher, RecursiveMode, Watcher,
};
use tokio::sync::mpsc;

use super::super::output::Output;

/// How often files are looked at where the system doesn't tell of changes.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// What came of watching.
#[derive(Debug)]
pub(super) enum Happened {
    Touched(Vec<PathBuf>),
    /// The system dropped events: anything may have changed.
    Lost,
}

/// Folders being watched, each for its own entries.
pub(super) struct Folders {
    watcher: Box<dyn Watcher + Send>,
    watched: BTreeSet<PathBuf>,
    polls: bool,
    events: mpsc::UnboundedReceiver<Happened>,
    /// For another watcher.
    sender: mpsc::UnboundedSender<Happened>,
    output: Output,
}

impl Folders {
    /// Watches nothing yet.
    ///
    /// # Errors
    /// When not even polling is possible.
    pub(super) fn new(output: &Output) -> anyhow::Result<Self> {
        let (sender, events) = mpsc::unbounded_channel();
        let mut folders = Self {
            watcher: Box::new(notify::NullWatcher),
            watched: BTreeSet::new(),
            polls: false,
            events,
            sender,
            output: output.clone(),
        };
        match RecommendedWatcher::new(folders.handler(), Config::default()) {
            Ok(watcher) => folders.watcher = Box::new(watcher),
            Err(error) => folders.fall_back(&error)?,
        }
        Ok(folders)
    }

    /// The next thing that happened.
    pub(super) async fn next(&mut self) -> Happened {
        let event = self.events.recv().await;
        event.expect("a sender is kept in this very struct")
    }

    /// Watches exactly `wanted` from now on.
    ///
    /// # Errors
    /// When not even polling is possible.
    pub(super) fn set(&mut self, wanted: BTreeSet<PathBuf>) -> anyhow::Result<()> {
        let stale: Vec<_> = self.watched.difference(&wanted).cloned().collect();
        for folder in stale {
            self.forget(&folder);
        }
        self.add(wanted)
    }

    /// Watches `wanted` too.
    ///
    /// # Errors
    /// When not even polling is possible.
    pub(super) fn add(&mut self, wanted: BTreeSet<PathBuf>) -> anyhow::Result<()> {
        for folder in wanted {
            if self.watched.contains(&folder) {
                continue;
            }
            match self.watcher.watch(&folder, RecursiveMode::NonRecursive) {
                Err(error) if !self.polls && is_limit(&error) => {
                    self.watched.insert(folder);
                    self.fall_back(&error)?;
                }
                // It went in the meantime, or may not be read: if it matters,
                // the build will say so.
                Err(error) => self
                    .output
                    .detail(format_args!("not watching `{}`: {error}", folder.display())),
                Ok(()) => {
                    self.watched.insert(folder);
                }
            }
        }
        Ok(())
    }

    /// Forgets `folder` and all below it: it went, or it is not wanted. If it
    /// comes again, it is another one.
    pub(super) fn forget(&mut self, folder: &Path) {
        let gone: Vec<_> = self
            .watched
            .iter()
            .filter(|watched| watched.starts_with(folder))
            .cloned()
            .collect();
        for folder in gone {
            // The watcher may have noticed by itself.
            let _ = self.watcher.unwatch(&folder);
            self.watched.remove(&folder);
        }
    }

    /// Looks at the files from time to time instead of being told.
    fn fall_back(&mut self, cause: &notify::Error) -> anyhow::Result<()> {
        self.output.note(format_args!(
            "looking for changes every {} s, as the system cannot tell of them ({cause}); on Linux, \
             raise `sysctl fs.inotify.max_user_watches` and `fs.inotify.max_user_instances`",
            POLL_INTERVAL.as_secs()
        ));
        self.poll(POLL_INTERVAL)
    }

    /// Replaces the watcher by one that polls.
    pub(super) fn poll(&mut self, interval: Duration) -> anyhow::Result<()> {
        // By contents: notify compares whole seconds otherwise, and would miss
        // the second save of one.
        let config = Config::default()
            .with_poll_interval(interval)
            .with_compare_contents(true);
        let mut watcher =
            PollWatcher::new(self.handler(), config).context("cannot look for changed files")?;
        self.watched
            .retain(|folder| watcher.watch(folder, RecursiveMode::NonRecursive).is_ok());
        self.watcher = Box::new(watcher);
        self.polls = true;
        Ok(())
    }

    fn handler(&self) -> impl FnMut(notify::Result<Event>) + Send + 'static {
        let sender = self.sender.clone();
        move |event| {
            let event = match event {
                Ok(event) if event.need_rescan() => Happened::Lost,
                Ok(event) if changes(event.kind, &event.paths) => Happened::Touched(event.paths),
                Ok(_) => return,
                Err(_) => Happened::Lost,
            };
            // Without a receiver, nobody watches any more.
            let _ = sender.send(event);
        }
    }
}

/// Whether the event changes a file or a folder's entries, not only reads it or
/// changes who may.
fn changes(kind: EventKind, paths: &[PathBuf]) -> bool {
    match kind {
        EventKind::Access(_) => false,
        // The polling watcher tells of new contents so; of a folder's, besides
        // telling of the entry itself.
        EventKind::Modify(ModifyKind::Metadata(MetadataKind::WriteTime)) => {
            !paths.iter().any(|path| path.is_dir())
        }
        EventKind::Modify(ModifyKind::Metadata(_)) => false,
        _ => true,
    }
}

/// Whether the system has no more watches to give.
fn is_limit(error: &notify::Error) -> bool {
    const EMFILE: i32 = 24;
    const ENOSPC: i32 = 28;
    match &error.kind {
        ErrorKind::MaxFilesWatch => true,
        ErrorKind::Io(error) => matches!(error.raw_os_error(), Some(EMFILE | ENOSPC)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_a_file_changes_nothing() {
        use notify::event::{AccessKind, CreateKind, DataChange};
        let file = [PathBuf::from("/no/such/file")];
        let folder = [std::env::temp_dir()];
        let metadata = |kind| EventKind::Modify(ModifyKind::Metadata(kind));
        let written = metadata(MetadataKind::WriteTime);
        let data = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        assert!(!changes(EventKind::Access(AccessKind::Any), &file));
        assert!(!changes(metadata(MetadataKind::Permissions), &file));
        assert!(changes(written, &file));
        assert!(!changes(written, &folder));
        assert!(changes(data, &file));
        assert!(changes(EventKind::Create(CreateKind::Folder), &folder));
    }

    #[test]
    fn running_out_of_watches_is_told_from_other_errors() {
        assert!(is_limit(&notify::Error::new(ErrorKind::MaxFilesWatch)));
        let io = |code| notify::Error::io(std::io::Error::from_raw_os_error(code));
        assert!(is_limit(&io(24)));
        assert!(!is_limit(&io(2)));
    }
}
