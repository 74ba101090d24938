//! The routes of one version: method and path template to a route.

use crate::registry::{Description, RouteSpec};
use matchit::{InsertError, Router};
use thiserror::Error;

/// Why a version's routes can't stand side by side.
#[derive(Debug, Error)]
pub enum RouteConflict {
    /// The template breaks matchit's rules.
    #[error("route `{method} {path}`: {reason}")]
    Template {
        /// The route's method.
        method: String,
        /// The route's template.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// Two routes would answer the same requests.
    #[error("`{method} {first}` and `{method} {second}` answer the same requests: change one")]
    Same {
        /// The method that both have.
        method: String,
        /// The template of one.
        first: String,
        /// The template of the other.
        second: String,
    },
}

/// The routes of one version.
///
/// Each method has its own, so that `GET /old` hides no `PUT /{name}`.
#[derive(Debug, Default)]
pub(super) struct FunctionRoutes {
    /// By method; `*` for any.
    methods: Vec<(String, Router<u32>)>,
    /// By route.
    precedence: Vec<Precedence>,
}

/// How a template stands to others that match the same path: the least is the
/// closest. At the first difference a literal goes before a parameter, which
/// goes before the rest.
type Precedence = Vec<u8>;

fn precedence(path: &str) -> Precedence {
    let rank = |segment: &str| u8::from(segment.contains('{')) + u8::from(segment.contains("{*"));
    path.split('/').map(rank).collect()
}

/// What a path and method lead to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Matched {
    Route(u32),
    /// The path exists with other methods: a list for `Allow`.
    OtherMethods(String),
    Nothing,
}

impl FunctionRoutes {
    /// Checks a description's routes against each other.
    ///
    /// # Errors
    ///
    /// The first template that is not valid, or that another route has too.
    pub(super) fn new(description: &Description) -> Result<Self, RouteConflict> {
        let mut routes = Self::default();
        for (index, route) in description.routes.iter().enumerate() {
            let id = u32::try_from(index).expect("a description has at most 1,000 routes");
            routes.add(route, id)?;
            routes.precedence.push(precedence(&route.path));
        }
        Ok(routes)
    }

    fn add(&mut self, route: &RouteSpec, id: u32) -> Result<(), RouteConflict> {
        let RouteSpec { method, path, .. } = route;
        let refuse = |reason: String| RouteConflict::Template {
            method: method.clone(),
            path: path.clone(),
            reason,
        };
        if !path.starts_with('/') {
            return Err(refuse("a path begins with `/`".to_owned()));
        }
        let known = self.methods.iter().position(|(name, _)| name == method);
        let known = known.unwrap_or_else(|| {
            self.methods.push((method.clone(), Router::new()));
            self.methods.len() - 1
        });
        self.methods[known]
            .1
            .insert(path, id)
            .map_err(|error| match error {
                InsertError::Conflict { with } => RouteConflict::Same {
                    method: method.clone(),
                    first: with,
                    second: path.clone(),
                },
                other => refuse(other.to_string()),
            })
    }

    /// Finds the route for a path below the mount: the method's own; for
    /// `HEAD`, that of `GET`; else one for any method.
    pub(super) fn find(&self, method: &str, path: &str) -> Matched {
        let of = |name: &str| {
            let (_, routes) = self.methods.iter().find(|(other, _)| other == name)?;
            routes.at(path).ok().map(|found| *found.value)
        };
        of(method)
            .or_else(|| (method == "HEAD").then(|| of("GET")).flatten())
            .or_else(|| of("*"))
            .map_or_else(|| self.others(path), Matched::Route)
    }

