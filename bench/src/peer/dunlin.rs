//! Dunlin itself: the release binary, with `bench/guest` deployed in a fresh
//! data directory, so that each later start finds its code compiled.

use std::{
    ffi::OsString,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use super::{Launch, output_of};
use crate::changes::Changer;

/// The same function twice; the second with a low limit of concurrency.
const GUESTS: [&str; 2] = [
    concat!(env!("CARGO_MANIFEST_DIR"), "/guest"),
    concat!(env!("CARGO_MANIFEST_DIR"), "/guest-limited"),
];

pub(super) fn prepare() -> anyhow::Result<Launch> {
    let program = std::env::current_exe()?.with_file_name("dunlin");
    ensure!(
        program.exists(),
        "there is no {}: run `cargo build --release` first",
        program.display()
    );
    let data = tempfile::tempdir()?;
    deploy(&program, data.path())?;
    let arguments = serve_arguments(data.path(), "127.0.0.1:{port}", "127.0.0.1:{admin}");
    let changer = Changer {
        program: program.clone(),
        arguments: client_arguments(data.path(), "127.0.0.1:{admin}"),
        component: build(&program)?,
        function: "bench",
    };
    Ok(Launch {
        version: output_of(Command::new(&program).arg("--version"))?,
        program,
        arguments,
        mount: "/bench",
        limited_mount: "/bench-limited",
        changer: Some(changer),
        scratch: Some(data),
    })
}

fn client_arguments(data: &Path, admin: &str) -> Vec<OsString> {
    vec![
        "--host".into(),
        format!("http://{admin}").into(),
        "--data-dir".into(),
        data.into(),
    ]
}

/// Builds the guest that is measured; returns its component.
fn build(program: &Path) -> anyhow::Result<PathBuf> {
    #[derive(Deserialize)]
    struct Built {
        component: PathBuf,
    }
    let built = output_of(Command::new(program).args(["build", GUESTS[0], "--json"]))?;
    let built: Built = serde_json::from_str(&built)
        .with_context(|| format!("`dunlin build --json` printed {built:?}"))?;
    Ok(built.component)
}

fn serve_arguments(data: &Path, listen: &str, admin: &str) -> Vec<OsString> {
    vec![
        "serve".into(),
        "--data-dir".into(),
        data.into(),
        "--listen".into(),
        listen.into(),
        "--admin".into(),
        admin.into(),
        "--json".into(),
    ]
}

/// What `dunlin serve --json` prints once it listens.
#[derive(Deserialize)]
struct Serving {
    admin: String,
}

/// Builds the guests and deploys them into `data` through a host that runs only
/// for this.
fn deploy(program: &Path, data: &Path) -> anyhow::Result<()> {
    let mut host = Command::new(program)
        .args(serve_arguments(data, "127.0.0.1:0", "127.0.0.1:0"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let deployed = (|| {
        let stdout = host.stdout.take().context("standard output is piped")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let serving: Serving = serde_json::from_str(&line)
            .with_context(|| format!("`dunlin serve --json` printed {line:?}"))?;
        for guest in GUESTS {
            output_of(
                Command::new(program)
                    .args(["deploy", guest])
                    .args(client_arguments(data, &serving.admin))
                    // Theirs is for another host.
                    .env_remove("DUNLIN_TOKEN"),
            )?;
        }
        Ok(())
    })();
    host.kill()?;
    host.wait()?;
    deployed
}
