//! The same app, natively, in `cargo test`: no host, no network, no waiting.
//!
//! ```
//! use dunlin::prelude::*;
//! use dunlin::testing::TestClient;
//! use std::time::Duration;
//!
//! #[get("/slow/{name}")]
//! async fn slow(Path(name): Path<String>) -> Result<String, Error> {
//!     dunlin::sleep(Duration::from_secs(2)).await;
//!     let answer = dunlin::fetch::get(format!("https://api.example.com/{name}")).send().await?;
//!     Ok(answer.text().await?)
//! }
//!
//! dunlin::app![slow];
//!
//! # fn main() {
//! let client = TestClient::new(app());
//! client.on_fetch(|request: Request| async move { format!("from {}", request.target()) });
//!
//! let answer = client.get("/slow/ada").send();
//!
//! assert_eq!(answer.status(), 200);
//! assert_eq!(answer.text(), "from https://api.example.com/ada");
//! assert_eq!(client.elapsed(), Duration::from_secs(2));
//! # }
//! ```
//!
//! - **The clock is virtual.** [`sleep`](crate::sleep) and
//!   [`timeout`](crate::time::timeout) cost no time: when everything waits, the
//!   clock goes on to the next wait that ends. [`time::Instant`](crate::time::Instant)
//!   follows it; `std::time::Instant` and `SystemTime` are out of its reach,
//!   and so is `std::thread::sleep`.
//! - **The network is what the test says**: [`TestClient::on_fetch`].
//! - **Dependencies** may be replaced: [`TestClient::provide`].
//! - **Variables and secrets**: [`TestClient::set_var`].
//! - **WebSockets**: [`TestRequest::websocket`]; several may be open at once.
//! - **Work that was [`spawn`](crate::spawn)ed** has ended when
//!   [`send`](TestRequest::send) returns, or, where the answer is streamed,
//!   when its body has been read to the end. While WebSockets are open nobody
//!   waits for it.
//!
//! # In a real host
//!
//! `DUNLIN_TEST=host cargo test` runs the same tests against the real
//! component: the first client builds the package, starts `dunlin serve` with
//! a data directory of its own, and deploys the function with its
//! `dunlin.toml`; requests are real HTTP then, and waits take their time. One
//! host serves all tests of a process and ends with it. The binary is the one
//! that `DUNLIN_BIN` names, or `dunlin` in the workspace's target folder, or
//! in `PATH`.
//!
//! No test can reach into a host: a client that is given
//! [`on_fetch`](TestClient::on_fetch), [`provide`](TestClient::provide) or
//! [`set_var`](TestClient::set_var) goes on natively, with a note on standard
//! error; [`TestClient::native`] always does.

mod body;
mod client;
pub(crate) mod clock;
mod cookies;
mod executor;
mod fakes;
mod host;
mod request;
mod response;
mod socket;

pub use client::TestClient;
pub use executor::block_on;
pub use fakes::FakeAnswer;
pub use request::TestRequest;
pub use response::TestResponse;
pub use socket::TestSocket;

pub(crate) use executor::with_spawned;
pub(crate) use fakes::{World, fetch, provided, spawn, var};
