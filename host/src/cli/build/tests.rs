//! Builds real packages with the real cargo.

use std::fs;

use super::super::project::{self, find};
use super::super::testing::{Folder, quiet_output};
use super::*;

const FINE: &str = "#[unsafe(no_mangle)]\npub extern \"C\" fn run() -> u32 { 7 }\n";
const BROKEN: &str = "pub fn run() -> u32 { \"seven\" }\n";

fn options() -> BuildOptions {
    BuildOptions {
        toolchain: Toolchain::from_env(),
        missing_target: MissingTarget::Install,
        purpose: Purpose::Deploying,
    }
}

async fn build_all(functions: &[Project]) -> Vec<Built<'_>> {
    build(functions, &options(), &quiet_output())
        .await
        .expect("the toolchain is there")
}

fn failure(built: &Built<'_>) -> (String, String) {
    let failure = built.outcome.as_ref().expect_err("must fail");
    (failure.summary.clone(), plain(&failure.diagnostics))
}

#[tokio::test]
async fn a_package_becomes_a_component() {
    let folder = Folder::new();
    folder.write_package("my-shop", "some-package", FINE);
    let functions = find(folder.root()).expect("is found");
    let built = build_all(&functions).await;
    let path = built[0].outcome.as_ref().expect("compiles");
    assert!(
        path.ends_with("wasm32-wasip2/dunlin/some_package.wasm"),
        "{path:?}"
    );
    assert!(require_all(&built).is_ok());

    // The manifest may name another profile.
    folder.write("my-shop/dunlin.toml", "[build]\nprofile = \"dev\"\n");
    let functions = find(folder.root()).expect("is found");
    let built = build_all(&functions).await;
    let path = built[0].outcome.as_ref().expect("compiles");
    assert!(
        path.ends_with("wasm32-wasip2/debug/some_package.wasm"),
        "{path:?}"
    );
}

#[tokio::test]
async fn one_members_error_leaves_the_others_built() {
    let folder = Folder::new();
    folder.write(
        "Cargo.toml",
        "[workspace]\nresolver = \"3\"\nmembers = [\"bad\", \"good\"]\n",
    );
    folder.write_package("bad", "bad", BROKEN);
    folder.write_package("good", "good", &format!("fn unused() {{}}\n{FINE}"));
    folder.write_package("lone", "lone", FINE);
    // Not a member: cargo refuses it, and says so.
    let functions = find(folder.root()).expect("are found");
    let built = build_all(&functions).await;

    let (summary, said) = failure(&built[0]);
    assert_eq!(summary, "it does not compile");
    assert!(
        said.contains("mismatched types") && said.contains("src/lib.rs:1"),
        "{said}"
    );
    assert!(!said.contains("aborting"), "{said}");
    assert!(built[1].outcome.is_ok(), "{:?}", built[1].outcome);
    assert!(plain(&built[1].warnings).contains("`unused` is never used"));
    let (summary, said) = failure(&built[2]);
    assert!(summary.contains("cargo cannot read"), "{summary}");
    assert!(said.contains("workspace"), "{said}");

    let error = require_all(&built).expect_err("two failed");
    assert_eq!(error.to_string(), "2 of 3 functions failed to build");
    assert_eq!(Exit::of(&error), Exit::BuildFailed);
}

#[tokio::test]
async fn a_dependencys_error_is_shown_for_the_function() {
    let folder = Folder::new();
    folder.write_package("f", "f", FINE);
    let manifest = fs::read_to_string(folder.path("f/Cargo.toml")).expect("was written");
    folder.write(
        "f/Cargo.toml",
        manifest + "[dependencies]\nlib = { path = \"../lib\" }\n",
    );
    folder.write(
        "lib/Cargo.toml",
        "[package]\nname = \"lib\"\nversion = \"0.1.0\"\n",
    );
    folder.write("lib/src/lib.rs", BROKEN);
    let functions = find(folder.root()).expect("is found");
    let built = build_all(&functions).await;
    let (summary, said) = failure(&built[0]);
    assert!(summary.contains("depends on"), "{summary}");
    assert!(said.contains("mismatched types"), "{said}");
}

#[tokio::test]
async fn a_dependency_that_is_not_found_is_cargos_word() {
    let folder = Folder::new();
    folder.write_package("f", "f", FINE);
    let manifest = fs::read_to_string(folder.path("f/Cargo.toml")).expect("was written");
    folder.write(
        "f/Cargo.toml",
        manifest + "[dependencies]\nlib = { path = \"../gone\" }\n",
    );
    let functions = find(folder.root()).expect("is found");
    let built = build_all(&functions).await;
    let (summary, said) = failure(&built[0]);
    assert_eq!(summary, "cargo gave up on it");
    assert!(said.contains("gone"), "{said}");
}

#[tokio::test]
async fn a_package_without_cdylib_says_what_to_add() {
    let folder = Folder::new();
    folder.write("f/dunlin.toml", "");
    folder.write(
        "f/Cargo.toml",
        "[package]\nname = \"f\"\nversion = \"0.1.0\"\n",
    );
    folder.write("f/src/lib.rs", "");
    let functions = find(folder.root()).expect("is found");
    let (summary, _) = failure(&build_all(&functions).await[0]);
    assert!(summary.contains("crate-type = [\"cdylib\"]"), "{summary}");
}

#[tokio::test]
async fn a_build_given_up_is_gone_whole() {
    let folder = Folder::new();
    folder.write(
        "slow/dunlin.toml",
        "[build]\ncommand = \"sleep 1000 & echo $! > pid; wait\"\ncomponent = \"c.wasm\"\n",
    );
    let functions = find(folder.root()).expect("is found");
    let options = BuildOptions {
        toolchain: Toolchain::from_env().in_own_group(),
        ..options()
    };
    let output = quiet_output();
    let mut building = Box::pin(build(&functions, &options, &output));
    let pid = loop {
        let pause = std::time::Duration::from_millis(10);
        // What is built for is not the command but what it has started.
        let built = tokio::time::timeout(pause, &mut building).await;
        assert!(built.is_err(), "the command ended");
        let text = fs::read_to_string(folder.path("slow/pid")).unwrap_or_default();
        if let Ok(pid) = text.trim().parse::<u32>() {
            break pid;
        }
    };
    drop(building);
    // One that was killed stays listed until somebody has waited for it.
    let is_running = || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
        stat.is_ok_and(|stat| !stat.contains(") Z "))
    };
    let ended = async {
        while is_running() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    let patience = std::time::Duration::from_secs(30);
    tokio::time::timeout(patience, ended).await.expect("ends");
}

#[tokio::test]
async fn commands_and_prebuilt_components_are_checked() {
    let folder = Folder::new();
    folder.write(
        "js/dunlin.toml",
        "[build]\ncommand = \"printf '\\\\0asm\\\\15\\\\0\\\\1\\\\0' > c.wasm\"\ncomponent = \"c.wasm\"\n",
    );
    folder.write("old/dunlin.toml", "[build]\ncomponent = \"m.wasm\"\n");
    folder.write("old/m.wasm", b"\0asm\x01\0\0\0");
    let functions = project::find(folder.root()).expect("are found");
    let built = build_all(&functions).await;
    assert_eq!(built[0].outcome, Ok(folder.path("js/c.wasm")));
    assert!(failure(&built[1]).0.contains("core module"));
    let summary = serde_json::to_value(built[1].summary()).expect("is JSON");
    assert_eq!(summary["function"], "old");
    assert!(summary["component"].is_null());
}
