//! What is measured: which requests, on how many connections, at once.

use anyhow::bail;

use crate::request::{Declared, Route};

/// One row of [`SCENARIOS`].
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) shape: Shape,
}

/// How a scenario loads its server.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// One kind of request.
    Steady(Traffic),
    /// Cheap requests, measured alone at first and then while `hogs` keep
    /// every core busy.
    Mixed { probe: Traffic, hogs: Traffic },
    /// What the server can do in a closed loop, measured first; then so many
    /// times as much on `crowd` connections in an open loop.
    Overload {
        capacity: Traffic,
        crowd: usize,
        times: f64,
    },
    /// From the spawn of the process to its first 200.
    Start,
    /// From the command to the first 200 of what it brought.
    Change(Change),
}

/// What its author does to a function.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    /// A component that the server has never seen.
    DeployCold,
    /// One that it has compiled before.
    DeployWarm,
    /// Back to the version before.
    Rollback,
}

/// Requests of one kind, side by side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traffic {
    pub(crate) connections: usize,
    pub(crate) route: Route,
}

const fn traffic(connections: usize, route: Route) -> Traffic {
    Traffic { connections, route }
}

const fn steady(connections: usize, route: Route) -> Shape {
    Shape::Steady(traffic(connections, route))
}

const fn mixed(probe: Route, hogs: Declared) -> Shape {
    Shape::Mixed {
        probe: traffic(16, probe),
        hogs: traffic(32, Route::Cpu(hogs)),
    }
}

/// In the order in which they run. `--scenario mixed` means all that start with
/// `mixed-`.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "hello",
        about: "a constant answer, 64 connections",
        shape: steady(64, Route::Hello),
    },
    Scenario {
        name: "sleep",
        about: "1,000 connections, each request sleeps 100 ms",
        shape: steady(1_000, Route::Sleep { ms: 100 }),
    },
    Scenario {
        name: "cpu",
        about: "10 ms of CPU a request, 8 connections",
        shape: steady(8, Route::Cpu(Declared::Fn)),
    },
    Scenario {
        name: "mixed-sleep",
        about: "10 ms sleeps on 16 connections under 32 CPU hogs declared `fn`",
        shape: mixed(Route::Sleep { ms: 10 }, Declared::Fn),
    },
    Scenario {
        name: "mixed-hello",
        about: "hello on 16 connections under 32 CPU hogs declared `fn`",
        shape: mixed(Route::Hello, Declared::Fn),
    },
    Scenario {
        name: "mixed-sleep-async-hog",
        about: "mixed-sleep, the hogs declared `async fn` by mistake",
        shape: mixed(Route::Sleep { ms: 10 }, Declared::AsyncFn),
    },
    Scenario {
        name: "mixed-hello-async-hog",
        about: "mixed-hello, the hogs declared `async fn` by mistake",
        shape: mixed(Route::Hello, Declared::AsyncFn),
    },
    Scenario {
        name: "fanout",
        about: "3 concurrent upstream calls of 50 ms a request, 64 connections",
        shape: steady(64, Route::Fanout),
    },
    Scenario {
        name: "echo",
        about: "1 KB of JSON parsed, checked and serialised again, 64 connections",
        shape: steady(64, Route::Echo),
    },
    Scenario {
        name: "bytes",
        about: "the same 1 KB read whole and sent back as it is, 64 connections",
        shape: steady(64, Route::Bytes),
    },
    Scenario {
        name: "overload",
        about: "10 times the CPU requests that 8 connections can have answered, in an open loop",
        shape: Shape::Overload {
            capacity: traffic(8, Route::Cpu(Declared::Fn)),
            crowd: 256,
            times: 10.0,
        },
    },
    Scenario {
        name: "start",
        about: "spawn to first 200, compiled code cached",
        shape: Shape::Start,
    },
    Scenario {
        name: "deploy-cold",
        about: "`deploy` of a built component that was never seen, to its first 200",
        shape: Shape::Change(Change::DeployCold),
    },
    Scenario {
        name: "deploy-warm",
        about: "the same of a component that was compiled before",
        shape: Shape::Change(Change::DeployWarm),
    },
    Scenario {
        name: "rollback",
        about: "`rollback` to the first 200 of the version before",
        shape: Shape::Change(Change::Rollback),
    },
];

impl Scenario {
    pub(crate) fn is_overload(&self) -> bool {
        matches!(self.shape, Shape::Overload { .. })
    }

    /// Whether it differs from another only in how a handler is declared.
    pub(crate) fn is_about_declaration(&self) -> bool {
        match self.shape {
            Shape::Mixed { hogs, .. } => matches!(hogs.route, Route::Cpu(Declared::AsyncFn)),
            Shape::Steady(_) | Shape::Overload { .. } | Shape::Start | Shape::Change(_) => false,
        }
    }

    pub(crate) fn is_change(&self) -> bool {
        matches!(self.shape, Shape::Change(_))
    }
}

/// The scenarios that `wanted` names, exactly or by family, in the order of
/// [`SCENARIOS`]; all of them when it is empty.
pub(crate) fn select(wanted: &[String]) -> anyhow::Result<Vec<&'static Scenario>> {
    if let Some(unknown) = wanted.iter().find(|name| !known(name)) {
        let names: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        bail!(
            "no scenario is called `{unknown}`; there are {}, and `mixed` for its family",
            names.join(", ")
        );
    }
    Ok(SCENARIOS
        .iter()
        .filter(|scenario| wanted.is_empty() || wanted.iter().any(|name| means(name, scenario)))
        .collect())
}

fn known(name: &str) -> bool {
    SCENARIOS.iter().any(|scenario| means(name, scenario))
}

fn means(name: &str, scenario: &Scenario) -> bool {
    scenario.name == name || (is_family(name) && scenario.name.starts_with(name))
}

/// A scenario's own name is never a family: `mixed-sleep` is one scenario, not
/// also `mixed-sleep-async-hog`.
fn is_family(name: &str) -> bool {
    SCENARIOS.iter().all(|scenario| scenario.name != name)
        && SCENARIOS.iter().any(|scenario| {
            scenario
                .name
                .strip_prefix(name)
                .is_some_and(|rest| rest.starts_with('-'))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(wanted: &[&str]) -> Vec<&'static str> {
        let wanted: Vec<_> = wanted.iter().map(ToString::to_string).collect();
        let selected = select(&wanted).unwrap();
        selected.iter().map(|scenario| scenario.name).collect()
    }

    #[test]
    fn a_name_selects_that_scenario_alone() {
        assert_eq!(names(&["mixed-sleep"]), ["mixed-sleep"]);
        assert_eq!(names(&["start", "hello"]), ["hello", "start"]);
    }

    #[test]
    fn a_family_selects_all_its_members() {
        assert_eq!(
            names(&["mixed"]),
            [
                "mixed-sleep",
                "mixed-hello",
                "mixed-sleep-async-hog",
                "mixed-hello-async-hog"
            ]
        );
    }

    #[test]
    fn half_a_word_is_not_a_family() {
        assert!(select(&["mix".to_owned()]).is_err());
        assert!(select(&["mixed-".to_owned()]).is_err());
    }
}
