//! Station 4 of 5, runtime: instances of compiled components, taken, called, dropped.
//!
//! An instance is driven by one task, on the lane that its invocations were
//! admitted to. Requests reach it through a channel; a suspended instance is
//! only a value, so that its task can be dropped, and with it the instance, at
//! any time.

mod advice;
mod answer;
mod backtrace;
mod call;
mod code;
mod compile;
mod driver;
mod engine;
mod failure;
mod inspect;
mod instance;
mod instances;
mod limits;
mod line;
mod loaded;
mod mailbox;
mod pace;
mod pool;
mod state;
mod status;

pub use self::answer::Answer;
pub use self::backtrace::{Backtraces, Frame, Origin, Trap};
pub use self::code::{Code, CodeError};
pub use self::compile::{COMPILE_SUBCOMMAND, CompileError, compile_as_child};
pub use self::engine::{Engine, EngineConfig};
pub use self::failure::{Failed, Failure};
pub use self::inspect::{InspectError, inspect};
pub use self::instances::{Instance, Instances};
