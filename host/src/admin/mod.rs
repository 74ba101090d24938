//! The second door: deploys functions and reads what goes on. A listener of its
//! own, on loopback by default.

mod answers;
mod api;
mod audit;
mod auth;
mod components;
mod deploy;
mod described;
mod document;
mod error;
mod extract;
mod failures;
mod functions;
mod host_info;
mod listener;
mod logs;
mod metrics;
mod openapi;
mod secrets;
mod steps;
mod tokens;
mod traffic;

pub use self::api::{AdminConfig, router};
pub use self::deploy::{DeployError, Deployed, Deployer, InvalidComponent, Rollout};
pub use self::error::AdminError;
pub use self::failures::FailedAttempts;
pub use self::host_info::{Check, HostInfo, Public, Setting, Status};
pub use self::listener::serve;
pub use self::metrics::Observed;
pub use self::steps::Step;
