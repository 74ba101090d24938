//! What a crash may leave in the data directory, or damage, and what becomes of
//! it.

use super::files::{Digest, Layout};
use super::store::Registry;
use std::fs;

impl Registry {
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
