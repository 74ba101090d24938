//! Off the event loops: whatever waits for a disk.

use tokio::task::spawn_blocking;

/// Runs `work`, which may wait for the disk, off the event loop.
///
/// # Errors
///
/// Those of the work.
///
/// # Panics
///
/// If the work does.
pub async fn on_disk<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: Send + 'static,
{
    spawn_blocking(work)
        .await
        .expect("disk work does not panic")
}
