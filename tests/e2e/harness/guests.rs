//! The functions that are deployed: built once, through `dunlin build`.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::binary::{dunlin, repository};

/// The component of a function below `functions` or `tests/guests`.
///
/// # Panics
/// If it does not build, or there is none of that name.
pub(crate) async fn component(name: &str) -> &'static [u8] {
    static COMPONENTS: OnceCell<HashMap<String, Vec<u8>>> = OnceCell::const_new();
    let components = COMPONENTS.get_or_init(build).await;
    components
        .get(name)
        .unwrap_or_else(|| panic!("no function is named `{name}`"))
}

/// All of them. They are read at once, because another build may overwrite the
/// files. No limit on the time: the first build compiles the SDK.
async fn build() -> HashMap<String, Vec<u8>> {
    let built = dunlin()
        .args(["build", "--json", "functions", "tests/guests"])
        .current_dir(repository())
        .output()
        .await
        .expect("the command starts");
    assert!(
        built.status.success(),
        "the guests do not build:\n{}",
        String::from_utf8_lossy(&built.stderr)
    );
    let text = String::from_utf8_lossy(&built.stdout);
    let read = |line: &str| {
        let line: serde_json::Value = line.parse().expect("each line is JSON");
        let text = |key: &str| line[key].as_str().expect("is a text").to_owned();
        let bytes = fs::read(text("component")).expect("the component was built");
        (text("function"), bytes)
    };
    text.lines().map(read).collect()
}

/// A folder to deploy: the component of `name`, and the settings in `manifest`,
/// which come before its `[build]`.
pub(crate) async fn function_folder(name: &str, manifest: &str) -> FunctionFolder {
    folder_of(name, component(name).await, manifest)
}

/// The same for a component that is at hand.
pub(crate) fn folder_of(name: &str, component: &[u8], manifest: &str) -> FunctionFolder {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let folder = dir.path().join(name);
    fs::create_dir(&folder).expect("can be made");
    fs::write(folder.join("guest.wasm"), component).expect("can be written");
    let manifest = format!("{manifest}\n[build]\ncomponent = \"guest.wasm\"\n");
    fs::write(folder.join("dunlin.toml"), manifest).expect("can be written");
    FunctionFolder {
        path: folder,
        _dir: dir,
    }
}

/// A function's folder, removed when dropped.
pub(crate) struct FunctionFolder {
    pub(crate) path: PathBuf,
    _dir: TempDir,
}
