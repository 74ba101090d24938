//! Where an instance is driven: by a task of the async lane or, from the start
//! or after a promotion, in turns on the blocking lane.

use super::advice;
use super::line::InLine;
use super::status::Status;
use crate::capabilities::Grants;
use crate::names::FunctionName;
use crate::routing::Route;
use crate::scheduling::{Counted, Turns};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::runtime::Handle;

/// All that an instance does, to its end.
pub(super) type Driving = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The blocking lane, as an instance gets there.
#[derive(Clone, Debug)]
pub(super) struct Blocking {
    pub(super) runtime: Handle,
    pub(super) turns: Turns,
}

impl Blocking {
    /// Drives an instance here from now on.
    pub(super) fn spawn(&self, function: FunctionName, driving: Driving, status: Arc<Status>) {
        let is_computing = move || status.pace.is_computing();
        self.runtime
            .spawn(self.turns.share(function, driving, is_computing));
    }
}

/// Drives an instance on the async lane until its pace says that it belongs on
/// the blocking lane: then it goes on there, with the guest suspended inside.
pub(super) struct Promotable {
    /// None: it was moved.
    pub(super) driving: Option<Driving>,
    /// Where it stands among those that compute here; None: it does not compute.
    pub(super) in_line: Option<InLine>,
    pub(super) status: Arc<Status>,
    /// One of the function's, whichever: it counts for all of them.
    pub(super) route: Route,
    pub(super) grants: Arc<Grants>,
    pub(super) blocking: Blocking,
}

impl Promotable {
    /// Goes on, on the blocking lane. Work that nobody waits for counts as an
    /// invocation while it computes: else a function could have any number of
    /// it, answering at once.
    fn go_on(&self, driving: Driving) {
        let spawn = |driving| {
            let function = self.route.function().clone();
            self.blocking.spawn(function, driving, self.status.clone());
        };
        if !self.status.is_left_behind() {
            spawn(driving);
        } else if let Some(counted) = Counted::invocation_of(&self.route) {
            spawn(Box::pin(async move {
                driving.await;
                drop(counted);
            }));
        } else {
            advice::no_room_for_left(&self.grants);
        }
    }
}

impl Future for Promotable {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let Some(driving) = &mut this.driving else {
            return Poll::Ready(());
        };
        if let Some(place) = &mut this.in_line
            && !place.is_next(cx)
        {
            return Poll::Pending;
        }
        if driving.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        if !this.status.pace.take_promotion() {
            if this.status.pace.is_computing() {
                this.in_line.get_or_insert_with(InLine::join).had_turn();
            } else {
                this.in_line = None;
            }
            return Poll::Pending;
        }
        // Those who came along finish there; new ones get another instance.
        self.status.retire();
        if let Some(driving) = self.driving.take() {
            self.go_on(driving);
        }
        Poll::Ready(())
    }
}
