//! What became of the newest code of each function, for `dunlin up`: told by
//! whoever builds, asked by requests and by pages in browsers.

use super::error::GatewayError;
use super::page;
use crate::names::{FunctionName, HostName, Mount};
use crate::routing::{Found, RouteError};
use http::Request;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use thiserror::Error;
use tokio::sync::watch;

/// Why the newest code of a function does not serve: its author's fault.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{summary}")]
pub struct BuildFailed {
    /// One line: what failed and the remedy.
    pub summary: String,
    /// What the compiler said, with ANSI colours. May be empty.
    pub message: String,
}

/// A function as its author has it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionBuild {
    /// Its name.
    pub name: FunctionName,
    /// The only host name that it is to answer for, if any.
    pub host: Option<HostName>,
    /// Below which path it is to answer.
    pub mount: Mount,
    /// None: the newest code serves.
    pub failed: Option<Arc<BuildFailed>>,
}

/// The newest code of all functions.
#[derive(Debug)]
pub struct Builds(watch::Sender<State>);

#[derive(Debug)]
struct State {
    /// Another with each change, and with each process.
    number: u64,
    functions: Vec<FunctionBuild>,
}

/// A build that concerns a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Concerned {
    /// Why.
    pub failed: Arc<BuildFailed>,
    /// Whether an older version of the same function answers.
    pub is_served: bool,
}

impl Default for Builds {
    fn default() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let number = now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or_default());
        Self(watch::Sender::new(State {
            number,
            functions: Vec::new(),
        }))
    }
}

impl Builds {
    /// Tells what became of the functions. Every open page looks again, also
    /// when the same is told twice: other code may serve.
    pub fn set(&self, functions: Vec<FunctionBuild>) {
        self.0.send_modify(|state| {
            state.number += 1;
            state.functions = functions;
        });
    }

    /// Counts the changes.
    pub(super) fn number(&self) -> u64 {
        self.0.borrow().number
    }

    /// Waits until [`Builds::number`] is another than `seen`.
    pub(super) async fn changed_since(&self, seen: u64) {
        let mut states = self.0.subscribe();
        // Fails only when the sender is gone, which is in `self`.
        let _ = states.wait_for(|state| state.number != seen).await;
    }

    /// Whether a request may go on to where it leads. One whose newest code
    /// failed goes to the last good version, if there is one, and unless its
    /// author looks at it in a browser.
    ///
    /// # Errors
    /// That the newest code failed.
    pub(super) fn check<B>(
        &self,
        request: &Request<B>,
        host: Option<&str>,
        found: &Result<Found, GatewayError>,
    ) -> Result<(), GatewayError> {
        let answering = match found {
            Ok(found) => Some(found.function()),
            Err(GatewayError::Route(RouteError::NoRoute(function))) => Some(function),
            Err(GatewayError::Route(RouteError::MethodNotAllowed { function, .. })) => {
                Some(function)
            }
            Err(_) => None,
        };
        match self.failed_for(host, request.uri().path(), answering) {
            Some(concerned) if !concerned.is_served || page::is_navigation(request.headers()) => {
                Err(GatewayError::Build(concerned))
            }
            _ => Ok(()),
        }
    }

    /// The failed build of the function that a request is for. `answering` is
    /// the function that has a version for it.
    fn failed_for(
        &self,
        host: Option<&str>,
        path: &str,
        answering: Option<&FunctionName>,
    ) -> Option<Concerned> {
        let state = self.0.borrow();
        let here = |it: &&FunctionBuild| it.covers(host, path);
        // Of two that want one address, the one that has it.
        let rank = |it: &&FunctionBuild| (it.rank(), Some(&it.name) == answering);
        let newest = state.functions.iter().filter(here).max_by_key(rank);
        let Some(answering) = answering else {
            return Some(Concerned {
                failed: newest?.failed.clone()?,
                is_served: false,
            });
        };
        let mut own = state.functions.iter().filter(|it| it.name == *answering);
        match (newest, own.next()) {
            // Below the function that answers, one would answer if it could.
            (Some(newest), Some(own)) if newest.rank() > own.rank() && own.covers(host, path) => {
                Some(Concerned {
                    failed: newest.failed.clone()?,
                    is_served: false,
                })
            }
            (_, Some(own)) => Some(Concerned {
                failed: own.failed.clone()?,
                is_served: true,
            }),
            // Somebody deployed it by hand.
            (_, None) => None,
        }
    }
}

