//! `[limits]` of a manifest.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ByteSize, TimeLimit};

/// `[limits]`: what one function, or one invocation of it, may use up. The
/// host's own maxima, the same in kind, clamp each of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The sum over an instance's linear memories. Default 128 MiB.
    pub memory: ByteSize,
    /// CPU time of an invocation. Default 10 s. Waiting does not count.
    pub cpu: TimeLimit,
    /// Wall time of an invocation, to the end of the response body. Default 30 s.
    pub deadline: TimeLimit,
    /// The body of an incoming request. Default 10 MiB.
    pub request_body: ByteSize,
    /// Outgoing requests of an invocation. Default 50; 0 forbids them.
    pub outgoing_requests: u32,
    /// Invocations of the function at once. Default 1,000.
    pub concurrency: NonZeroU32,
    /// Log output of an invocation; what is beyond is cut. Default 256 KiB.
    pub log_output: ByteSize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: ByteSize::mib(128),
            cpu: TimeLimit::seconds(10),
            deadline: TimeLimit::seconds(30),
            request_body: ByteSize::mib(10),
            outgoing_requests: 50,
            concurrency: const { NonZeroU32::new(1_000).expect("1,000 is not zero") },
            log_output: ByteSize::kib(256),
        }
    }
}

impl Limits {
    /// The maxima of a host that sets none: more than a function that answers
    /// requests needs, less than what takes a machine down.
    pub fn maxima() -> Self {
        Self {
            memory: ByteSize::mib(1024),
            cpu: TimeLimit::seconds(10 * 60),
            deadline: TimeLimit::seconds(60 * 60),
            request_body: ByteSize::mib(1024),
            outgoing_requests: 10_000,
            concurrency: const { NonZeroU32::new(10_000).expect("10,000 is not zero") },
            log_output: ByteSize::mib(16),
        }
    }

    /// These limits, as far as `maxima` allow.
    pub fn clamped(&self, maxima: &Self) -> Self {
        Self {
            memory: self.memory.min(maxima.memory),
            cpu: self.cpu.min(maxima.cpu),
            deadline: self.deadline.min(maxima.deadline),
            request_body: self.request_body.min(maxima.request_body),
            outgoing_requests: self.outgoing_requests.min(maxima.outgoing_requests),
            concurrency: self.concurrency.min(maxima.concurrency),
            log_output: self.log_output.min(maxima.log_output),
        }
    }

    /// For each key, what is in force and why, where this was `asked` for.
    pub fn explained(&self, asked: &Self) -> BTreeMap<String, LimitInForce> {
        let values = |limits: &Self| match serde_json::to_value(limits) {
            Ok(Value::Object(values)) => values,
            _ => unreachable!("limits are an object of texts and numbers"),
        };
        let (asked, default) = (values(asked), values(&Self::default()));
        let explain = |(key, value): (String, Value)| {
            let limit = LimitInForce {
                asked: asked[&key].clone(),
                by_default: asked[&key] == default[&key],
                value,
            };
            (key, limit)
        };
        values(self).into_iter().map(explain).collect()
    }
}

/// One limit of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitInForce {
    value: Value,
    asked: Value,
    by_default: bool,
}

impl LimitInForce {
    /// The value in force, as it is written.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Whether the manifest asks for more than the host allows.
    pub fn is_refused(&self) -> bool {
        !self.by_default && self.value != self.asked
    }

    /// Where the value comes from.
    pub fn why(&self) -> String {
        let plain = |value: &Value| value.as_str().map_or(value.to_string(), str::to_owned);
        let (asked, allowed) = (plain(&self.asked), plain(&self.value));
        match (self.value == self.asked, self.by_default) {
            (true, true) => "default".to_owned(),
            (true, false) => "dunlin.toml".to_owned(),
            (false, true) => format!("the default is {asked}; the host allows {allowed}"),
            (false, false) => format!("dunlin.toml asks for {asked}; the host allows {allowed}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_clamped_and_says_why() {
        // Every value unlike its default: a key that is forgotten shows.
        let few = |number| Limits {
            memory: ByteSize::bytes(number),
            cpu: TimeLimit::seconds(number as u32),
            deadline: TimeLimit::seconds(number as u32),
            request_body: ByteSize::bytes(number),
            outgoing_requests: number as u32,
            concurrency: NonZeroU32::new(number as u32).unwrap(),
            log_output: ByteSize::bytes(number),
        };
        assert_eq!(few(7).clamped(&few(3)), few(3));
        assert_eq!(few(3).clamped(&few(7)), few(3));
        for (key, limit) in few(3).explained(&few(7)) {
            assert!(limit.is_refused(), "{key}");
            assert!(limit.why().starts_with("dunlin.toml asks for 7"), "{key}");
            assert!(limit.why().contains("; the host allows 3"), "{key}");
        }
        for (key, limit) in few(3).explained(&few(3)) {
            assert_eq!(
                (limit.is_refused(), &*limit.why()),
                (false, "dunlin.toml"),
                "{key}"
            );
        }
        let default = Limits::default();
        for (key, limit) in default.explained(&default) {
            assert_eq!(
                (limit.is_refused(), &*limit.why()),
                (false, "default"),
                "{key}"
            );
        }
        let memory = &few(3).explained(&default)["memory"];
        assert_eq!(memory.value(), "3B");
        assert!(!memory.is_refused());
        assert_eq!(memory.why(), "the default is 128MiB; the host allows 3B");
    }

    #[test]
    fn defaults_are_within_the_maxima() {
        assert_eq!(
            Limits::default().clamped(&Limits::maxima()),
            Limits::default()
        );
    }
}
