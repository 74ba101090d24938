//! Dunlin, a serverless function host for WebAssembly.
//!
//! The modules stand in the order in which a request passes them; imports go
//! down this list, never up. `grep -rh '^//! Station' host/src | sort` prints
//! the path.

pub mod cli;

pub mod admin;
pub mod gateway;

pub mod runtime;

pub mod capabilities;
pub mod scheduling;

pub mod routing;

pub mod registry;

pub mod telemetry;

pub mod arriving;
pub mod contract;
pub mod failpoint;
pub mod names;
