//! What the requests of one instance share.

use std::cell::RefCell;
use std::convert::Infallible;
use std::fmt;
use std::ops::Deref;
use std::rc::Rc;

use crate::extensions::Extensions;
use crate::extract::FromRequestParts;
use crate::request::Parts;

/// A value that the requests of one instance share; it derefs to a `T`.
///
/// ```
/// use dunlin::prelude::*;
/// use std::cell::Cell;
///
/// #[derive(Default)]
/// struct Hits {
///     count: Cell<u64>,
/// }
///
/// #[get("/")]
/// async fn hits(hits: State<Hits>) -> String {
///     hits.count.set(hits.count.get() + 1);
///     hits.count.get().to_string()
/// }
///
/// dunlin::app![hits];
/// # fn main() {
/// # let client = dunlin::testing::TestClient::new(app());
/// # for n in 1..3 { assert_eq!(client.get("/").send().text(), n.to_string()); }
/// # }
/// ```
///
/// - The first who asks has it made, by `T::default()`. It goes with the
///   instance.
/// - **It is a cache, not a store.** There may be many instances at once, on
///   one host and on several, each with a value of its own. One goes when
///   nobody used it for 30 seconds, when a new version is deployed, when a
///   request in it crashes, and, with `isolation = "fresh"`, after each
///   request. Plain `fn` handlers run in other instances than `async fn`s.
/// - An instance has one thread: `Cell` and `RefCell` do, and no lock is
///   needed. But other requests run at every `.await`, so do not hold a
///   `borrow_mut()` across one: the next borrow would panic, and with it the
///   instance. [`futures::lock::Mutex`](https://docs.rs/futures/latest/futures/lock/struct.Mutex.html)
///   waits instead.
/// - In tests, each `TestClient` is an instance.
///
/// Elsewhere than in an argument: [`State::get`]. A `static` or a
/// `thread_local!` lives as long.
pub struct State<T>(pub Rc<T>);

impl<T: Default + 'static> State<T> {
    /// The instance's value; made now, if nobody asked before.
    #[must_use]
    pub fn get() -> Self {
        with_states(|states| {
            if let Some(known) = states.borrow().get::<T>() {
                return State(known);
            }
            // Nothing is borrowed meanwhile: it may ask for other states.
            let value = T::default();
            State(states.borrow_mut().insert(value))
        })
    }
}

fn with_states<R>(work: impl FnOnce(&RefCell<Extensions>) -> R) -> R {
    thread_local! {
        static STATES: RefCell<Extensions> = RefCell::default();
    }
    #[cfg(not(target_arch = "wasm32"))]
    if let Some(world) = crate::testing::World::current() {
        return work(&world.states);
    }
    STATES.with(work)
}

impl<T> Deref for State<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Clone for State<T> {
    fn clone(&self) -> Self {
        State(Rc::clone(&self.0))
    }
}

impl<T: fmt::Debug> fmt::Debug for State<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: Default + 'static> FromRequestParts for State<T> {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts) -> Result<Self, Infallible> {
        Ok(State::get())
    }
}
