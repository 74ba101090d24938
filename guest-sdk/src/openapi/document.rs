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
    let paths = paths(routes);
    separated(&mut out, &paths, |out, (path, routes)| {
        push_string(out, path);
        push(out, ":{");
        separated(out, routes, |out, route| {
            push_string(out, &route.method.to_ascii_lowercase());
            out.push(':');
            let mut operation = Operation::new(route, std::mem::take(&mut schemas));
            (route.operation)(&mut operation);
            if let Some(around) = around {
                around.describe(route, &mut operation);
            }
            let (used, schemes) = operation.write(&id(route, &paths), out);
            schemas = used;
            for scheme in schemes {
                if !security.contains(&scheme) {
                    insert(&mut security, scheme);
                }
            }
        });
        out.push('}');
    });
    push(&mut out, "},\"components\":{\"schemas\":{");
    push_named(&mut out, &schemas.definitions());
    out.push('}');
    if !security.is_empty() {
        push(&mut out, ",\"securitySchemes\":{");
        push_named(&mut out, &security);
        out.push('}');
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
        path.push('/');
        match segment {
            Segment::Literal(text) => push(&mut path, text),
            Segment::Param(name) | Segment::Rest(name) => {
                path.push('{');
                push(&mut path, name);
                path.push('}');
            }
        }
    }
    path
}

/// The handler's name; where two modules have a handler of that name, its path
/// and method too.
fn id(route: &Route, paths: &[(String, Vec<&'static Route>)]) -> String {
    let all = paths.iter().flat_map(|(_, routes)| routes);
    if all.filter(|other| other.name == route.name).count() == 1 {
        return route.name.to_owned();
    }
    let path = route.path.split(|c: char| !c.is_ascii_alphanumeric());
    let words = std::iter::once(route.name).chain(path.filter(|word| !word.is_empty()));
    let words: Vec<&str> = words.collect();
    format!("{}_{}", words.join("_"), route.method.to_ascii_lowercase())
}

fn push_named(out: &mut String, named: &[(String, String)]) {
    separated(out, named, |out, (name, json)| {
        push_string(out, name);
        out.push(':');
        push(out, json);
    });
}
