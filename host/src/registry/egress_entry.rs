//! One entry of `[egress] allow`: its spelling.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};

use super::egress_policy::Scheme;
use crate::names::{HostName, text_schema};

/// One entry of `[egress] allow`; see [`EgressPolicy`](super::EgressPolicy) for what it means.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EgressEntry {
    pub(super) scheme: Option<Scheme>,
    pub(super) target: Target,
    /// Always set where a scheme is.
    pub(super) port: Option<u16>,
}

text_schema!(
    EgressEntry,
    "^([Hh][Tt][Tt][Pp][Ss]?://)?(\\*|(\\*\\.)?[A-Za-z0-9._-]+|[0-9A-Fa-f.:]+(/[0-9]+)?|\\[[0-9A-Fa-f.:]+(/[0-9]+)?\\])(:[0-9]+)?$",
    "`[SCHEME://]TARGET[:PORT]`. The target is a name (`api.example.com`), all names below one \
     (`*.example.com`), an address or a network (`10.0.0.0/8`), or `*` for any public host.",
    "https://api.example.com"
);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Target {
    Name(HostName),
    /// Names below this one.
    Below(HostName),
    /// One address is a network of one.
    Network(IpNet),
    Anywhere,
}

/// Why a text is not an entry of `[egress] allow`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{entry}` in `[egress] allow` {reason}; write `api.example.com`, `*.example.com`, `10.1.2.3`, \
     `[::1]`, `10.0.0.0/8` or `*` (any public host), with `https://` before or `:8080` after it \
     where it is to be narrower"
)]
pub struct EgressEntryError {
    entry: String,
    reason: String,
}

impl FromStr for EgressEntry {
    type Err = EgressEntryError;

    fn from_str(text: &str) -> Result<Self, EgressEntryError> {
        parse_entry(text).map_err(|reason| EgressEntryError {
            entry: text.to_owned(),
            reason,
        })
    }
}

fn parse_entry(text: &str) -> Result<EgressEntry, String> {
    let (scheme, rest) = match text.split_once("://") {
        None => (None, text),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (Some(Scheme::Https), rest),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (Some(Scheme::Http), rest),
        Some((scheme, _)) => return Err(format!("has the unknown scheme `{scheme}`")),
    };
    let (target, port) = split_port(rest)?;
    let port = match port {
        None => scheme.map(Scheme::default_port),
        Some(port) => match port.parse() {
            // `parse` alone would take `+80`, a second spelling.
            Ok(number) if number > 0 && !port.starts_with('+') => Some(number),
            _ => return Err(format!("has the port `{port}`, which is not in 1 to 65535")),
        },
    };
    Ok(EgressEntry {
        scheme,
        target: parse_target(target)?,
        port,
    })
}

/// Splits a port off, minding that IPv6 has colons of its own.
fn split_port(text: &str) -> Result<(&str, Option<&str>), String> {
    if let Some(bracketed) = text.strip_prefix('[') {
        let (address, after) = bracketed.split_once(']').ok_or("has `[` without `]`")?;
        if !address.contains(':') {
            return Err("has brackets around something other than IPv6".to_owned());
        }
        return match after.strip_prefix(':') {
            Some(port) => Ok((address, Some(port))),
            None if after.is_empty() => Ok((address, None)),
            None => Err(format!("has `{after}` after `]`")),
        };
    }
    match text.split_once(':') {
        Some((_, rest)) if rest.contains(':') => Ok((text, None)),
        Some((target, port)) => Ok((target, Some(port))),
        None => Ok((text, None)),
    }
}

fn parse_target(text: &str) -> Result<Target, String> {
    if text == "*" {
        return Ok(Target::Anywhere);
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(Target::Network(address.to_canonical().into()));
    }
    if let Ok(network) = text.parse::<IpNet>() {
        if network.addr() != network.network() {
            let meant = network.trunc();
            return Err(format!(
                "has address bits beyond its prefix: did you mean `{meant}`?"
            ));
        }
        return Ok(Target::Network(canonical(network)));
    }
    if text.contains('/') {
        return Err("has a path, or a network that is none".to_owned());
    }
    let name = |text: &str| {
        text.parse::<HostName>()
            .map_err(|e| format!("is not a host name: {}", e.reason()))
    };
    match text.strip_prefix("*.") {
        Some(parent) => Ok(Target::Below(name(parent)?)),
        None => Ok(Target::Name(name(text)?)),
    }
}

/// IPv4-mapped networks as the IPv4 networks they are, since addresses are
/// compared in that form.
fn canonical(network: IpNet) -> IpNet {
    match network {
        IpNet::V6(v6) if v6.prefix_len() >= 96 => v6
            .network()
            .to_ipv4_mapped()
            .and_then(|v4| Ipv4Net::new(v4, v6.prefix_len() - 96).ok())
            .map_or(network, IpNet::V4),
        _ => network,
    }
}

