//! Station 2 of 5, routing: from host and path to a route of one version.

mod canary;
mod deployed;
mod docs;
mod function;
mod habit;
mod in_service;
mod lane_hint;
mod table;
#[cfg(test)]
mod testing;

pub use self::canary::{Breach, Rate};
pub use self::deployed::{Deployed, Found, Route, RouteId};
pub use self::docs::{Docs, ServedDocument};
pub use self::function::RouteConflict;
pub use self::in_service::{InService, Ready};
pub use self::table::{MountConflict, RouteError, Table};
