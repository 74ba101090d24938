//! What a test puts in place of the world.

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use futures::future::LocalBoxFuture;

use crate::dependency::Dependency;
use crate::extensions::Extensions;
use crate::extract::Rejection;
use crate::fetch::FetchError;
use crate::request::{Parts, Request};
use crate::respond::IntoResponse;
use crate::response::Response;

/// What a fake of the network may answer: whatever a handler may, or a
/// `Result` of that and a [`FetchError`], to try what becomes of failures.
pub trait FakeAnswer {
    /// What [`fetch`](crate::fetch) gets.
    ///
    /// # Errors
    /// As `fetch` is to fail.
    fn into_answer(self) -> Result<Response, FetchError>;
}

impl<T: IntoResponse> FakeAnswer for T {
    fn into_answer(self) -> Result<Response, FetchError> {
        Ok(self.into_response())
    }
}

impl<T: IntoResponse> FakeAnswer for Result<T, FetchError> {
    fn into_answer(self) -> Result<Response, FetchError> {
        self.map(IntoResponse::into_response)
    }
}

type Fetch = Rc<dyn Fn(Request) -> LocalBoxFuture<'static, Result<Response, FetchError>>>;

/// What stands in for `T::provide`; held in an `Rc` of its own, as `dyn Any`.
type Provider<T> = Rc<dyn for<'p> Fn(&'p mut Parts) -> LocalBoxFuture<'p, Result<T, Rejection>>>;

/// The fakes of one client.
#[derive(Default)]
pub(crate) struct World {
    /// By the prefix of the URLs for which they stand.
    fetches: RefCell<Vec<(String, Fetch)>>,
    /// A [`Provider`] of each type.
    providers: RefCell<HashMap<TypeId, Box<dyn Any>>>,
    vars: RefCell<HashMap<String, String>>,
    /// What the app keeps between requests.
    pub(crate) states: RefCell<Extensions>,
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<World>>> = const { RefCell::new(None) };
    static SPAWNED: RefCell<Vec<LocalBoxFuture<'static, ()>>> = const { RefCell::new(Vec::new()) };
}

impl World {
    /// The fakes in force on this thread.
    pub(crate) fn current() -> Option<Rc<World>> {
        CURRENT.with_borrow(Clone::clone)
    }

    /// Calls `work` with these fakes in force.
    pub(super) fn within<T>(self: &Rc<Self>, work: impl FnOnce() -> T) -> T {
        struct Restore(Option<Rc<World>>);
        impl Drop for Restore {
            fn drop(&mut self) {
                CURRENT.set(self.0.take());
            }
        }
        let _restore = Restore(CURRENT.replace(Some(Rc::clone(self))));
        work()
    }

    pub(super) fn is_untouched(&self) -> bool {
        self.fetches.borrow().is_empty()
            && self.providers.borrow().is_empty()
            && self.vars.borrow().is_empty()
    }

    pub(super) fn set_var(&self, name: &str, value: &str) {
        self.vars.borrow_mut().insert(name.into(), value.into());
    }

    pub(super) fn provide_with<T, R, F>(&self, provider: F)
    where
        T: Dependency,
        R: Into<Rejection>,
        F: AsyncFn(&mut Parts) -> Result<T, R> + 'static,
    {
        let provider = Rc::new(provider);
        let provider: Provider<T> = Rc::new(move |parts| {
            let provider = Rc::clone(&provider);
            Box::pin(async move { provider(parts).await.map_err(Into::into) })
        });
        let mut providers = self.providers.borrow_mut();
        providers.insert(TypeId::of::<T>(), Box::new(provider));
    }

    pub(super) fn on_fetch<F, A>(&self, prefix: String, fake: F)
    where
        F: Fn(Request) -> A + 'static,
        A: Future<Output: FakeAnswer> + 'static,
    {
        let fake: Fetch = Rc::new(move |request| {
            let answer = fake(request);
            Box::pin(async { answer.await.into_answer() })
        });
        let mut fetches = self.fetches.borrow_mut();
        fetches.retain(|(other, _)| *other != prefix);
        fetches.push((prefix, fake));
    }

    /// The fake with the longest prefix that fits.
    fn fake_for(&self, url: &str) -> Option<Fetch> {
        let fetches = self.fetches.borrow();
        let fits = fetches.iter().filter(|(prefix, _)| url.starts_with(prefix));
        let (_, fake) = fits.max_by_key(|(prefix, _)| prefix.len())?;
        Some(Rc::clone(fake))
    }
}

/// Answers an outgoing request.
pub(crate) async fn fetch(request: Request) -> Result<Response, FetchError> {
    let fake = World::current().and_then(|world| world.fake_for(request.target()));
    match fake {
        Some(fake) => fake(request).await,
        None => Err(FetchError::NoHost(request.target().to_owned())),
    }
}

/// A variable that a test sets.
pub(crate) fn var(name: &str) -> Option<String> {
    World::current()?.vars.borrow().get(name).cloned()
}

/// The value of a dependency that a test provides.
pub(crate) async fn provided<T: Dependency>(parts: &mut Parts) -> Option<Result<T, Rejection>> {
    let world = World::current()?;
    let provider = {
        let providers = world.providers.borrow();
        let provider = providers.get(&TypeId::of::<T>())?;
        provider.downcast_ref::<Provider<T>>().map(Rc::clone)?
    };
    Some(provider(parts).await)
}

pub(crate) fn spawn(work: LocalBoxFuture<'static, ()>) {
    SPAWNED.with_borrow_mut(|spawned| spawned.push(work));
}

pub(super) fn take_spawned() -> Vec<LocalBoxFuture<'static, ()>> {
    SPAWNED.take()
}

pub(super) fn nothing_spawned() -> bool {
    SPAWNED.with_borrow(Vec::is_empty)
}
