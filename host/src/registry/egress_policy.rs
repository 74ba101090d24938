//! The language of `[egress] allow`: which destinations a function may name.
//!
//! The policy is part of a version, so it lives here. What it means on the
//! wire, that is which *resolved* addresses may be connected to, is enforced in
//! `capabilities/egress`.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::egress_entry::{EgressEntry, EgressEntryError, Target};
use crate::names::HostName;

/// What a guest may reach. Deny by default: an empty policy allows nothing.
///
/// Each entry is `[SCHEME://]TARGET[:PORT]`, with a target of four kinds:
///
/// | target | admits URLs whose host is | opens |
/// |---|---|---|
/// | `api.example.com` | that name | its public addresses |
/// | `*.example.com` | a name below it, at any depth, not itself | its public addresses |
/// | `10.1.2.3`, `[::1]`, `10.0.0.0/8` | an address in it | all addresses in it, public or not |
/// | `*` | any name, any public address | public addresses |
///
/// - Without a scheme and port, any port is meant; with a scheme alone, that
///   scheme's own port (80 or 443), as in a URL.
/// - **A name never opens a non-public address**, whatever it resolves to:
///   loopback, private, link-local and metadata addresses are refused after
///   resolution. So whoever controls a name's DNS cannot turn it inwards.
///   For a private service, name both: `["db.internal:5432", "10.1.0.0/16:5432"]`.
///   The network is then open to *every* admitted name, so keep it narrow and
///   give the port.
/// - **An address entry admits no names.** A name that happens to resolve into
///   `10.0.0.0/8` is refused, unresolved, unless an entry admits the name.
/// - The one exception: `localhost`, written out, also opens loopback
///   addresses, for URLs that say `localhost`, because that is all the name
///   can mean (RFC 6761). It does not admit `127.0.0.1`, nor open it to
///   other names.
///
/// Serialises as the list of its entries, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EgressPolicy {
    entries: Vec<EgressEntry>,
}

impl EgressPolicy {
    /// Parses the entries of a policy.
    ///
    /// # Errors
    /// The first entry that is none, with the accepted forms.
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, EgressEntryError> {
        let entries = entries
            .into_iter()
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        Ok(Self { entries })
    }

    /// The entries, as written.
    pub fn entries(&self) -> &[EgressEntry] {
        &self.entries
    }

    /// Whether the function may name this destination at all; asked before
    /// any name is resolved, since a lookup alone already carries data out.
    pub fn admits(&self, destination: &Destination) -> bool {
        self.covering(destination)
            .any(|target| match (target, &destination.host) {
                (Target::Anywhere, _) => true,
                (Target::Name(name), Host::Name(host)) => name == host,
                (Target::Below(parent), Host::Name(host)) => host.is_below(parent),
                (Target::Network(network), Host::Address(address)) => {
                    network.contains(&address.to_canonical())
                }
                (Target::Name(_) | Target::Below(_), Host::Address(_))
                | (Target::Network(_), Host::Name(_)) => false,
            })
    }

    /// Whether an entry opens `address`, to which an admitted destination
    /// resolved, although it is not public.
    pub fn opens(&self, destination: &Destination, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.covering(destination)
            .any(|target| match (target, &destination.host) {
                (Target::Network(network), _) => network.contains(&address),
                (Target::Name(name), Host::Name(host)) => {
                    name == host && host.is_localhost() && address.is_loopback()
                }
                _ => false,
            })
    }

    /// The targets of the entries whose scheme and port fit.
    fn covering<'a>(&'a self, destination: &'a Destination) -> impl Iterator<Item = &'a Target> {
        self.entries
            .iter()
            .filter(|entry| {
                entry
                    .scheme
                    .is_none_or(|scheme| scheme == destination.scheme)
                    && entry.port.is_none_or(|port| port == destination.port)
            })
            .map(|entry| &entry.target)
    }
}

/// Where one request wants to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Plain or TLS.
    pub scheme: Scheme,
    /// The URL's host.
    pub host: Host,
    /// The URL's port, or its scheme's own.
    pub port: u16,
}

/// As the origin of a URL: `https://api.example.com`, `http://[::1]:8080`.
impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.host)?;
        if self.port != self.scheme.default_port() {
            write!(f, ":{}", self.port)?;
        }
        Ok(())
    }
}

/// The schemes that a guest can speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `http`
    Http,
    /// `https`
    Https,
}

impl Scheme {
    /// The scheme's own port, 80 or 443.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    /// The scheme as written in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// The host part of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A name, yet to be resolved.
    Name(HostName),
    /// An address, written out.
    Address(IpAddr),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Address(IpAddr::V4(address)) => address.fmt(f),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn policy(entries: &[&str]) -> EgressPolicy {
        EgressPolicy::parse(entries.iter().copied()).unwrap()
    }

    fn to(scheme: Scheme, host: &str, port: u16) -> Destination {
        let host = match host.parse() {
            Ok(address) => Host::Address(address),
            Err(_) => Host::Name(host.parse().unwrap()),
        };
        Destination { scheme, host, port }
    }

