//! `wasmtime serve` with the bench's routes as a standard `wasi:http` component.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Launch, installed, output_of};

/// Which `wasi:http` the component is written for, and with it how instances
/// are used: 0.2 gets one for each request; one of 0.3 serves up to 16 at once
/// and 128 in all. Those are wasmtime's defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wasi {
    P2,
    P3,
}

/// Whether requests have a time limit. With one, guest code counts epochs and
/// yields, as every host needs that is to survive an endless loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timeout {
    None,
    Set,
}

/// How Dunlin builds functions.
const PROFILE_SETTINGS: [&str; 6] = [
    "inherits=\"release\"",
    "opt-level=\"s\"",
    "lto=true",
    "codegen-units=1",
    "panic=\"abort\"",
    "strip=\"debuginfo\"",
];

/// The pool of 1,000 that is the default has room for 500 of these components,
/// and what finds no room is an error: the sleep scenario holds 1,000 requests.
const POOL: &str = "pooling-total-component-instances=2000,pooling-total-core-instances=8000,\
    pooling-total-memories=2000,pooling-total-tables=8000,pooling-total-stacks=2000";

pub(super) fn prepare(wasi: Wasi, timeout: Timeout) -> anyhow::Result<Launch> {
    let program = installed("wasmtime", "wasmtime/bin/wasmtime")?;
    let component = build(wasi)?;
    let scratch = tempfile::tempdir()?;
    let compiled = scratch.path().join("guest.cwasm");
    let mut compile = Command::new(&program);
    compile
        .arg("compile")
        .arg(component)
        .arg("-o")
        .arg(&compiled);
    if timeout == Timeout::Set {
        compile.args(["-W", "epoch-interruption=y"]);
    }
    output_of(&mut compile)?;
    Ok(Launch {
        version: output_of(Command::new(&program).arg("--version"))?,
        program,
        arguments: serve_arguments(&compiled, timeout),
        mount: "",
        limited_mount: "",
        changer: None,
        scratch: Some(scratch),
    })
}

fn serve_arguments(compiled: &Path, timeout: Timeout) -> Vec<OsString> {
    let mut arguments: Vec<_> = [
        "serve",
        "--addr=127.0.0.1:{port}",
        // What std imports.
        "-Scli",
        "-O",
        POOL,
        "--allow-precompiled",
    ]
    .map(Into::into)
    .into();
    if timeout == Timeout::Set {
        arguments.push("-Wtimeout=30s".into());
    }
    arguments.push(compiled.into());
    arguments
}

fn build(wasi: Wasi) -> anyhow::Result<PathBuf> {
    let (package, file) = match wasi {
        Wasi::P2 => ("bench-wasi-http-02", "bench_wasi_http_02.wasm"),
        Wasi::P3 => ("bench-wasi-http-03", "bench_wasi_http_03.wasm"),
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = root.join("target/peers/guests");
    let mut cargo = Command::new("cargo");
    cargo
        .args([
            "build",
            "--lib",
            "--target=wasm32-wasip2",
            "--profile=guest",
        ])
        .args(PROFILE_SETTINGS.map(|setting| format!("--config=profile.guest.{setting}")))
        .arg(format!("--package={package}"))
        .arg("--manifest-path")
        .arg(root.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target);
    output_of(&mut cargo)?;
    Ok(target.join("wasm32-wasip2/guest").join(file))
}
