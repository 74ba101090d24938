//! The classic tutorial: one endpoint that waits, and one that cannot.
//!
//! The keyword chooses where the host runs a handler:
//!
//! - An `async fn` runs on the async lane. While it waits at an `.await`, the
//!   same instance serves other requests, thousands of them.
//! - A plain `fn` runs on the blocking lane, where it has a thread for as long
//!   as it runs. It may compute; it has nothing to `.await` with.
//!
//! # Notes: how does a plain `fn` call something async?
//!
//! It does not. Waiting needs someone to wait for it, and that is the host,
//! which only an `async fn` can hand its wait to. So:
//!
//! - If the handler has something to wait for, make it an `async fn`: one word,
//!   and the calls inside stay as they are.
//! - If it also computes for more than some milliseconds, split it: let an
//!   `async fn` fetch what is needed, and let a plain `fn` behind a route of
//!   its own do the computing.
//!
//! Helpers may be either: an `async fn` handler calls plain functions freely.

use std::time::Duration;

use dunlin::prelude::*;

/// What both endpoints answer.
#[model]
#[derive(PartialEq)]
struct Message {
    message: &'static str,
}

/// Stands for a database or another service that takes two seconds to answer.
async fn slow_call() -> &'static str {
    dunlin::sleep(Duration::from_secs(2)).await;
    "Data from slow call"
}

/// Waits for slow data.
///
/// A hundred callers at once are answered after two seconds, all of them: each
/// waits at the `.await`, and none holds a thread.
#[get("/async-data")]
async fn async_data() -> Json<Message> {
    let message = slow_call().await;
    Json(Message { message })
}

/// Answers without waiting.
///
/// `slow_call().await` would not compile here, because this is no `async fn`;
/// the notes at the top of the file say what to do instead.
#[get("/sync-but-can-call-async")]
fn sync_but_can_call_async() -> Json<Message> {
    Json(Message {
        message: "Sync endpoint placeholder for calling async (see notes)",
    })
}

dunlin::app![async_data, sync_but_can_call_async];

#[cfg(test)]
mod tests {
    use super::*;
    use dunlin::testing::{TestClient, block_on};
    use dunlin::time::Instant;

    #[test]
    fn the_sync_endpoint_is_called_like_any_function() {
        let Json(answer) = sync_but_can_call_async();
        assert_eq!(
            answer.message,
            "Sync endpoint placeholder for calling async (see notes)"
        );
    }

    #[test]
    fn the_async_endpoint_waits_for_its_data() {
        let client = TestClient::native(app());
        let answer = client.get("/async-data").send();
        assert_eq!(answer.text(), r#"{"message":"Data from slow call"}"#);
        // Two seconds on the virtual clock: the test takes none.
        assert_eq!(client.elapsed(), Duration::from_secs(2));
    }

    #[test]
    fn callers_of_the_async_endpoint_wait_side_by_side() {
        let took = block_on(async {
            let start = Instant::now();
            dunlin::join_all((0..100).map(|_| async_data())).await;
            start.elapsed()
        });
        assert_eq!(took, Duration::from_secs(2));
    }
}
