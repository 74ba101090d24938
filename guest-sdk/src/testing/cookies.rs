//! What a client keeps of `set-cookie`, as RFC 6265 has browsers do.

use std::time::{Duration, SystemTime};

/// A client's cookies. It talks to one host only, and as if by TLS, so
/// `Domain` and `Secure` make no difference.
#[derive(Debug, Default)]
pub(super) struct Jar(Vec<Kept>);

#[derive(Debug)]
struct Kept {
    name: String,
    value: String,
    path: String,
    /// On the client's clock.
    until: Option<Duration>,
}

impl Jar {
    /// Keeps a cookie for every path.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.0.retain(|kept| kept.name != name);
        self.keep(Kept {
            name: name.to_owned(),
            value: value.to_owned(),
            path: "/".to_owned(),
            until: None,
        });
    }

    /// Takes in a `set-cookie` field of the answer to a request to `path`.
    pub(super) fn take_in(&mut self, field: &str, path: &str, now: Duration) {
        let mut parts = field.split(';').map(str::trim);
        let pair = parts.next().and_then(|pair| pair.split_once('='));
        let Some((name, value)) = pair.filter(|(name, _)| !name.trim().is_empty()) else {
            return;
        };
        let mut kept = Kept {
            name: name.trim().to_owned(),
            value: value.trim().to_owned(),
            path: default_path(path).to_owned(),
            until: None,
        };
        let mut max_age = None;
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            match name.trim().to_ascii_lowercase().as_str() {
                "path" if value.starts_with('/') => kept.path = value.trim().to_owned(),
                "max-age" => max_age = value.trim().parse::<i64>().ok(),
                "expires" => {
                    kept.until = httpdate::parse_http_date(value.trim()).ok().map(|date| {
                        let left = date.duration_since(SystemTime::now()).unwrap_or_default();
                        now.saturating_add(left)
                    })
                }
                _ => {}
            }
        }
        if let Some(seconds) = max_age {
            let seconds = Duration::from_secs(seconds.try_into().unwrap_or(0));
            kept.until = Some(now.saturating_add(seconds));
        }
        self.keep(kept);
        self.0.retain(|kept| kept.is_alive(now));
    }

    fn keep(&mut self, new: Kept) {
        self.0
            .retain(|kept| (&kept.name, &kept.path) != (&new.name, &new.path));
        self.0.push(new);
    }

    /// The value of a cookie, whatever its path.
    pub(super) fn get(&self, name: &str, now: Duration) -> Option<&str> {
        let mut alive = self.0.iter().filter(|kept| kept.is_alive(now));
        alive
            .find(|kept| kept.name == name)
            .map(|kept| kept.value.as_str())
    }

    /// The pairs to send to `path`, those of the longest path first.
    pub(super) fn pairs_for(&self, path: &str, now: Duration) -> Vec<String> {
        let mut fit: Vec<&Kept> = self
            .0
            .iter()
            .filter(|kept| kept.is_alive(now) && is_below(&kept.path, path))
            .collect();
        fit.sort_by_key(|kept| std::cmp::Reverse(kept.path.len()));
        fit.iter()
            .map(|kept| format!("{}={}", kept.name, kept.value))
            .collect()
    }
}

impl Kept {
    fn is_alive(&self, now: Duration) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// RFC 6265, section 5.1.4: the request's path up to its last slash.
fn default_path(path: &str) -> &str {
    match path.rfind('/') {
        None | Some(0) => "/",
        Some(slash) => &path[..slash],
    }
}

fn is_below(folder: &str, path: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || folder.ends_with('/') || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    #[test]
    fn a_cookie_is_sent_below_its_path() {
        let mut jar = Jar::default();
        jar.take_in("a=1; Path=/", "/login", NOW);
        jar.take_in("b=2; Path=/admin; HttpOnly", "/login", NOW);
        jar.take_in("c=3", "/shop/cart", NOW);
        assert_eq!(jar.pairs_for("/", NOW), ["a=1"]);
        assert_eq!(jar.pairs_for("/admin/x", NOW), ["b=2", "a=1"]);
        assert_eq!(jar.pairs_for("/administrator", NOW), ["a=1"]);
        assert_eq!(jar.pairs_for("/shop/x", NOW), ["c=3", "a=1"]);
    }

    #[test]
    fn a_cookie_ends() {
        let mut jar = Jar::default();
        jar.take_in("a=1; Max-Age=10", "/", NOW);
        jar.take_in(
            "b=2; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=20",
            "/",
            NOW,
        );
        let later = NOW + Duration::from_secs(10);
        assert_eq!(jar.get("a", NOW), Some("1"));
        assert_eq!(jar.get("a", later), None);
        assert_eq!(jar.pairs_for("/", later), ["b=2"]);
        jar.take_in("b=; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "/", later);
        assert_eq!(jar.pairs_for("/", later), [""; 0]);
        jar.take_in("nonsense", "/", later);
        jar.take_in("=nameless", "/", later);
        assert_eq!(jar.pairs_for("/", later), [""; 0]);
    }
}
