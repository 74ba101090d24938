//! Capability: egress. Takes a guest's outgoing requests to where its version's
//! policy lets them go, and nowhere else.
//!
//! A request is checked three times on its way:
//!
//! 1. `outgoing`: is it a request that a guest may make at all, and is
//!    the URL's host admitted by the policy? Refused before any DNS lookup.
//! 2. `connect`: is each address that the host resolved to public, or opened by
//!    the policy? The connection is made to the very addresses that passed, so
//!    a name that resolves differently the next time changes nothing.
//! 3. `client`: a pooled connection is only ever reused by the version whose
//!    policy it was checked against.

mod address;
mod client;
mod connect;
mod error;
mod hops;
mod outgoing;
mod progress;
mod socket;

pub use address::AddressRange;
pub use client::{Egress, EgressClient, EgressConfig, EgressSetupError, EgressTimeouts};
pub use connect::{Resolve, SystemResolver};
pub use error::{Denial, EgressError, EgressPhase};
pub use hops::Hops;

#[cfg(test)]
mod tests;
