//! Routes that have something in common. All of it is done by the compiler.

use super::app::panic_with;
use super::template::same_text;
use super::{Route, Segment};

/// Routes with a common prefix, tags and middleware; [`router!`](crate::router!)
/// makes it, and [`app!`](crate::app!) takes it.
#[derive(Debug, Clone, Copy)]
pub struct Router {
    routes: &'static [Route],
}

impl Router {
    /// The macro's.
    #[doc(hidden)]
    #[must_use]
    pub const fn new(routes: &'static [Route]) -> Self {
        Router { routes }
    }

    /// The routes, with their whole paths.
    #[must_use]
    pub const fn routes(&self) -> &'static [Route] {
        self.routes
    }
}

/// Stops the compiler at a prefix that would not be one.
///
/// # Panics
/// If it is none; the message says what one is.
pub const fn assert_prefix(prefix: &str) {
    let bytes = prefix.as_bytes();
    let mut index = 0;
    let mut before = b'/';
    let mut is_prefix = bytes.is_empty() || bytes[0] == b'/';
    while index < bytes.len() {
        let byte = bytes[index];
        is_prefix &= match byte {
            b'/' => index == 0 || before != b'/',
            b'-' | b'.' | b'_' | b'~' => true,
            _ => byte.is_ascii_alphanumeric(),
        };
        before = byte;
        index += 1;
    }
    if !is_prefix || (before == b'/' && !bytes.is_empty()) {
        panic_with(&[
            "`",
            prefix,
            "` is no router's prefix: write one such as \"/items\", of letters, digits and \
             `-._~`, without `/` at its end; parameters stand in the routes' own paths",
        ]);
    }
}

/// Whether the route's own path adds nothing.
const fn is_bare(prefix: &str, path: &str) -> bool {
    !prefix.is_empty() && same_text(path, "/")
}

/// How many bytes the whole path has.
#[must_use]
pub const fn path_len(prefix: &str, path: &str) -> usize {
    if is_bare(prefix, path) {
        prefix.len()
    } else {
        prefix.len() + path.len()
    }
}

/// The whole path.
#[must_use]
pub const fn path<const N: usize>(prefix: &str, path: &str) -> [u8; N] {
    joined(
        0,
        prefix.as_bytes(),
        path.as_bytes().split_at(N - prefix.len()).0,
    )
}

/// What [`path`] made, as text.
///
/// # Panics
/// Never: it was put together of two texts.
#[must_use]
pub const fn text(path: &'static [u8]) -> &'static str {
    match str::from_utf8(path) {
        Ok(text) => text,
        Err(_) => panic!("two texts are one"),
    }
}

/// How many segments the whole path has.
#[must_use]
pub const fn segments_len(prefix: &str, route: &Route) -> usize {
    let bytes = prefix.as_bytes();
    let mut count = if is_bare(prefix, route.path) {
        0
    } else {
        route.segments.len()
    };
    let mut index = 0;
    while index < bytes.len() {
        count += (bytes[index] == b'/') as usize;
        index += 1;
    }
    count
}

/// The whole path, taken apart.
#[must_use]
pub const fn segments<const N: usize>(prefix: &'static str, route: &Route) -> [Segment; N] {
    let mut all = [Segment::Literal(""); N];
    let mut rest = prefix;
    let mut next = 0;
    while !rest.is_empty() {
        let after_slash = rest.split_at(1).1;
        let bytes = after_slash.as_bytes();
        let mut end = 0;
        while end < bytes.len() && bytes[end] != b'/' {
            end += 1;
        }
        let (segment, after) = after_slash.split_at(end);
        all[next] = Segment::Literal(segment);
        next += 1;
        rest = after;
    }
    let mut own = 0;
    while next < N {
        all[next] = route.segments[own];
        next += 1;
        own += 1;
    }
    all
}

/// Two lists in one. Nothing is left of `fill`: an array has to begin with some
/// value.
#[must_use]
pub const fn joined<T: Copy, const N: usize>(fill: T, first: &[T], second: &[T]) -> [T; N] {
    let mut all = [fill; N];
    let mut next = 0;
    while next < N {
        all[next] = if next < first.len() {
            first[next]
        } else {
            second[next - first.len()]
        };
        next += 1;
    }
    all
}

/// How many routes these lists have.
#[must_use]
pub const fn routes_len(lists: &[&[Route]]) -> usize {
    let mut count = 0;
    let mut list = 0;
    while list < lists.len() {
        count += lists[list].len();
        list += 1;
    }
    count
}

/// All routes of these lists.
#[must_use]
pub const fn routes<const N: usize>(lists: &[&[Route]]) -> [Route; N] {
    let mut all = [*any(lists); N];
    let mut next = 0;
    let mut list = 0;
    while list < lists.len() {
        let mut index = 0;
        while index < lists[list].len() {
            all[next] = lists[list][index];
            next += 1;
            index += 1;
        }
        list += 1;
    }
    all
}

const fn any<'r>(lists: &[&'r [Route]]) -> &'r Route {
    let mut list = 0;
    while list < lists.len() {
        if let [route, ..] = lists[list] {
            return route;
        }
        list += 1;
    }
    panic!("there is no route: list some in `routes` or in a router's")
}
