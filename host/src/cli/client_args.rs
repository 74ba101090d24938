//! Which host a command talks to, and what it shows it.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;

use super::args::DATA_DIR;

/// Which host to talk to.
#[derive(Debug, Args)]
pub(crate) struct ClientArgs {
    /// Admin address of the host
    #[arg(
        long,
        value_name = "URL",
        env = "DUNLIN_HOST",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8081",
        value_parser = HostUrl::parse
    )]
    pub(crate) host: HostUrl,

    /// Token to show to the host [default: the first token, from the data folder]
    #[arg(long, env = "DUNLIN_TOKEN", hide_env_values = true, value_parser = Token::parse)]
    pub(crate) token: Option<Token>,

    /// Data folder of a host on this machine, where its first token lies
    #[arg(long, value_name = "DIR", default_value = DATA_DIR)]
    pub(crate) data_dir: PathBuf,
}

/// `http` or `https`, and an authority; no path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostUrl(String);

impl HostUrl {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let refuse = || "expected a URL such as http://127.0.0.1:8081".to_owned();
        let url: http::Uri = text.parse().map_err(|_| refuse())?;
        let scheme = url.scheme_str().unwrap_or_default();
        let (true, Some(authority), "/", None) = (
            matches!(scheme, "http" | "https"),
            url.authority(),
            url.path(),
            url.query(),
        ) else {
            return Err(refuse());
        };
        Ok(Self(format!("{scheme}://{authority}")))
    }

    /// The host's name or address, without a port.
    pub(super) fn host(&self) -> String {
        let url: http::Uri = self.0.parse().expect("was parsed before");
        url.host().unwrap_or_default().to_owned()
    }

    /// Whether the host is on this machine. Only such a one may be shown the
    /// first token of the data folder unasked.
    pub(crate) fn is_local(&self) -> bool {
        let host = self.host();
        let address = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || address.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    }

    pub(crate) fn is_https(&self) -> bool {
        self.0.starts_with("https:")
    }

    /// The URL of `path`, which starts with a slash.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

impl fmt::Display for HostUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A bearer token. Never printed, not even by `{:?}`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token(String);

impl Token {
    /// # Errors
    /// When the text cannot be sent in a header.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("expected printable characters without spaces".to_owned());
        }
        Ok(Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_local() {
        let is_local = |url: &str| HostUrl::parse(url).expect("is valid").is_local();
        for url in [
            "http://localhost:1",
            "http://127.0.0.1:8081",
            "https://[::1]:1",
        ] {
            assert!(is_local(url), "{url}");
        }
        for url in [
            "http://10.0.0.1:1",
            "http://localhost.evil.com",
            "http://127.0.0.1@evil",
        ] {
            assert!(!is_local(url), "{url}");
        }
    }
}