impl FunctionBuild {
    fn covers(&self, host: Option<&str>, path: &str) -> bool {
        let own_host = |name: &HostName| {
            let host = host.unwrap_or_default();
            let (head, port) = host
                .split_at_checked(name.as_str().len())
                .unwrap_or((host, ""));
            head.eq_ignore_ascii_case(name.as_str()) && (port.is_empty() || port.starts_with(':'))
        };
        let below = match self.mount.is_root() {
            true => Some(path),
            false => path.strip_prefix(self.mount.as_str()),
        };
        self.host.as_ref().is_none_or(own_host)
            && below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
    }

    /// As routing has it: the function's own host first, then the longest mount.
    fn rank(&self) -> (bool, usize) {
        (self.host.is_some(), self.mount.as_str().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(name: &str, mount: &str, failed: bool) -> FunctionBuild {
        FunctionBuild {
            name: name.parse().unwrap(),
            host: None,
            mount: mount.parse().unwrap(),
            failed: failed.then(|| {
                Arc::new(BuildFailed {
                    summary: name.to_owned(),
                    message: String::new(),
                })
            }),
        }
    }

    /// Whose failure a request meets, and whether an older version answers.
    fn failed_for(builds: &Builds, path: &str, answering: &str) -> Option<(String, bool)> {
        let answering: Option<FunctionName> = answering.parse().ok();
        let found = builds.failed_for(Some("localhost:8080"), path, answering.as_ref())?;
        Some((found.failed.summary.clone(), found.is_served))
    }

    fn of(name: &str, is_served: bool) -> Option<(String, bool)> {
        Some((name.to_owned(), is_served))
    }

    #[test]
    fn a_request_meets_the_failure_of_its_own_function() {
        let builds = Builds::default();
        builds.set(vec![
            function("site", "/", true),
            function("shop", "/shop", true),
            function("cart", "/shop/cart", false),
        ]);
        assert_eq!(failed_for(&builds, "/shop/x", "shop"), of("shop", true));
        assert_eq!(failed_for(&builds, "/shop/x", "-"), of("shop", false));
        // Without a version of its own: what answers is somebody else.
        assert_eq!(failed_for(&builds, "/shop/x", "site"), of("shop", false));
        assert_eq!(failed_for(&builds, "/shop/cart", "cart"), None);
        assert_eq!(failed_for(&builds, "/shopping", "site"), of("site", true));
        assert_eq!(failed_for(&builds, "/by-hand", "by-hand"), None);
        // Its mount has changed with the code that does not compile.
        assert_eq!(failed_for(&builds, "/old/x", "shop"), of("shop", true));
    }

    #[test]
    fn who_has_the_address_that_two_want_is_left_alone() {
        let builds = Builds::default();
        builds.set(vec![
            function("shop", "/shop", false),
            function("thief", "/shop", true),
        ]);
        assert_eq!(failed_for(&builds, "/shop/x", "shop"), None);
    }

    #[test]
    fn a_functions_own_host_is_a_condition() {
        let mut api = function("api", "/", true);
        api.host = Some("api.example.com".parse().unwrap());
        for (host, covers) in [
            ("API.example.com:8080", true),
            ("api.example.com", true),
            ("api.example.common", false),
            ("example.com", false),
            ("", false),
        ] {
            assert_eq!(api.covers(Some(host), "/x"), covers, "{host}");
        }
        assert!(!api.covers(None, "/x"));
    }

    #[tokio::test]
    async fn each_change_has_another_number() {
        let builds = Builds::default();
        let seen = builds.number();
        builds.set(Vec::new());
        builds.changed_since(seen).await;
        assert_ne!(builds.number(), seen);
    }
}
