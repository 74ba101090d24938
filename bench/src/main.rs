//! `dunlin-bench`: runs the same scenarios against Dunlin and its peers, each
//! started, warmed, measured and stopped in turn, and prints how they compare.

mod args;
mod changes;
mod errors;
mod load;
mod machine;
mod markdown;
mod order;
mod peer;
mod process;
mod query;
mod report;
mod request;
mod response;
mod run;
mod scenario;
mod server;
mod summary;
mod upstream;
mod work;

use clap::Parser;

use crate::args::{Arguments, Mode, Plan};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    match Arguments::parse().mode()? {
        Mode::Serve { kind, port } => server::serve(kind, port),
        Mode::Run(plan) => measure(&plan),
    }
}

fn measure(plan: &Plan) -> anyhow::Result<()> {
    process::raise_open_file_limit()?;
    process::stop_servers_on_signal()?;
    let outcome = run::run(plan)?;
    report::print(&outcome, plan);
    anyhow::ensure!(
        outcome.failures == 0,
        "{} of the measurements failed; see above",
        outcome.failures
    );
    Ok(())
}
