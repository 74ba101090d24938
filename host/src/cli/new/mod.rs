//! `dunlin new`: a function to begin with, which builds and deploys as it is.

mod sdk;
mod workspace;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use serde_json::json;

use self::workspace::Surroundings;
use super::output::Output;
use crate::names::FunctionName;
use crate::registry::manifest_schema;

#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// The function's name: letters `a-z`, digits and `-`
    #[arg(value_name = "NAME", value_parser = super::args::name)]
    name: FunctionName,

    /// What to begin with
    #[arg(long, value_enum, default_value_t = Template::Rust)]
    template: Template,

    /// Folder to make, or an empty one to fill [default: NAME]
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,

    /// Folder of the crate `dunlin` [default: the one that this command was built beside]
    #[arg(long, value_name = "DIR")]
    sdk: Option<PathBuf>,
}

/// What a function begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Template {
    /// Handlers that wait: `async fn`, JSON, paths and queries
    Rust,
    /// A handler that computes: `fn`
    RustCpu,
    /// A standard component of wasi:http 0.3, without the SDK
    WasiHttp,
}

impl Template {
    fn code(self) -> &'static str {
        match self {
            Self::Rust => include_str!("templates/rust.rs"),
            Self::RustCpu => include_str!("templates/rust-cpu.rs"),
            Self::WasiHttp => include_str!("templates/wasi-http.rs"),
        }
    }

    fn cargo_manifest(self) -> &'static str {
        match self {
            Self::Rust | Self::RustCpu => include_str!("templates/Cargo.sdk.toml"),
            Self::WasiHttp => include_str!("templates/Cargo.wasi-http.toml"),
        }
    }

    fn uses_sdk(self) -> bool {
        match self {
            Self::Rust | Self::RustCpu => true,
            Self::WasiHttp => false,
        }
    }
}

/// `dunlin new`.
///
/// # Errors
/// When the folder holds something, the SDK is not found, or a file cannot be
/// written.
pub(super) fn run(args: &NewArgs, output: &Output) -> anyhow::Result<()> {
    let folder = args
        .path
        .clone()
        .unwrap_or_else(|| PathBuf::from(args.name.as_str()));
    refuse_full(&folder)?;
    let absolute = real(&std::path::absolute(&folder)?);
    let around = workspace::around(&absolute)?;
    let mut cargo_manifest = args.template.cargo_manifest().to_owned();
    if args.template.uses_sdk() {
        let dependency = sdk::dependency(args.sdk.as_deref(), &around, &absolute)?;
        cargo_manifest = cargo_manifest.replace("{{sdk}}", &dependency);
    }
    if let Surroundings::Strange = around {
        // Or cargo would ask the workspace around it, which does not list it.
        cargo_manifest.push_str("\n[workspace]\n");
    }
    let files = [
        ("Cargo.toml", cargo_manifest),
        ("dunlin.toml", include_str!("templates/dunlin.toml").into()),
        (
            "dunlin.schema.json",
            format!("{:#}\n", manifest_schema().as_value()),
        ),
        ("src/lib.rs", args.template.code().to_owned()),
        ("README.md", include_str!("templates/README.md").into()),
        (".gitignore", include_str!("templates/gitignore").into()),
    ];
    for (file, text) in &files {
        let text = text.replace("{{name}}", args.name.as_str());
        write(&folder.join(file), &text)?;
    }

    let data = json!({
        "name": args.name,
        "folder": absolute,
        "files": files.map(|(file, _)| file),
    });
    output.data(&data, |_| {
        let folder = folder.display();
        format!(
            "made `{}` in `{folder}`; build it and serve it:\n  dunlin up {folder}",
            args.name
        )
    })
}

/// `path` without symbolic links, as far as it exists: cargo looks there.
fn real(path: &Path) -> PathBuf {
    let existing = path.ancestors().find_map(|above| {
        let real = above.canonicalize().ok()?;
        Some(real.join(path.strip_prefix(above).ok()?))
    });
    existing.unwrap_or_else(|| path.to_owned())
}

/// Nobody's work is written over.
fn refuse_full(folder: &Path) -> anyhow::Result<()> {
    let is_empty = match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == ErrorKind::NotFound => true,
        Err(error) => {
            return Err(error).with_context(|| {
                format!(
                    "`{}` is not a folder to fill: name another one with `--path`",
                    folder.display()
                )
            });
        }
    };
    if !is_empty {
        bail!(
            "`{}` is not empty: name another folder with `--path`",
            folder.display()
        );
    }
    Ok(())
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    let folder = file.parent().expect("files lie in the function's folder");
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(file, text))
        .with_context(|| format!("`{}` cannot be written", file.display()))
}
