//! Station 2 of 5, routing: from host and path to a route of one version.

mod deployed;
mod function;
mod habit;
mod lane_hint;
mod table;

pub use self::deployed::{Deployed, Route, RouteId};
pub use self::function::{FunctionRoutes, RouteConflict};
pub use self::table::{MountConflict, RouteError, Table};
