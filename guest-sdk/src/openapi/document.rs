//! The document as a whole.

use super::operation::separated;
use super::schemas::insert;
use super::{Info, Operation, Schemas};
use crate::json::{push, push_string};
use crate::middleware::Around;
use crate::routing::{Route, Segment};

/// The OpenAPI 3.1 document of these routes. Its paths are relative to the
/// function's mount; the host, which knows it, adds `servers`.
pub(crate) fn document(
    info: &Info,
    routes: &'static [Route],
    around: Option<&'static Around>,
) -> String {
    let mut out = String::from("{\"openapi\":\"3.1.0\",\"info\":{\"title\":");
    push_string(&mut out, info.title);
    push(&mut out, ",\"version\":");
    push_string(&mut out, info.version);
    if !info.description.is_empty() {
        push(&mut out, ",\"description\":");
        push_string(&mut out, info.description);
    }
    push(&mut out, "},\"paths\":{");
    let mut schemas = Schemas::default();
    let mut security: Vec<(String, String)> = Vec::new();
    separated(&mut out, &paths(routes), |out, (path, here)| {
        push_string(out, path);
        push(out, ":{");
        separated(out, here, |out, route| {
            push_string(out, &route.method.to_ascii_lowercase());
            push(out, ":");
            let mut operation = Operation::new(route, std::mem::take(&mut schemas));
            (route.operation)(&mut operation);
            if let Some(around) = around {
                around.describe(route, &mut operation);
            }
            let (used, schemes) = operation.write(&id(route, routes), out);
            schemas = used;
            for scheme in schemes {
                if !security.contains(&scheme) {
                    insert(&mut security, scheme);
                }
            }
        });
        push(out, "}");
    });
    push(&mut out, "},\"components\":{\"schemas\":{");
    push_named(&mut out, &schemas.definitions());
    push(&mut out, "}");
    if !security.is_empty() {
        push(&mut out, ",\"securitySchemes\":{");
        push_named(&mut out, &security);
        push(&mut out, "}");
    }
    push(&mut out, "}}");
    out
}

/// The routes that are shown, by path, in the order of their first mention.
fn paths(routes: &'static [Route]) -> Vec<(String, Vec<&'static Route>)> {
    let mut paths: Vec<(String, Vec<&'static Route>)> = Vec::new();
    for route in routes.iter().filter(|route| !route.hidden) {
        let path = path(route.segments);
        match paths.iter_mut().find(|(known, _)| *known == path) {
            Some((_, routes)) => routes.push(route),
            None => paths.push((path, vec![route])),
        }
    }
    paths
}

/// OpenAPI knows no `{*rest}`.
fn path(segments: &[Segment]) -> String {
    let mut path = String::new();
    for segment in segments {
        push(&mut path, "/");
        match segment {
            Segment::Literal(text) => push(&mut path, text),
            Segment::Param(name) | Segment::Rest(name) => {
                push(&mut path, "{");
                push(&mut path, name);
                push(&mut path, "}");
            }
        }
    }
    path
}

/// The handler's name; where two modules have a handler of that name, its path
/// and method too.
fn id(route: &Route, routes: &[Route]) -> String {
    let is_same = |other: &&Route| !other.hidden && other.name == route.name;
    if routes.iter().filter(is_same).count() == 1 {
        return route.name.to_owned();
    }
    let mut id = route.name.to_owned();
    for word in route.path.split(|c: char| !c.is_ascii_alphanumeric()) {
        if !word.is_empty() {
            push(&mut id, "_");
            push(&mut id, word);
        }
    }
    push(&mut id, "_");
    push(&mut id, &route.method.to_ascii_lowercase());
    id
}

fn push_named(out: &mut String, named: &[(String, String)]) {
    separated(out, named, |out, (name, json)| {
        push_string(out, name);
        push(out, ":");
        push(out, json);
    });
}
