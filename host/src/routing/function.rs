//! The routes of one version: method and path template to a route.

use crate::registry::{Description, RouteSpec};
use matchit::Router;
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
    #[error("routes {first} and {second} both answer `{method} {path}`: change one of them")]
    Duplicate {
        /// Position of the first.
        first: usize,
        /// Position of the second.
        second: usize,
        /// The method that both have.
        method: String,
        /// The template that both have.
        path: String,
    },
}

/// The routes of one version.
#[derive(Debug)]
pub(super) struct FunctionRoutes {
    paths: Router<Methods>,
}

/// The routes with one template, by method.
#[derive(Clone, Debug, Default)]
struct Methods(Vec<(String, u32)>);

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
        let mut templates: Vec<(&str, Methods)> = Vec::new();
        for (index, RouteSpec { method, path, .. }) in description.routes.iter().enumerate() {
            let id = u32::try_from(index).expect("a description has at most 1,000 routes");
            let Some((_, methods)) = templates.iter_mut().find(|(other, _)| other == path) else {
                templates.push((path, Methods(vec![(method.clone(), id)])));
                continue;
            };
            if let Some((_, first)) = methods.0.iter().find(|(other, _)| other == method) {
                return Err(RouteConflict::Duplicate {
                    first: *first as usize,
                    second: index,
                    method: method.clone(),
                    path: path.clone(),
                });
            }
            methods.0.push((method.clone(), id));
        }
        let mut paths = Router::new();
        for (path, methods) in templates {
            let method = methods.0[0].0.clone();
            let refuse = |reason: String| RouteConflict::Template {
                method: method.clone(),
                path: path.to_owned(),
                reason,
            };
            if !path.starts_with('/') {
                return Err(refuse("a path begins with `/`".to_owned()));
            }
            paths
                .insert(path, methods)
                .map_err(|error| refuse(error.to_string()))?;
        }
        Ok(Self { paths })
    }

    /// Finds the route for a path below the mount. `HEAD` falls back to `GET`.
    pub(super) fn find(&self, method: &str, path: &str) -> Matched {
        let Ok(found) = self.paths.at(path) else {
            return Matched::Nothing;
        };
        let methods = &found.value.0;
        let by_name = |name: &str| methods.iter().find(|(other, _)| other == name);
        let route = by_name(method)
            .or_else(|| (method == "HEAD").then(|| by_name("GET")).flatten())
            .or_else(|| by_name("*"));
        match route {
            Some((_, id)) => Matched::Route(*id),
            None => {
                let mut allowed: Vec<&str> = methods.iter().map(|(name, _)| &**name).collect();
                if allowed.contains(&"GET") && !allowed.contains(&"HEAD") {
                    allowed.push("HEAD");
                }
                allowed.sort_unstable();
                Matched::OtherMethods(allowed.join(", "))
            }
        }
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
    fn conflicts_name_both_sides() {
        let error = routes(&[("GET", "/a"), ("POST", "/a"), ("GET", "/a")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "routes 0 and 2 both answer `GET /a`: change one of them"
        );
        let error = routes(&[("GET", "/{a}/x"), ("GET", "/{b}/x")])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("GET /{b}/x") && error.contains("/{a}/x"),
            "{error}"
        );
        assert!(routes(&[("GET", "no-slash")]).is_err());
        assert!(routes(&[("GET", "/{")]).is_err());
    }
}
