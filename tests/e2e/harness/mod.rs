//! What the stories share: a host, functions to deploy, peers to talk to.

mod binary;
pub(crate) mod frames;
mod guests;
mod health;
mod host;
mod standard;
mod upstream;
mod wire;

use std::time::Duration;

pub(crate) use self::binary::{Ran, dunlin, repository, run};
pub(crate) use self::guests::{FunctionFolder, component, folder_of, function_folder};
pub(crate) use self::health::{Health, attacked};
pub(crate) use self::host::{Answer, Host};
pub(crate) use self::standard::OpenApi;
pub(crate) use self::upstream::Upstream;
pub(crate) use self::wire::{Http2, Wire, piecewise};

/// Longest wait for anything at all: far more than it ever takes, so that only
/// what never happens fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Waits for `work`.
///
/// # Panics
/// If it takes longer than [`PATIENCE`].
#[track_caller]
pub(crate) fn within<T>(what: &str, work: impl Future<Output = T>) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
    async move {
        match tokio::time::timeout(PATIENCE, work).await {
            Ok(value) => value,
            Err(_) => panic!("{caller}: {what} took longer than {PATIENCE:?}"),
        }
    }
}

/// Looks again and again until `look` finds something.
///
/// # Panics
/// If it finds nothing within [`PATIENCE`].
#[track_caller]
pub(crate) fn until<T>(
    what: &str,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> impl Future<Output = T> {
    within(what, async move {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            // Between two looks, so that looking does not take a whole core.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
}

/// Asserts that `text` is what was reviewed and committed. `DUNLIN_BLESS=1`
/// writes the file anew, to be reviewed again.
#[track_caller]
pub(crate) fn is_as_reviewed(path: &str, text: &str) {
    let golden = repository().join(path);
    if std::env::var_os("DUNLIN_BLESS").is_some() {
        std::fs::write(&golden, text).expect("can be written");
    }
    let reviewed = std::fs::read_to_string(&golden).unwrap_or_default();
    assert!(
        text == reviewed,
        "differs from {path}; DUNLIN_BLESS=1 writes it anew. Now:\n{text}"
    );
}
