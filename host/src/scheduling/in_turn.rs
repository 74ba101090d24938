//! A future that is polled in turns.

use super::turns::{Ticket, Turns};
use crate::names::FunctionName;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

/// A future that is polled in turns: see [`Turns::share`].
#[derive(Debug)]
pub struct InTurn<F, C> {
    pub(super) turns: Turns,
    pub(super) function: FunctionName,
    pub(super) inner: F,
    /// Whether it was interrupted, as opposed to waiting for something.
    pub(super) computing: C,
    /// The turn that was asked for; kept while it lasts.
    pub(super) ticket: Option<Arc<Ticket>>,
}

impl<F, C> Future for InTurn<F, C>
where
    F: Future<Output = ()> + Unpin,
    C: Fn() -> bool + Unpin,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let ticket = this
            .ticket
            .get_or_insert_with(|| this.turns.enter(&this.function, cx));
        if !ticket.is_granted(cx) {
            return Poll::Pending;
        }
        let began = Instant::now();
        let result = Pin::new(&mut this.inner).poll(cx);
        let again = (result.is_pending() && (this.computing)()).then_some(&*cx);
        this.ticket = this.turns.leave(&this.function, began.elapsed(), again);
        result
    }
}

impl<F, C> Drop for InTurn<F, C> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.turns.give_back(&self.function, &ticket);
        }
    }
}
