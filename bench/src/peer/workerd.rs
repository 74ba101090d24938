//! Cloudflare's open-source runtime for JavaScript workers, from npm. One event
//! loop; each of its isolates runs on it.

use std::process::Command;

use super::{Launch, installed, output_of, sources};

pub(super) fn prepare() -> anyhow::Result<Launch> {
    let program = installed("workerd", "workerd/node_modules/workerd/bin/workerd")?;
    Ok(Launch {
        version: output_of(Command::new(&program).arg("--version"))?,
        program,
        arguments: vec![
            "serve".into(),
            sources("workerd").join("config.capnp").into(),
            "--socket-addr=http=127.0.0.1:{port}".into(),
        ],
        mount: "",
        limited_mount: "",
        changer: None,
        scratch: None,
    })
}
