//! FastAPI on uvicorn with uvloop and httptools, from PyPI; one worker process a
//! core.

use std::{process::Command, thread};

use super::{Launch, installed, output_of, sources};

const VERSIONS: &str = "from importlib.metadata import version as v; \
    print(f'FastAPI {v(\"fastapi\")} on uvicorn {v(\"uvicorn\")}')";

pub(super) fn prepare() -> anyhow::Result<Launch> {
    // Not the interpreter that it links to, which knows nothing of its packages.
    let program = installed("fastapi", "python/bin")?.join("python");
    let workers = thread::available_parallelism()?;
    let mut arguments: Vec<_> = [
        // No `__pycache__` beside the sources.
        "-B",
        "-m",
        "uvicorn",
        "app:app",
        "--host",
        "127.0.0.1",
        "--port",
        "{port}",
        "--loop",
        "uvloop",
        "--http",
        "httptools",
        "--no-access-log",
        "--log-level",
        "warning",
        "--workers",
    ]
    .map(Into::into)
    .into();
    arguments.push(workers.to_string().into());
    arguments.push("--app-dir".into());
    arguments.push(sources("fastapi").into());
    Ok(Launch {
        version: output_of(Command::new(&program).args(["-c", VERSIONS]))?,
        program,
        arguments,
        mount: "",
        limited_mount: "",
        changer: None,
        scratch: None,
    })
}