impl fmt::Display for EgressEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(scheme) = self.scheme {
            write!(f, "{}://", scheme.as_str())?;
        }
        match &self.target {
            Target::Anywhere => f.write_str("*")?,
            Target::Name(name) => name.fmt(f)?,
            Target::Below(parent) => write!(f, "*.{parent}")?,
            Target::Network(IpNet::V4(v4)) if v4.prefix_len() == 32 => v4.addr().fmt(f)?,
            Target::Network(IpNet::V4(v4)) => v4.fmt(f)?,
            Target::Network(IpNet::V6(v6)) if v6.prefix_len() == 128 => {
                write!(f, "[{}]", v6.addr())?
            }
            Target::Network(IpNet::V6(v6)) => write!(f, "[{v6}]")?,
        }
        match self.port {
            Some(port) if self.scheme.map(Scheme::default_port) != Some(port) => {
                write!(f, ":{port}")
            }
            _ => Ok(()),
        }
    }
}

impl TryFrom<String> for EgressEntry {
    type Error = EgressEntryError;

    fn try_from(text: String) -> Result<Self, EgressEntryError> {
        text.parse()
    }
}

impl From<EgressEntry> for String {
    fn from(entry: EgressEntry) -> String {
        entry.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn entries_are_shown_in_one_form() {
        for (text, shown) in [
            ("API.Example.com", "api.example.com"),
            ("https://a.test:443", "https://a.test"),
            ("http://a.test:443", "http://a.test:443"),
            ("*.a.test:80", "*.a.test:80"),
            ("::1", "[::1]"),
            ("fd00::/8", "[fd00::/8]"),
            ("[fd00::/8]:443", "[fd00::/8]:443"),
            ("::ffff:10.0.0.1", "10.0.0.1"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("10.0.0.0/8:5432", "10.0.0.0/8:5432"),
            ("*", "*"),
            ("HTTPS://*", "https://*"),
        ] {
            assert_eq!(text.parse::<EgressEntry>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn errors_name_the_entry_and_the_forms() {
        for bad in [
            "",
            "ftp://a.test",
            "https://",
            "a.test/path",
            "https://a.test/",
            "a.test:",
            "a.test:0",
            "a.test:65536",
            "a.test:+80",
            "user@a.test",
            "[::1",
            "[::1]x",
            "[a.test]x",
            "*.",
            "**",
            "a.*",
            "10.0.0.0/33",
            "10.0.0.1/8",
            "127.1",
            "bücher.test",
            " a.test",
            "fe80::1%eth0",
        ] {
            let error = bad.parse::<EgressEntry>().unwrap_err().to_string();
            assert!(error.contains(&format!("`{bad}`")), "{error}");
            assert!(error.contains("`*.example.com`"), "{error}");
        }
        let error = "10.0.0.1/8".parse::<EgressEntry>().unwrap_err().to_string();
        assert!(error.contains("did you mean `10.0.0.0/8`"), "{error}");
    }

    fn entry() -> impl Strategy<Value = String> {
        let target = prop_oneof![
            Just("*".to_owned()),
            "[a-z][a-z0-9]{0,5}(\\.[a-z]{1,4}){0,3}",
            "\\*\\.[a-z]{1,5}\\.[a-z]{1,4}",
            any::<std::net::Ipv4Addr>().prop_map(|a| a.to_string()),
            any::<std::net::Ipv6Addr>().prop_map(|a| format!("[{a}]")),
            (any::<IpAddr>(), 0u8..=32).prop_map(|(address, prefix)| {
                let network = IpNet::new(address, prefix).unwrap().trunc();
                format!(
                    "{}{network}{}",
                    if address.is_ipv6() { "[" } else { "" },
                    if address.is_ipv6() { "]" } else { "" }
                )
            }),
        ];
        ("(https?://)?", target, "(:[1-9][0-9]{0,3})?").prop_map(|(s, t, p)| format!("{s}{t}{p}"))
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "\\PC{0,40}") {
            let _ = text.parse::<EgressEntry>();
        }

        #[test]
        fn near_entries_never_panic(text in "[a-z0-9.:/*@%\\[\\]-]{0,24}") {
            if let Ok(entry) = text.parse::<EgressEntry>() {
                prop_assert_eq!(entry.to_string().parse::<EgressEntry>(), Ok(entry));
            }
        }

        #[test]
        fn entries_round_trip(text in entry()) {
            let entry = text.parse::<EgressEntry>().unwrap();
            prop_assert_eq!(entry.to_string().parse::<EgressEntry>(), Ok(entry));
        }
    }
}
