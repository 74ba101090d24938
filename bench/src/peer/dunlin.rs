//! Dunlin itself: the release binary, with `bench/guest` deployed in a fresh
//! data directory, so that each later start finds its code compiled.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use super::{Launch, output_of};

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
    let arguments = serve_arguments(data.path(), "127.0.0.1:{port}");
    Ok(Launch {
        version: output_of(Command::new(&program).arg("--version"))?,
        program,
        arguments,
        mount: "/bench",
        limited_mount: "/bench-limited",
        scratch: Some(data),
    })
}

fn serve_arguments(data: &Path, listen: &str) -> Vec<std::ffi::OsString> {
    vec![
        "serve".into(),
        "--data-dir".into(),
        data.into(),
        "--listen".into(),
        listen.into(),
        "--admin".into(),
        "127.0.0.1:0".into(),
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
        .args(serve_arguments(data, "127.0.0.1:0"))
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
                    .args(["deploy", guest, "--host"])
                    .arg(format!("http://{}", serving.admin))
                    .arg("--data-dir")
                    .arg(data)
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
