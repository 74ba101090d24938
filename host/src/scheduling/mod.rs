//! Station 3 of 5, scheduling: decides when and on which lane an invocation may run.
//!
//! A lane is a set of threads with an event loop. The async lane has one loop
//! per worker thread: a connection, and the instances it calls, stay on one
//! worker, so that a call crosses no thread. The blocking lane is a loop of its
//! own on dedicated threads of lower priority, for code that computes.

mod admission;
mod in_turn;
mod lanes;
mod permit;
mod turns;

pub use self::admission::Counted;
pub use self::in_turn::InTurn;
pub use self::lanes::{Lanes, LanesConfig, Worker};
pub use self::permit::{Lane, LanePermit, Refused, Seat};
pub use self::turns::{Start, Turns};
