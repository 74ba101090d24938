//! Why an outgoing request failed.
//!
//! The texts reach the guest through `fetch.error`, so they name what the
//! function's author can change and never what the host's network looks like:
//! resolved addresses go to the log only. The cause is in `source()`.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::AddressRange;
use crate::registry::{Destination, Host};

/// A cause that can be told twice: to the guest and to the log.
pub(super) type Cause = Arc<dyn Error + Send + Sync>;

/// Why an outgoing request failed. The variants are those of `fetch.error` in
/// `wit/function.wit`, where `connect` stands for [`Connect`](Self::Connect)
/// and [`Tls`](Self::Tls).
#[derive(Debug, Clone, thiserror::Error)]
pub enum EgressError {
    /// The policy of the function refuses it.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// The guest made a request that is none.
    #[error("the request is not valid: {reason}")]
    InvalidRequest {
        /// What is wrong, and what to do instead.
        reason: String,
        /// For a body that failed: the error that the guest ended it with.
        source: Option<Cause>,
    },
    /// The name has no address.
    #[error("the host of `{destination}` does not resolve: check its spelling and the host's DNS")]
    Dns {
        /// Where the request was going.
        destination: Destination,
        /// What the resolver said; none when it said nothing.
        source: Option<Cause>,
    },
    /// No TCP connection.
    #[error(
        "no connection to `{destination}`: check that it listens and that no firewall is between"
    )]
    Connect {
        /// Where the request was going.
        destination: Destination,
        /// Of the last address tried.
        source: Cause,
    },
    /// No TLS session: most often the certificate.
    #[error(
        "no TLS session with `{destination}`: check its certificate; a private authority's goes \
         into the host's setting `egress.ca_file`"
    )]
    Tls {
        /// Where the request was going.
        destination: Destination,
        /// What TLS said.
        source: Cause,
    },
    /// Nothing happened for too long.
    #[error("`{destination}` took longer than {limit:?} for {phase}")]
    Timeout {
        /// Where the request was going.
        destination: Destination,
        /// What was waited for.
        phase: EgressPhase,
        /// How long it was waited for.
        limit: Duration,
    },
    /// The peer broke HTTP, or went away before its response head.
    #[error("`{destination}` broke off or sent something other than an HTTP response")]
    Protocol {
        /// Where the request was going.
        destination: Destination,
        /// What HTTP said.
        source: Cause,
    },
    /// The invocation has used up its outgoing requests.
    #[error(
        "the invocation has made its {limit} outgoing requests: raise `limits.outgoing_requests` \
         (`dunlin doctor` tells whether the function or the host sets it)"
    )]
    TooManyRequests {
        /// The limit in force.
        limit: u32,
    },
}

impl EgressError {
    pub(super) fn invalid(reason: impl Into<String>) -> Self {
        Self::InvalidRequest {
            reason: reason.into(),
            source: None,
        }
    }
}

/// The parts of an outgoing request that have a time limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EgressPhase {
    /// A place among the host's outgoing connections.
    Place,
    /// Name, connection and TLS.
    Connect,
    /// From the last byte of the request to the response's head.
    ResponseHead,
}

impl fmt::Display for EgressPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Place => {
                "one of the outgoing connections that the host allows \
                 (`host.max_outgoing_connections`)"
            }
            Self::Connect => "a connection",
            Self::ResponseHead => "the head of its response",
        })
    }
}

/// What a policy refused, and the setting that would allow it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// No entry admits the host, with this scheme and port.
    Host(Destination),
    /// The host is admitted, but its address is not public and not opened.
    Address(Destination, AddressRange),
}

impl Error for Denial {}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(destination) => write!(
                f,
                "egress to `{destination}` is not allowed: add `[egress] allow = [\"{}\"]` to dunlin.toml",
                Entry(destination)
            ),
            Self::Address(destination, range) => match &destination.host {
                Host::Address(address) => write!(
                    f,
                    "`{address}` is a {range} address, which `*` does not open: add `[egress] allow \
                     = [\"{}\"]` to dunlin.toml",
                    Entry(destination)
                ),
                Host::Name(name) if name.is_localhost() => write!(
                    f,
                    "`localhost` is opened only by its own name: add `[egress] allow = [\"{}\"]` \
                     to dunlin.toml",
                    Entry(destination)
                ),
                Host::Name(name) => write!(
                    f,
                    "`{name}` resolves to a {range} address, which a name alone does not open: add \
                     the address, which is in the host's log, or its network beside the name, as \
                     in `[egress] allow = [\"{}\", \"ADDRESS:{}\"]`",
                    Entry(destination),
                    destination.port
                ),
            },
        }
    }
}

/// The narrowest entry that people would write for a destination.
struct Entry<'a>(&'a Destination);

impl fmt::Display for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Destination { scheme, host, port } = self.0;
        if *port == scheme.default_port() {
            host.fmt(f)
        } else {
            write!(f, "{host}:{port}")
        }
    }
}
