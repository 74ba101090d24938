//! The table of hostile guests, by what is wrong with them.

use super::animal::{Animal, Guest};
use super::components;
use crate::harness::Upstream;

/// All of them, by what they are.
pub(crate) fn zoo(upstream: &Upstream) -> Vec<Animal> {
    [
        computing(),
        hoarding(),
        broken(),
        standard(),
        waiting(),
        talking(upstream),
    ]
    .concat()
}

fn zoo_guest(name: &'static str) -> Animal {
    let path = format!("/{name}");
    Animal::new(name, Guest::Zoo, &path)
}

fn computing() -> Vec<Animal> {
    let limited = |name| {
        zoo_guest(name)
            .cpu("100ms")
            .fails(504, "cpu-limit")
            .logs("cpu-limit: ")
    };
    // Answered, they go on computing, as many as the function may have requests.
    let left_behind = |name| {
        zoo_guest(name)
            .cpu("100ms")
            .concurrency(4)
            .answers("answered")
            .or_is_refused()
            .logs("the function used more CPU time")
    };
    vec![
        limited("loop"),
        limited("loop-in-fn"),
        limited("calls"),
        limited("calls-in-fn"),
        limited("busy-poll-in-fn"),
        limited("log-flood").logs("log cut: `limits.log_output` is 16384 bytes"),
        limited("log-flood-in-fn").logs("log cut: `limits.log_output` is 16384 bytes"),
        left_behind("afterwards"),
        left_behind("afterwards-in-fn"),
    ]
}

fn hoarding() -> Vec<Animal> {
    let out_of_memory = |animal: Animal| animal.fails(502, "out-of-memory").logs("out-of-memory: ");
    let trapped = |name| zoo_guest(name).fails(502, "guest-trap");
    vec![
        out_of_memory(zoo_guest("memory")),
        out_of_memory(zoo_guest("memory-in-fn")),
        out_of_memory(Animal::new(
            "table-bomb",
            Guest::Text(components::TABLE_BOMB),
            "",
        )),
        trapped("streams").logs("guest-trap: "),
        trapped("fields").logs("resource table has no free keys"),
        trapped("timers").memory("128MiB").logs("guest-trap: "),
        trapped("random").logs("exceeds limit 65536"),
        trapped("random-in-fn").logs("exceeds limit 65536"),
    ]
}

fn broken() -> Vec<Animal> {
    let trapped = |name| {
        zoo_guest(name)
            .fails(502, "guest-trap")
            .logs("guest-trap: ")
    };
    let invalid = |name| zoo_guest(name).fails(502, "invalid-response");
    vec![
        trapped("panic"),
        trapped("panic-in-fn"),
        trapped("trap"),
        trapped("trap-in-fn"),
        trapped("recursion"),
        trapped("recursion-in-fn"),
        trapped("twice"),
        trapped("twice-in-fn"),
        zoo_guest("twice-later").answers("first").logs("trapped: "),
        zoo_guest("trap-after-head").logs("the answer broke off: the function trapped"),
        invalid("invalid-header").logs("is no header field"),
        invalid("endless-headers").logs("limit 65536"),
        Animal::new(
            "stack-overflow",
            Guest::Text(components::STACK_OVERFLOW),
            "",
        )
        .fails(502, "guest-trap")
        .logs("call stack exhausted"),
    ]
}

fn waiting() -> Vec<Animal> {
    let late = |name| {
        zoo_guest(name)
            .deadline("500ms")
            .fails(504, "deadline")
            .logs("deadline: ")
    };
    let cut = |name| {
        let broke_off = "the answer broke off: the function did not answer within";
        zoo_guest(name).deadline("2s").logs(broke_off)
    };
    vec![
        late("never"),
        late("sleep"),
        late("sleep-in-fn"),
        late("sleep-the-thread"),
        late("busy-poll"),
        late("just-below-a-tick"),
        cut("sleep-in-the-body").deadline("1s"),
        cut("endless-body"),
    ]
}

fn standard() -> Vec<Animal> {
    let standard = |name, path| Animal::new(name, Guest::Wasi02, path);
    let trapped = |name, path| standard(name, path).fails(502, "guest-trap");
    let no_answer = |name, path| {
        standard(name, path)
            .fails(502, "invalid-response")
            .logs("is none a function can answer with")
    };
    vec![
        no_answer("standard-interim", "/interim"),
        no_answer("standard-switching", "/switching"),
        no_answer("standard-no-status", "/no-status"),
        standard("standard-never", "/never")
            .fails(502, "invalid-response")
            .logs("ended without an answer"),
        standard("standard-sleep", "/sleep")
            .deadline("500ms")
            .fails(504, "deadline")
            .logs("deadline: "),
        standard("standard-busy-poll", "/busy-poll")
            .cpu("100ms")
            .fails(504, "cpu-limit")
            .logs("cpu-limit: "),
        standard("standard-endless-body", "/endless-body")
            .deadline("2s")
            .logs("the answer broke off: the function did not answer within"),
        standard("standard-twice", "/twice")
            .answers("")
            .logs("the function trapped: "),
        trapped("standard-pollables", "/pollables").logs("resource table has no free keys"),
        trapped("standard-endless-headers", "/endless-headers").logs("guest-trap: "),
        trapped("standard-invalid-header", "/invalid-header").logs("InvalidSyntax"),
    ]
}

fn talking(upstream: &Upstream) -> Vec<Animal> {
    let fetches = |name, path: &str, count: u32| {
        let path = format!("{path}?url={}&count={count}", upstream.url("/"));
        Animal::new(name, Guest::Zoo, &path)
            .memory("128MiB")
            .attackers(1)
    };
    let address = format!("\"{}\"", upstream.address);
    vec![
        // All beyond the limit are refused inside the guest.
        fetches("fetches", "/fetches", 10_000)
            .egress(&address, 50)
            .answers("50"),
        fetches("fetches-unlimited", "/fetches", 10_000)
            .egress(&address, 20_000)
            .answers("10000"),
    ]
}
