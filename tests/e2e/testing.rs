//! `DUNLIN_TEST=host`: functions' own tests, against the real components.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use tokio::process::Command;

use crate::harness::{dunlin, repository, until};

#[tokio::test]
async fn functions_tests_run_in_a_real_host() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // Stands before the real binary and notes what it was called with.
    let binary = folder.path().join("dunlin");
    let calls = folder.path().join("calls");
    let real = dunlin();
    let script = format!(
        "#!/bin/sh\necho \"$1\" >>'{}'\nexec '{}' \"$@\"\n",
        calls.display(),
        real.as_std().get_program().display(),
    );
    fs::write(&binary, script).expect("can be written");
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o700)).expect("is ours");
    let temporary = folder.path().join("temporary");
    fs::create_dir(&temporary).expect("can be made");

    // No limit on the time: it builds the functions twice.
    let tested = Command::new(env!("CARGO"))
        .args(["test", "--package", "echo", "--package", "chat"])
        .current_dir(repository())
        .env("DUNLIN_TEST", "host")
        .env("DUNLIN_BIN", &binary)
        .env("TMPDIR", &temporary)
        .output()
        .await
        .expect("cargo starts");

    assert!(tested.status.success(), "{tested:?}");
    let calls = fs::read_to_string(calls).expect("it was called");
    assert_eq!(calls, "serve\ndeploy\n".repeat(2));
    // The host ends with the tests, and leaves nothing.
    until("the host's folder is removed", async || {
        let left = fs::read_dir(&temporary).expect("is there").count();
        (left == 0).then_some(())
    })
    .await;
}
