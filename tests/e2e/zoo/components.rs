//! Components as text, for what no language's tools would make.

/// The component that `core`, a core module with the export `handle`, makes as
/// a standard handler of `wasi:http` 0.2.
pub(crate) fn encode(core: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
            (import "wasi:http/types@0.2.0" (instance $types
                (export "incoming-request" (type (sub resource)))
                (export "response-outparam" (type (sub resource)))))
            (alias export $types "incoming-request" (type $request))
            (alias export $types "response-outparam" (type $out))
            {core}
            (core instance $instance (instantiate $core))
            (func $handle (param "request" (own $request)) (param "response-out" (own $out))
                (canon lift (core func $instance "handle")))
            (instance $handler (export "handle" (func $handle)))
            (export "wasi:http/incoming-handler@0.2.0" (instance $handler)))"#
    );
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"))
}

/// Grows its table until that is refused, then traps: it can't do without.
pub(crate) const TABLE_BOMB: &str = r#"(core module $core
    (table $table 1 funcref)
    (func (export "handle") (param i32 i32)
        (loop $more
            (br_if $more (i32.ne
                (table.grow $table (ref.null func) (i32.const 100000))
                (i32.const -1))))
        unreachable))"#;

/// Calls itself until there is no stack left.
pub(crate) const STACK_OVERFLOW: &str = r#"(core module $core
    (func $handle (export "handle") (param i32 i32)
        (call $handle (local.get 0) (local.get 1))
        (call $handle (local.get 1) (local.get 0))))"#;

/// Never gets to its first request.
pub(crate) const ENDLESS_START: &str = r#"(core module $core
    (func $start (loop $for_ever (br $for_ever)))
    (start $start)
    (func (export "handle") (param i32 i32)))"#;

/// Asks for a table of some gigabytes.
pub(crate) const LARGE_TABLE: &str = r#"(core module $core
    (table 500000000 funcref)
    (func (export "handle") (param i32 i32)))"#;

/// Asks for a memory of 512 MiB.
pub(crate) const LARGE_MEMORY: &str = r#"(core module $core
    (memory 8192)
    (func (export "handle") (param i32 i32)))"#;
