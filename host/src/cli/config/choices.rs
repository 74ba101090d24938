//! Which of flag, file and default counts, noted with the reason.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use serde::Serialize;

use crate::admin::Setting;
use crate::registry::TimeLimit;

/// Files that the host needs besides one for each connection.
const RESERVED_FILES: u64 = 512;

/// Connections that are taken however low the limit of open files is.
const MIN_CONNECTIONS: usize = 64;

/// Longest time that may be set: far from where clocks overflow.
const MAX_TIME: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Chooses, and keeps what was chosen and why.
pub(super) struct Choices {
    path: PathBuf,
    settings: Vec<Setting>,
}

impl Choices {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            settings: Vec::new(),
        }
    }

    /// The file, for people.
    fn file(&self) -> String {
        self.path.display().to_string()
    }

    /// All that were chosen.
    pub(super) fn made(self) -> Vec<Setting> {
        self.settings
    }

    /// A setting of the file only.
    pub(super) fn of_file<T: Serialize>(
        &mut self,
        key: &'static str,
        file: Option<T>,
        default: T,
    ) -> T {
        self.of_flag_or_file(key, None, file, (default, "default"))
    }

    /// A setting that also has a flag, of the key's name. The default comes
    /// with what it is.
    pub(super) fn of_flag_or_file<T: Serialize>(
        &mut self,
        key: &'static str,
        flag: Option<T>,
        file: Option<T>,
        (default, what): (T, &str),
    ) -> T {
        let (value, why) = match (flag, file) {
            (Some(value), _) => {
                let (_, name) = key.split_once('.').expect("keys are `table.name`");
                (value, format!("--{}", name.replace('_', "-")))
            }
            (None, Some(value)) => (value, self.file()),
            (None, None) => (default, what.to_owned()),
        };
        self.settings.push(Setting::new(key, &value, why));
        value
    }

    /// A time, which is not beyond all measure.
    ///
    /// # Errors
    /// When it is.
    pub(super) fn time(
        &mut self,
        key: &'static str,
        flag: Option<TimeLimit>,
        file: Option<TimeLimit>,
        default: TimeLimit,
    ) -> anyhow::Result<TimeLimit> {
        let time = self.of_flag_or_file(key, flag, file, (default, "default"));
        let bearable = time.as_duration() <= MAX_TIME;
        self.require(key, bearable, "write at most \"365days\"")?;
        Ok(time)
    }

    /// As many as asked for, as far as the system lets the host open files, of
    /// which `taken` are for something else.
    pub(super) fn connections(
        &mut self,
        key: &'static str,
        asked: Option<usize>,
        open_files: u64,
        taken: usize,
    ) -> usize {
        let taken = RESERVED_FILES.saturating_add(u64::try_from(taken).unwrap_or(u64::MAX));
        let room = usize::try_from(open_files.saturating_sub(taken))
            .unwrap_or(usize::MAX)
            .clamp(MIN_CONNECTIONS, tokio::sync::Semaphore::MAX_PERMITS);
        let left = format!("the open-file limit, {open_files}, less {taken}");
        let (value, why) = match asked {
            None => (room, format!("default: {left}")),
            Some(asked) if asked > room => {
                let file = self.file();
                (room, format!("{left}; {file} asks for {asked}"))
            }
            Some(asked) => (asked, self.file()),
        };
        self.settings.push(Setting::new(key, &value, why));
        value
    }

    /// # Errors
    /// What a setting is, where that comes from, and the `remedy`, unless it
    /// `holds`.
    pub(super) fn require(&self, key: &str, holds: bool, remedy: &str) -> anyhow::Result<()> {
        let made = self.settings.iter().find(|setting| setting.key() == key);
        match made {
            Some(setting) if !holds => bail!("{setting}: {remedy}"),
            _ => Ok(()),
        }
    }
}