    fn https(host: &str) -> Destination {
        to(Scheme::Https, host, 443)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_empty_policy_admits_nothing() {
        assert!(!EgressPolicy::default().admits(&https("example.com")));
        assert!(!EgressPolicy::default().admits(&https("8.8.8.8")));
        assert!(!EgressPolicy::default().opens(&https("localhost"), ip("127.0.0.1")));
    }

    #[test]
    fn a_name_admits_itself_in_any_case_and_nothing_near_it() {
        let policy = policy(&["API.example.com"]);
        assert!(policy.admits(&https("api.example.com")));
        assert!(policy.admits(&to(Scheme::Http, "api.example.com", 8080)));
        for other in [
            "example.com",
            "v2.api.example.com",
            "api.example.com.evil.test",
            "8.8.8.8",
        ] {
            assert!(!policy.admits(&https(other)), "{other}");
        }
    }

    #[test]
    fn a_wildcard_admits_subdomains_only() {
        let policy = policy(&["*.example.com"]);
        assert!(policy.admits(&https("a.example.com")));
        assert!(policy.admits(&https("a.b.example.com")));
        assert!(!policy.admits(&https("example.com")));
        assert!(!policy.admits(&https("badexample.com")));
    }

    #[test]
    fn scheme_and_port_narrow() {
        let port = policy(&["a.test:8443"]);
        assert!(port.admits(&to(Scheme::Https, "a.test", 8443)));
        assert!(port.admits(&to(Scheme::Http, "a.test", 8443)));
        assert!(!port.admits(&https("a.test")));

        let scheme = policy(&["https://a.test"]);
        assert!(scheme.admits(&https("a.test")));
        assert!(!scheme.admits(&to(Scheme::Http, "a.test", 80)));
        assert!(!scheme.admits(&to(Scheme::Http, "a.test", 443)));
        assert!(!scheme.admits(&to(Scheme::Https, "a.test", 8443)));

        let anywhere = policy(&["https://*"]);
        assert!(anywhere.admits(&https("b.test")));
        assert!(!anywhere.admits(&to(Scheme::Http, "b.test", 80)));
    }

    #[test]
    fn an_address_entry_admits_addresses_and_no_names() {
        let policy = policy(&["10.0.0.0/8", "[::1]:8080"]);
        assert!(policy.admits(&https("10.1.2.3")));
        assert!(policy.admits(&https("::ffff:10.1.2.3")));
        assert!(policy.admits(&to(Scheme::Http, "::1", 8080)));
        assert!(!policy.admits(&https("::1")));
        assert!(!policy.admits(&https("11.0.0.1")));
        assert!(!policy.admits(&https("db.internal")));
    }

    #[test]
    fn names_and_wildcards_open_nothing() {
        for entries in [&["db.internal"][..], &["*.internal"], &["*"]] {
            assert!(!policy(entries).opens(&https("db.internal"), ip("10.0.0.5")));
            assert!(!policy(entries).opens(&https("localhost"), ip("127.0.0.1")));
        }
    }

    #[test]
    fn a_network_opens_its_addresses_to_admitted_names_on_its_port() {
        let policy = policy(&["db.internal", "10.1.0.0/16:5432"]);
        let database = to(Scheme::Http, "db.internal", 5432);
        assert!(policy.opens(&database, ip("10.1.2.3")));
        assert!(policy.opens(&database, ip("::ffff:10.1.2.3")));
        assert!(!policy.opens(&database, ip("10.2.2.3")));
        assert!(!policy.opens(&to(Scheme::Http, "db.internal", 80), ip("10.1.2.3")));
    }

    #[test]
    fn localhost_opens_loopback_for_itself_only() {
        let policy = policy(&["localhost:9000", "rebound.test"]);
        let local = to(Scheme::Http, "localhost", 9000);
        assert!(policy.admits(&local));
        assert!(policy.opens(&local, ip("127.0.0.1")));
        assert!(policy.opens(&local, ip("::1")));
        assert!(!policy.opens(&local, ip("10.0.0.1")));
        assert!(!policy.opens(&to(Scheme::Http, "localhost", 22), ip("127.0.0.1")));
        assert!(!policy.admits(&to(Scheme::Http, "127.0.0.1", 9000)));
        assert!(!policy.opens(&to(Scheme::Http, "rebound.test", 9000), ip("127.0.0.1")));
    }

    #[test]
    fn policies_are_lists_of_texts() {
        let json = r#"["https://a.test","10.0.0.0/8"]"#;
        let policy: EgressPolicy = serde_json::from_str(json).unwrap();
        assert_eq!(policy.entries().len(), 2);
        assert_eq!(serde_json::to_string(&policy).unwrap(), json);
        let error = serde_json::from_str::<EgressPolicy>(r#"["a b"]"#).unwrap_err();
        assert!(error.to_string().contains("`a b`"), "{error}");
    }

    proptest! {
        #[test]
        fn no_name_entry_opens_an_address(name in "[a-z]{1,5}(\\.[a-z]{1,4}){1,2}", address: IpAddr) {
            let policy = policy(&[&name, "*", "*.a", "https://*"]);
            prop_assert!(!policy.opens(&https(&name), address));
        }
    }
}
