//! Who may: the layer around the admin API, which no handler can forget. It
//! also writes down who did what.

use super::api::{AdminConfig, Shared};
use super::error::AdminError;
use crate::registry::{Act, Actor, Outcome, Scope, Token, on_disk};
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{Method, StatusCode, header};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// What an answer says about what was done, for the audit log.
#[derive(Clone, Debug, Default)]
pub(super) struct Done {
    /// To what, if the address does not say it all: `shop@4`.
    pub(super) target: Option<String>,
    /// How.
    pub(super) detail: Option<String>,
}

/// Why a request was refused, likewise.
#[derive(Clone, Debug)]
pub(super) struct Refusal(pub(super) String);

/// Lets a request through whose token has the scope that it needs, and writes
/// down every change and everyone who was turned away.
pub(super) async fn guard(
    State(config): Shared,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let asked = Asked::of(&request);
    let given = request.headers().get(header::AUTHORIZATION);
    let given = given.and_then(|it| it.as_bytes().strip_prefix(b"Bearer "));
    let given = given.map(<[u8]>::to_vec);
    let admitted = admit(&config, peer, &asked, given).await;
    let (actor, response) = match admitted {
        Ok(token) => {
            let actor = Actor::Token {
                id: token.id,
                name: token.name.clone(),
            };
            request.extensions_mut().insert(token);
            if !asked.is_change() {
                return next.run(request).await;
            }
            // To its end, even if nobody waits for it any more: what is done is
            // written down.
            let running = tokio::spawn(async move {
                let response = next.run(request).await;
                let written = asked.write_down(&config, peer, actor, &response);
                written.await;
                response
            });
            return running.await.expect("admin requests do not panic");
        }
        Err(Turned { actor, why }) => (actor, why.into_response()),
    };
    // Who knocks too often is not worth a line each.
    if response.status() != StatusCode::TOO_MANY_REQUESTS {
        let written = asked.write_down(&config, peer, actor, &response);
        written.await;
    }
    response
}

/// Somebody turned away.
struct Turned {
    actor: Actor,
    why: AdminError,
}

async fn admit(
    config: &SharedConfig,
    peer: SocketAddr,
    asked: &Asked,
    given: Option<Vec<u8>>,
) -> Result<Token, Turned> {
    let stranger = |why| Turned {
        actor: Actor::Stranger,
        why,
    };
    let found = match given {
        Some(given) => {
            let registry = config.registry.clone();
            let found = on_disk(move || registry.token(&given));
            found.await.map_err(|error| stranger(error.into()))?
        }
        None => None,
    };
    let Some(token) = found else {
        let counted = config.failures.count(peer.ip(), Instant::now());
        return Err(stranger(match counted {
            Ok(()) => AdminError::Unauthorized,
            Err(wait) => AdminError::TooManyFailures(wait),
        }));
    };
    let needed = asked.scope();
    if token.scope < needed {
        return Err(Turned {
            actor: Actor::Token {
                id: token.id,
                name: token.name,
            },
            why: AdminError::Forbidden {
                needed,
                held: token.scope,
            },
        });
    }
    Ok(token)
}

type SharedConfig = Arc<AdminConfig>;

/// What a request asks for.
#[derive(Clone, Debug)]
struct Asked {
    method: Method,
    /// The route's path, with its parameters' names; none: there is no such
    /// route.
    route: Option<String>,
    path: String,
}

impl Asked {
    fn of(request: &Request) -> Self {
        let route = request.extensions().get::<MatchedPath>();
        Self {
            method: request.method().clone(),
            route: route.map(|it| it.as_str().to_owned()),
            path: request.uri().path().to_owned(),
        }
    }

    fn is_change(&self) -> bool {
        !matches!(self.method, Method::GET | Method::HEAD)
    }

    /// The least scope that may.
    fn scope(&self) -> Scope {
        let route = self.route.as_deref().unwrap_or_default();
        let of_admins = ["/v1/tokens", "/v1/audit"];
        if of_admins.iter().any(|it| route.starts_with(it)) {
            Scope::Admin
        } else if self.is_change() {
            Scope::Deploy
        } else {
            Scope::Read
        }
    }

