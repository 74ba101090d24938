//! Cookies set.

use std::time::Duration;

use cookie::{Cookie, SameSite};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::IntoHeaders;
use crate::headers::Headers;

/// A cookie to set, beside an answer.
///
/// ```
/// # use dunlin::prelude::*;
/// #[post("/login")]
/// async fn login() -> (SetCookie, &'static str) {
///     (SetCookie::new("session", "s3cret").secure(), "welcome")
/// }
///
/// #[post("/logout")]
/// async fn logout() -> (SetCookie, Redirect) {
///     (SetCookie::remove("session"), Redirect::see_other("."))
/// }
/// ```
///
/// Unless told otherwise it is for the whole host (`Path=/`), is hidden from
/// scripts (`HttpOnly`), is not sent along with other sites' forms
/// (`SameSite=Lax`), and ends with the browser. What a cookie may not hold, such
/// as `;` and letters beyond ASCII, is sent as `%3B`, and comes back so; a token
/// in base64 comes back as it is. Several cookies go in an array.
#[derive(Debug, Clone, PartialEq)]
pub struct SetCookie(Cookie<'static>);

impl SetCookie {
    /// A cookie with this name and this value.
    #[must_use]
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        let cookie = Cookie::build((held(&name.into()), held(&value.into())))
            .path("/")
            .http_only(true)
            .same_site(SameSite::Lax);
        SetCookie(cookie.build())
    }

    /// Removes the cookie of this name. One that was set with another path or
    /// domain needs the same here.
    #[must_use]
    pub fn remove(name: impl Into<String>) -> Self {
        let mut removal = SetCookie::new(name, "");
        removal.0.make_removal();
        removal
    }

    /// It is kept for this long, in whole seconds.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        let seconds = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
        self.0.set_max_age(cookie::time::Duration::seconds(seconds));
        self
    }

    /// It is sent over HTTPS only.
    #[must_use]
    pub fn secure(mut self) -> Self {
        self.0.set_secure(true);
        self
    }

    /// Scripts of the page may read it.
    #[must_use]
    pub fn readable_by_scripts(mut self) -> Self {
        self.0.set_http_only(false);
        self
    }

    /// It is sent only below this path.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.0.set_path(path.into());
        self
    }

    /// It is sent to this domain and those below it, not to this host alone.
    #[must_use]
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.0.set_domain(domain.into());
        self
    }

    /// It is sent only with requests that come from the site's own pages
    /// (`SameSite=Strict`).
    #[must_use]
    pub fn same_site_only(mut self) -> Self {
        self.0.set_same_site(SameSite::Strict);
        self
    }
}

/// All but the octets that RFC 6265 lets a cookie's value hold.
const NEITHER: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b',').add(b';').add(b'\\');

fn held(text: &str) -> String {
    utf8_percent_encode(text, NEITHER).to_string()
}

/// For what the methods here do not say.
impl From<Cookie<'static>> for SetCookie {
    fn from(cookie: Cookie<'static>) -> Self {
        SetCookie(cookie)
    }
}

/// It is added to the other cookies, never put in their place.
impl IntoHeaders for SetCookie {
    fn add_to(self, headers: &mut Headers) {
        headers.append("set-cookie", self.0.to_string());
    }
}

impl<const COUNT: usize> IntoHeaders for [SetCookie; COUNT] {
    fn add_to(self, headers: &mut Headers) {
        for cookie in self {
            cookie.add_to(headers);
        }
    }
}

impl IntoHeaders for Vec<SetCookie> {
    fn add_to(self, headers: &mut Headers) {
        for cookie in self {
            cookie.add_to(headers);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::respond::IntoResponse as _;

    fn sent(cookie: SetCookie) -> String {
        let response = (cookie, "").into_response();
        let text = response.headers().get("set-cookie");
        text.expect("is set").to_owned()
    }

    #[test]
    fn what_is_set() {
        assert_eq!(
            sent(SetCookie::new("a", "b+/=")),
            "a=b+/=; HttpOnly; SameSite=Lax; Path=/"
        );
        let cookie = SetCookie::new("a", "b")
            .max_age(Duration::from_secs(60))
            .secure()
            .readable_by_scripts()
            .path("/shop")
            .domain("example.com")
            .same_site_only();
        assert_eq!(
            sent(cookie),
            "a=b; SameSite=Strict; Secure; Path=/shop; Domain=example.com; Max-Age=60"
        );
    }

    #[test]
    fn a_removal_is_over_already() {
        let removal = sent(SetCookie::remove("a"));
        assert!(removal.starts_with("a=; "), "{removal}");
        assert!(
            removal.contains("; Path=/; Max-Age=0; Expires="),
            "{removal}"
        );
    }

    #[test]
    fn a_value_cannot_add_attributes() {
        let cookie = sent(SetCookie::new("a", "b; Domain=evil\r\nx: y"));
        assert!(
            cookie.starts_with("a=b%3B%20Domain=evil%0D%0Ax:%20y; "),
            "{cookie}"
        );
        assert!(!cookie.contains('\r'), "{cookie}");
    }

    #[test]
    fn several_are_all_sent() {
        let two = [SetCookie::new("a", "1"), SetCookie::new("b", "2")];
        let response = (SetCookie::new("c", "3"), (two, "")).into_response();
        assert_eq!(response.headers().get_all("set-cookie").count(), 3);
    }
}
