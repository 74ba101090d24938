//! Where a running host serves functions, seen from here.

use std::net::SocketAddr;

use serde::Deserialize;

use super::client_args::HostUrl;

/// What the admin API says of the public listener.
#[derive(Debug, Deserialize)]
pub(super) struct Reach {
    pub(super) scheme: String,
    pub(super) listen: SocketAddr,
}

/// The public listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Public {
    scheme: String,
    /// A name or an address, and the port.
    authority: String,
    port: u16,
}

impl Public {
    /// A host that listens on every address of its machine is where its admin
    /// API is.
    pub(super) fn new(scheme: &str, listen: SocketAddr, admin: &HostUrl) -> Self {
        let authority = if listen.ip().is_unspecified() {
            format!("{}:{}", admin.host(), listen.port())
        } else {
            listen.to_string()
        };
        Self {
            scheme: scheme.to_owned(),
            authority,
            port: listen.port(),
        }
    }

    /// The URL of `path`, which starts with a slash, at the listener itself.
    pub(super) fn at(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.authority)
    }

    /// The URL that a function is told to the world by: that of its own host
    /// name, if it has one.
    pub(super) fn of_function(&self, host: Option<&str>, mount: &str) -> String {
        match host {
            Some(host) => format!("{}://{host}:{}{mount}", self.scheme, self.port),
            None => self.at(mount),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_every_address_is_that_of_the_admin_api() {
        let admin: HostUrl = HostUrl::parse("http://10.0.0.5:8081").expect("is valid");
        let public = |listen: &str| Public::new("http", listen.parse().expect("is one"), &admin);
        assert_eq!(public("0.0.0.0:80").at("/a"), "http://10.0.0.5:80/a");
        assert_eq!(public("[::]:80").at("/a"), "http://10.0.0.5:80/a");
        let one = public("192.0.2.1:8080");
        assert_eq!(one.of_function(None, "/a"), "http://192.0.2.1:8080/a");
        assert_eq!(one.of_function(Some("a.test"), "/"), "http://a.test:8080/");
    }
}
