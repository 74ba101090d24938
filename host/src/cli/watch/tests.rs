//! Changes real files and waits to be told.

use super::super::project::find;
use super::super::testing::{Folder, quiet_output};
use super::*;

/// By when a change must have been told, on however busy a machine.
const DEADLINE: Duration = Duration::from_secs(30);

/// Functions `a` (0) and `b` (1); `a` depends on `lib`, beside `functions`.
fn two_functions() -> Folder {
    let folder = Folder::new();
    folder.write_package("functions/a", "a", "");
    folder.write_package("functions/b", "b", "");
    let manifest = fs::read_to_string(folder.path("functions/a/Cargo.toml")).expect("was written");
    folder.write(
        "functions/a/Cargo.toml",
        manifest + "[dependencies]\nlib = { path = \"../../lib\" }\n",
    );
    folder.write(
        "lib/Cargo.toml",
        "[package]\nname = \"lib\"\nversion = \"0.1.0\"\n",
    );
    folder.write("lib/src/lib.rs", "");
    folder
}

async fn watch(folder: &Folder) -> Watch {
    let root = folder.path("functions");
    let projects = find(&root).expect("are found");
    let toolchain = Toolchain::from_env();
    Watch::new(&root, &projects, &toolchain, &quiet_output())
        .await
        .expect("can be watched")
}

async fn next(watch: &mut Watch) -> Changed {
    let next = tokio::time::timeout(DEADLINE, watch.next()).await;
    next.expect("is told in time").expect("goes on watching")
}

/// Like [`next`], past repetitions of `before`: on a busy machine one change may
/// be told in two parts.
async fn next_after(watch: &mut Watch, before: &Changed) -> Changed {
    loop {
        let told = next(watch).await;
        if told != *before {
            return told;
        }
    }
}

#[tokio::test]
async fn a_save_is_told_for_the_functions_built_from_it() {
    let folder = two_functions();
    let mut watch = watch(&folder).await;
    let (a, b) = (Changed::Functions(vec![0]), Changed::Functions(vec![1]));
    folder.write("functions/b/src/lib.rs", "// 1");
    assert_eq!(next(&mut watch).await, b);
    folder.write("lib/src/lib.rs", "// 1");
    assert_eq!(next_after(&mut watch, &b).await, a);
    // As editors save: write beside, then rename.
    folder.write("functions/b/src/lib.rs.tmp", "// 2");
    fs::rename(
        folder.path("functions/b/src/lib.rs.tmp"),
        folder.path("functions/b/src/lib.rs"),
    )
    .expect("can be renamed");
    assert_eq!(next_after(&mut watch, &a).await, b);
}

#[tokio::test]
async fn noise_and_reading_are_not_told() {
    let folder = two_functions();
    let mut watch = watch(&folder).await;
    folder.write("functions/a/target/dunlin/a.wasm", "x");
    folder.write("functions/a/src/.lib.rs.swp", "x");
    folder.write("functions/a/src/lib.rs~", "x");
    fs::read(folder.path("functions/a/src/lib.rs")).expect("can be read");
    // Told later than all of those, and alone.
    folder.write("functions/b/src/lib.rs", "// 1");
    assert_eq!(next(&mut watch).await, Changed::Functions(vec![1]));
}

#[tokio::test]
async fn new_folders_are_watched_and_may_be_functions() {
    let folder = two_functions();
    let mut watch = watch(&folder).await;
    folder.write("functions/b/src/inner/mod.rs", "");
    assert_eq!(next(&mut watch).await, Changed::Functions(vec![1]));
    folder.write("functions/b/src/inner/mod.rs", "// 1");
    assert_eq!(next(&mut watch).await, Changed::Functions(vec![1]));

    folder.write_package("functions/aa", "aa", "");
    let told = next_after(&mut watch, &Changed::Functions(vec![1])).await;
    assert_eq!(told, Changed::Layout(vec![]));
    let projects = find(&folder.path("functions")).expect("are found");
    assert_eq!(projects.len(), 3);
    watch.follow(&projects).await.expect("can be watched");
    // `b` is the third now, `aa` the second.
    folder.write("functions/aa/src/lib.rs", "// 1");
    // What was left to tell of the new folder comes with its number now.
    let told = next_after(&mut watch, &Changed::Layout(vec![1])).await;
    assert_eq!(told, Changed::Functions(vec![1]));
    fs::remove_dir_all(folder.path("functions/b")).expect("can be removed");
    let gone = next_after(&mut watch, &told).await;
    assert_eq!(gone, Changed::Layout(vec![2]));
}

#[tokio::test]
async fn a_manifest_is_told_with_its_function() {
    let folder = two_functions();
    let mut watch = watch(&folder).await;
    folder.write("functions/b/dunlin.toml", "name = \"bee\"\n");
    assert_eq!(next(&mut watch).await, Changed::Layout(vec![1]));
}

#[tokio::test]
async fn what_a_build_command_writes_sets_it_off_once_at_most() {
    let folder = two_functions();
    folder.write(
        "functions/js/dunlin.toml",
        "[build]\ncommand = \"make\"\ncomponent = \"js.wasm\"\n",
    );
    let mut watch = watch(&folder).await;
    folder.write("functions/js/bundle.js", "made");
    assert_eq!(next(&mut watch).await, Changed::Functions(vec![2]));
    folder.write("functions/js/bundle.js", "made");
    folder.write("functions/js/js.wasm", "made");
    folder.write("functions/b/src/lib.rs", "// 1");
    assert_eq!(next(&mut watch).await, Changed::Functions(vec![1]));
}

#[tokio::test]
async fn dropping_next_loses_nothing() {
    let folder = two_functions();
    let mut watch = watch(&folder).await;
    folder.write("functions/b/src/lib.rs", "// 1");
    let until = Instant::now() + DEADLINE;
    // Each wait is shorter than the pause that ends a change.
    let told = loop {
        assert!(Instant::now() < until, "never told");
        if let Ok(told) = tokio::time::timeout(QUIET / 3, watch.next()).await {
            break told.expect("goes on watching");
        }
    };
    assert_eq!(told, Changed::Functions(vec![1]));
}

#[tokio::test]
async fn polling_tells_the_same() {
    let folder = two_functions();
    let mut watch = watch(&folder).await;
    watch.folders.poll(QUIET / 2).expect("can poll");
    folder.write("functions/b/src/lib.rs", "// 1");
    assert_eq!(next(&mut watch).await, Changed::Functions(vec![1]));
    folder.write("functions/b/src/lib.rs", "// 2");
    assert_eq!(next(&mut watch).await, Changed::Functions(vec![1]));
    folder.write_package("functions/c", "c", "");
    let told = next_after(&mut watch, &Changed::Functions(vec![1])).await;
    assert_eq!(told, Changed::Layout(vec![]));
}

#[tokio::test]
async fn lost_events_count_as_changes_of_everything() {
    let folder = two_functions();
    let mut watch = watch(&folder).await;
    watch.note(Happened::Lost).expect("goes on watching");
    assert_eq!(next(&mut watch).await, Changed::Layout(vec![0, 1]));
}
