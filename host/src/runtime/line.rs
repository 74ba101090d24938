//! Guests that compute on an event loop do so one after another: between two of
//! their slices comes all else that is ready.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::task::{Context, Waker};

thread_local! {
    /// Of the event loop that this thread drives.
    static LINE: RefCell<Line> = RefCell::default();
}

#[derive(Default)]
struct Line {
    last: u64,
    /// By number, who was interrupted in the middle of computing. The first may
    /// go on; the others are woken when they are first.
    places: VecDeque<(u64, Option<Waker>)>,
}

impl Line {
    fn first(&self) -> Option<u64> {
        self.places.front().map(|(number, _)| *number)
    }

    fn wake_first(&mut self) -> Option<Waker> {
        self.places.front_mut()?.1.take()
    }
}

/// A place in the line, until it is dropped.
pub(super) struct InLine {
    number: u64,
    /// It was first and has computed: it is somebody else's turn.
    had_turn: bool,
}

impl InLine {
    /// The last place, for a guest that was just interrupted.
    pub(super) fn join() -> Self {
        LINE.with_borrow_mut(|line| {
            line.last += 1;
            line.places.push_back((line.last, None));
            Self {
                number: line.last,
                had_turn: false,
            }
        })
    }

    /// It has computed for another slice.
    pub(super) fn had_turn(&mut self) {
        self.had_turn = true;
    }

    /// Whether it may compute now; if not, the task of `cx` is woken when it may.
    ///
    /// Asked by whoever was woken after the event loop has looked at its timers
    /// and sockets, as tokio's `yield_now` does: what they woke comes first.
    pub(super) fn is_next(&mut self, cx: &Context<'_>) -> bool {
        let had_turn = std::mem::take(&mut self.had_turn);
        let (is_next, next, _old) = LINE.with_borrow_mut(|line| {
            let mut next = None;
            if had_turn && line.first() == Some(self.number) {
                line.places.rotate_left(1);
                next = line.wake_first();
            }
            if line.first() == Some(self.number) {
                return (true, next, None);
            }
            let mut places = line.places.iter_mut();
            let own = places.find(|(number, _)| *number == self.number);
            let old = own.and_then(|(_, waker)| waker.replace(cx.waker().clone()));
            (false, next, old)
        });
        // Outside: it may run anything.
        if let Some(next) = next {
            next.wake();
        }
        is_next
    }
}

impl Drop for InLine {
    fn drop(&mut self) {
        let (next, _own) = LINE.with_borrow_mut(|line| {
            let was_first = line.first() == Some(self.number);
            let mut places = line.places.iter();
            let at = places.position(|(number, _)| *number == self.number);
            let own = at.and_then(|at| line.places.remove(at));
            (was_first.then(|| line.wake_first()).flatten(), own)
        });
        if let Some(next) = next {
            next.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::rc::Rc;
    use std::task::Poll;
    use tokio::task::{LocalSet, spawn_local, yield_now};

    /// Computes for `slices`, as a guest that is interrupted after each.
    async fn compute(slices: usize, computed: Rc<Cell<usize>>) {
        let mut in_line: Option<InLine> = None;
        for _ in 0..slices {
            poll_fn(|cx| {
                let is_next = in_line.as_mut().is_none_or(|place| place.is_next(cx));
                if is_next {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
            .await;
            computed.set(computed.get() + 1);
            in_line.get_or_insert_with(InLine::join).had_turn();
            yield_now().await;
        }
    }

    #[tokio::test]
    async fn who_is_ready_waits_for_one_slice_only() {
        let local = LocalSet::new();
        local
            .run_until(async {
                let computed = Rc::new(Cell::new(0));
                let hogs: Vec<_> = (0..8)
                    .map(|_| spawn_local(compute(100, computed.clone())))
                    .collect();
                // Each has computed once before it stands in line.
                yield_now().await;
                let mut most = 0;
                while computed.get() < 700 {
                    let before = computed.get();
                    yield_now().await;
                    most = most.max(computed.get() - before);
                }
                assert_eq!(most, 1);
                for hog in hogs {
                    hog.await.unwrap();
                }
                assert_eq!(computed.get(), 800);
            })
            .await;
    }

    #[tokio::test]
    async fn who_leaves_lets_the_next_one_go_on() {
        let local = LocalSet::new();
        local
            .run_until(async {
                let computed = Rc::new(Cell::new(0));
                let hogs: Vec<_> = (0..4)
                    .map(|_| spawn_local(compute(usize::MAX, computed.clone())))
                    .collect();
                let last = spawn_local(compute(10, Rc::default()));
                yield_now().await;
                for hog in hogs {
                    hog.abort();
                }
                last.await.unwrap();
            })
            .await;
    }
}
