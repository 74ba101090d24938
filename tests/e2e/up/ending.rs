//! How the loop ends, and what it leaves.

use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

use super::Workspace;
use crate::harness::{dunlin, run, until, within};

/// The process whose id a build command has written to `file`.
async fn written_pid(file: &Path) -> Pid {
    until("the build command's id", async || {
        let text = fs::read_to_string(file).ok()?;
        Pid::from_raw(text.trim().parse().ok()?)
    })
    .await
}

/// Whether a process runs; one that nobody has waited for yet does not.
fn is_running(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

#[tokio::test]
async fn ctrl_c_during_a_build_leaves_nothing_behind() {
    let workspace = Workspace::new("ending");
    workspace.write(
        "functions/slow/dunlin.toml",
        "[build]\ncommand = \"sleep 1000 & echo $! > pid; wait\"\ncomponent = \"x.wasm\"\n",
    );
    let data_dir = tempfile::tempdir().expect("a temporary folder");
    let mut up = workspace.command(data_dir.path());
    up.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    let mut child = up.spawn().expect("the host starts");
    // Not the command itself, but what it has started.
    let sleeping = written_pid(&workspace.path().join("functions/slow/pid")).await;
    let pid = child.id().expect("it runs").cast_signed();
    let pid = Pid::from_raw(pid).expect("is no zero");
    kill_process(pid, Signal::INT).expect("it runs");
    let status = within("the end", child.wait()).await.expect("it ran");
    assert!(status.success(), "{status}");
    until("the end of what the build has started", async || {
        (!is_running(sleeping)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_busy_port_is_told_before_anything_is_built() {
    let workspace = Workspace::new("port");
    workspace.add("one", "never built");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("is bound");
    let mut up = dunlin();
    up.args(["up", "functions", "--listen", &address.to_string()])
        .args(["--admin", "127.0.0.1:0"])
        .current_dir(workspace.path());
    let ran = run(&mut up).await;
    assert!(!ran.status.success());
    assert!(ran.stderr.contains(&address.port().to_string()), "{ran:?}");
    assert!(ran.stderr.contains("--listen"), "{ran:?}");
    assert!(!ran.stderr.contains("building"), "{ran:?}");
}