    /// The methods of the closest template, as its documentation has them: that
    /// another one takes more is not what was asked.
    fn others(&self, path: &str) -> Matched {
        let matches = self.methods.iter().filter_map(|(name, routes)| {
            let id = *routes.at(path).ok()?.value;
            Some((&self.precedence[id as usize], &**name))
        });
        let matches: Vec<_> = matches.collect();
        let Some((closest, _)) = matches.iter().min() else {
            return Matched::Nothing;
        };
        let allowed = matches.iter().filter(|(other, _)| other == closest);
        let mut allowed: Vec<&str> = allowed.map(|(_, name)| *name).collect();
        if allowed.contains(&"GET") && !allowed.contains(&"HEAD") {
            allowed.push("HEAD");
        }
        allowed.sort_unstable();
        Matched::OtherMethods(allowed.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{Interface, Lane, RouteKind};

    fn routes(list: &[(&str, &str)]) -> Result<FunctionRoutes, RouteConflict> {
        let spec = |&(method, path): &(&str, &str)| RouteSpec {
            method: method.to_owned(),
            path: path.to_owned(),
            lane: Lane::Async,
            kind: RouteKind::Http,
            summary: String::new(),
        };
        let routes = list.iter().map(spec).collect();
        FunctionRoutes::new(&Description {
            interface: Interface::Function,
            sdk: None,
            routes,
            openapi: None,
        })
    }

    #[test]
    fn static_segments_beat_parameters_and_head_falls_to_get() {
        let table = routes(&[
            ("GET", "/items/{id}"),
            ("GET", "/items/latest"),
            ("POST", "/items/{id}"),
            ("GET", "/files/{*rest}"),
        ])
        .unwrap();
        assert_eq!(table.find("GET", "/items/latest"), Matched::Route(1));
        assert_eq!(table.find("GET", "/items/7"), Matched::Route(0));
        assert_eq!(table.find("HEAD", "/items/7"), Matched::Route(0));
        assert_eq!(table.find("POST", "/items/7"), Matched::Route(2));
        assert_eq!(table.find("GET", "/files/a/b"), Matched::Route(3));
        assert_eq!(table.find("GET", "/items"), Matched::Nothing);
        assert_eq!(
            table.find("PUT", "/items/7"),
            Matched::OtherMethods("GET, HEAD, POST".to_owned())
        );
    }

    #[test]
    fn a_star_takes_every_method() {
        let table = routes(&[("*", "/"), ("*", "/{*path}")]).unwrap();
        assert_eq!(table.find("PURGE", "/"), Matched::Route(0));
        assert_eq!(table.find("GET", "/a/b"), Matched::Route(1));
    }

    #[test]
    fn a_route_hides_none_of_another_method() {
        let table = routes(&[
            ("GET", "/old"),
            ("PUT", "/{name}"),
            ("GET", "/items/{id}"),
            ("DELETE", "/items/{item_id}"),
            ("*", "/{*path}"),
        ])
        .unwrap();
        assert_eq!(table.find("GET", "/old"), Matched::Route(0));
        assert_eq!(table.find("PUT", "/old"), Matched::Route(1));
        assert_eq!(table.find("DELETE", "/items/7"), Matched::Route(3));
        assert_eq!(table.find("PATCH", "/old"), Matched::Route(4));
    }

    #[test]
    fn what_is_allowed_is_what_the_closest_template_takes() {
        let table = routes(&[("GET", "/old"), ("PUT", "/{name}"), ("POST", "/{*rest}")]).unwrap();
        let allowed = |methods: &str| Matched::OtherMethods(methods.to_owned());
        assert_eq!(table.find("PATCH", "/old"), allowed("GET, HEAD"));
        assert_eq!(table.find("PATCH", "/new"), allowed("PUT"));
        assert_eq!(table.find("PATCH", "/a/b"), allowed("POST"));
    }

    #[test]
    fn conflicts_name_both_sides() {
        let error = |list| routes(list).unwrap_err().to_string();
        assert_eq!(
            error(&[("GET", "/{a}/x"), ("POST", "/{a}/x"), ("GET", "/{b}/x")]),
            "`GET /{a}/x` and `GET /{b}/x` answer the same requests: change one"
        );
        assert_eq!(
            error(&[("GET", "no-slash")]),
            "route `GET no-slash`: a path begins with `/`"
        );
        assert!(error(&[("GET", "/{")]).starts_with("route `GET /{`: "));
    }
}
