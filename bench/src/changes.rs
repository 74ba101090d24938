//! What a change of a function takes, as its author waits for it: from the start
//! of the command to the first 200 of what it brought.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};

use crate::{scenario::Change, summary::median};

/// Fewest changes that one round measures, and most.
const CHANGES: std::ops::Range<usize> = 5..50;

/// Changes the functions of a server that runs.
pub(crate) struct Changer {
    /// The command line.
    pub(crate) program: PathBuf,
    /// Says where the server is.
    pub(crate) arguments: Vec<std::ffi::OsString>,
    /// What is deployed, as it was built.
    pub(crate) component: PathBuf,
    /// The function that it is deployed as.
    pub(crate) function: &'static str,
}

impl Changer {
    /// Makes as many changes as the window allows, after one that brings files
    /// into memory; `answers` waits for the first 200. Returns the milliseconds
    /// of each.
    ///
    /// # Errors
    /// When a change fails.
    pub(crate) fn lengths(
        &self,
        change: Change,
        window: Duration,
        mut answers: impl FnMut() -> anyhow::Result<()>,
    ) -> anyhow::Result<Vec<f64>> {
        let mut lengths = Vec::new();
        let folder = tempfile::tempdir()?;
        let component = folder.path().join("component.wasm");
        let built = std::fs::read(&self.component)
            .with_context(|| format!("`{}` cannot be read", self.component.display()))?;
        std::fs::write(&component, &built)?;
        let began = Instant::now();
        for number in 0..=CHANGES.end {
            if let Change::DeployCold = change {
                std::fs::write(&component, with_section(&built, number))?;
            }
            if let Change::Rollback = change {
                self.run(&["deploy".as_ref(), component.as_os_str()])?;
            }
            let start = Instant::now();
            match change {
                Change::DeployCold | Change::DeployWarm => {
                    self.run(&["deploy".as_ref(), component.as_os_str()])?;
                }
                Change::Rollback => self.run(&["rollback".as_ref(), self.function.as_ref()])?,
            }
            answers()?;
            if number > 0 {
                lengths.push(start.elapsed().as_secs_f64() * 1e3);
            }
            if number >= CHANGES.start && began.elapsed() > window {
                break;
            }
        }
        Ok(lengths)
    }

    fn run(&self, words: &[&std::ffi::OsStr]) -> anyhow::Result<()> {
        let mut command = Command::new(&self.program);
        command.args(words).args(&self.arguments);
        if words[0] == "deploy" {
            command.args(["--name", self.function]);
        }
        // Theirs is for another host.
        let command = command.env_remove("DUNLIN_TOKEN").stdin(Stdio::null());
        let output = command.output()?;
        ensure!(
            output.status.success(),
            "{command:?} failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }
}

/// The median and the longest.
///
/// # Errors
/// When there are none.
pub(crate) fn typical(lengths: &[f64]) -> anyhow::Result<(f64, f64)> {
    let longest = lengths.iter().copied().fold(0.0, f64::max);
    let p50 = median(lengths.to_vec()).context("nothing was measured")?;
    Ok((p50, longest))
}

/// The same component with other bytes: a custom section more (Component Model,
/// Binary.md).
fn with_section(component: &[u8], number: usize) -> Vec<u8> {
    let name = b"bench";
    let content = u64::try_from(number).unwrap_or_default().to_le_bytes();
    let length = |length: usize| u8::try_from(length).expect("is short");
    let mut bytes = component.to_vec();
    bytes.extend([
        0,
        length(1 + name.len() + content.len()),
        length(name.len()),
    ]);
    bytes.extend(name);
    bytes.extend(content);
    bytes
}
