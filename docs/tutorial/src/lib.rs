//! The code of the tutorial: each module is what its chapter shows, an app of
//! its own. The chapters are the `.md` files beside this crate.

#![expect(clippy::print_stdout, reason = "in a function it writes to the log")]

pub mod async_or_not;
pub mod bigger_applications;
pub mod bodies;
pub mod dependencies;
pub mod errors;
pub mod first_steps;
pub mod forms_and_files;
pub mod headers_and_cookies;
pub mod middleware;
pub mod path_parameters;
pub mod query_parameters;
pub mod responses;
pub mod security;
pub mod state;
pub mod streaming;
pub mod testing;
pub mod validation;
pub mod waiting_and_calling;
pub mod websockets;