    /// What it is called in the audit log. A route that nobody named here is
    /// not forgotten: it goes by its method and path.
    fn action(&self) -> String {
        let route = self.route.as_deref().unwrap_or(&self.path);
        let route = route.strip_prefix("/v1").unwrap_or(route);
        match (self.method.as_str(), route) {
            ("PUT", "/components/{digest}") => "upload",
            ("POST", "/functions/{name}/versions") => "deploy",
            ("PUT", "/functions/{name}/deployment") => "split",
            ("POST", "/functions/{name}/rollback") => "rollback",
            ("DELETE", "/functions/{name}") => "rm",
            ("PUT", "/functions/{name}/secrets/{key}") => "secret set",
            ("DELETE", "/functions/{name}/secrets/{key}") => "secret rm",
            ("POST", "/tokens") => "token create",
            ("DELETE", "/tokens/{id}") => "token rm",
            (method, route) => return cut(&format!("{method} {route}")),
        }
        .to_owned()
    }

    /// What the address names: a function, a secret of it, a token.
    fn target(&self) -> Option<String> {
        let route = self.route.as_deref()?;
        let pairs = route.split('/').zip(self.path.split('/'));
        let named = pairs.filter(|(pattern, _)| pattern.starts_with('{'));
        let named: Vec<_> = named.map(|(_, part)| part).collect();
        (!named.is_empty()).then(|| cut(&named.join(" ")))
    }

    /// Writes down what became of it. The future holds nothing of the response,
    /// whose body no two threads may look at.
    fn write_down(
        self,
        config: &SharedConfig,
        peer: SocketAddr,
        actor: Actor,
        response: &Response,
    ) -> impl Future<Output = ()> + Send + use<> {
        let status = response.status();
        let outcome = if status.is_success() {
            Outcome::Done
        } else if status.is_server_error() {
            Outcome::Failed
        } else {
            Outcome::Refused
        };
        let done = response.extensions().get::<Done>().cloned();
        let Done { target, detail } = done.unwrap_or_default();
        let refusal = response.extensions().get::<Refusal>();
        let detail = detail.or_else(|| refusal.map(|it| cut(&it.0)));
        let registry = config.registry.clone();
        let written = tokio::task::spawn_blocking(move || {
            registry.audit(&Act {
                actor: &actor,
                peer: Some(peer.ip().to_string()),
                action: &self.action(),
                target: target.or_else(|| self.target()).as_deref(),
                outcome,
                detail: detail.as_deref(),
            });
        });
        async move { written.await.expect("writing does not panic") }
    }
}

/// What peers write is kept, but not whatever its length.
fn cut(text: &str) -> String {
    let plain = text
        .chars()
        .map(|it| if it.is_control() { ' ' } else { it });
    plain.take(500).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: Method, route: Option<&str>, path: &str) -> Asked {
        Asked {
            method,
            route: route.map(str::to_owned),
            path: path.to_owned(),
        }
    }

    #[test]
    fn what_is_asked_decides_the_scope() {
        let scope = |method, route| asked(method, Some(route), route).scope();
        assert_eq!(scope(Method::GET, "/v1/functions"), Scope::Read);
        assert_eq!(scope(Method::HEAD, "/v1/components/{digest}"), Scope::Read);
        assert_eq!(scope(Method::POST, "/v1/new/route"), Scope::Deploy);
        for method in [Method::GET, Method::POST, Method::DELETE] {
            assert_eq!(scope(method, "/v1/tokens/{id}"), Scope::Admin);
        }
        assert_eq!(scope(Method::GET, "/v1/audit"), Scope::Admin);
        assert_eq!(asked(Method::DELETE, None, "/x").scope(), Scope::Deploy);
    }

    #[test]
    fn an_entry_names_what_and_on_what() {
        let secret = asked(
            Method::PUT,
            Some("/v1/functions/{name}/secrets/{key}"),
            "/v1/functions/shop/secrets/API_KEY",
        );
        assert_eq!(secret.action(), "secret set");
        assert_eq!(secret.target().unwrap(), "shop API_KEY");
        let new = asked(Method::PATCH, Some("/v1/new/{it}"), "/v1/new/thing");
        assert_eq!(new.action(), "PATCH /new/{it}");
        assert_eq!(new.target().unwrap(), "thing");
        let none = asked(Method::POST, None, "/no/such");
        assert_eq!(
            (none.action(), none.target()),
            ("POST /no/such".to_owned(), None)
        );
        assert_eq!(cut(&"x".repeat(1_000)).len(), 500);
    }
}
