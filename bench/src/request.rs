//! The requests that scenarios send, and the answers that count as right.

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::order::{Customer, Item, Order};
use crate::work::count_primes;

/// What a CPU-bound request costs on one core of this machine, natively, or a
/// little more.
const CPU: Duration = Duration::from_millis(10);

/// The work of a CPU-bound request, the same for all peers of a run.
static PRIMES: LazyLock<Primes> = LazyLock::new(Primes::that_cost_enough);

struct Primes {
    below: u32,
    count: usize,
}

impl Primes {
    fn that_cost_enough() -> Self {
        let mut below = 50_000;
        loop {
            let count = count_primes(below);
            let fastest = (0..5).map(|_| {
                let start = Instant::now();
                black_box(count_primes(black_box(below)));
                start.elapsed()
            });
            if fastest.min() >= Some(CPU) {
                return Self { below, count };
            }
            below += below / 50;
        }
    }
}

/// What [`crate::upstream`] answers; a fan-out reports the sum of three.
pub(crate) const UPSTREAM_BODY: &str = "0123456789";

/// One route that every peer offers, below its own mount.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Route {
    /// `GET /hello` → `hello`
    Hello,
    /// `GET /sleep?ms=N` → `slept`, after N milliseconds
    Sleep { ms: u64 },
    /// `GET /cpu?below=N` or `GET /cpu-async?below=N` → the number of primes
    Cpu(Declared),
    /// `GET /fanout?url=U` → the summed length of three concurrent answers of U
    Fanout,
    /// `POST /echo` → the order in the body, parsed, checked if the peer does
    /// that, and serialised again
    Echo,
    /// `POST /bytes` → the same body, whole, as it is
    Bytes,
}

/// How the CPU-bound handler is declared. A peer without such a difference
/// does the same for both; natively, `async fn` means "on the event loop".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Declared {
    /// As it should be.
    Fn,
    /// By mistake.
    AsyncFn,
}

/// Where a peer answers, and what its fan-out route is to call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// Path prefix of every route; empty, or like `/bench`.
    pub(crate) mount: &'static str,
    pub(crate) upstream: SocketAddr,
}

impl Route {
    /// The whole request as it goes over the wire, on a kept-alive connection.
    pub(crate) fn bytes(self, target: &Target) -> Vec<u8> {
        let Target {
            address,
            mount,
            upstream,
        } = target;
        let (method, path, body) = match self {
            Route::Hello => ("GET", "/hello".to_owned(), None),
            Route::Sleep { ms } => ("GET", format!("/sleep?ms={ms}"), None),
            Route::Cpu(declared) => {
                let path = match declared {
                    Declared::Fn => "/cpu",
                    Declared::AsyncFn => "/cpu-async",
                };
                ("GET", format!("{path}?below={}", PRIMES.below), None)
            }
            Route::Fanout => ("GET", format!("/fanout?url=http://{upstream}/"), None),
            Route::Echo => ("POST", "/echo".to_owned(), Some(order_json())),
            Route::Bytes => ("POST", "/bytes".to_owned(), Some(order_json())),
        };
        let mut request = format!("{method} {mount}{path} HTTP/1.1\r\nhost: {address}\r\n");
        if let Some(body) = &body {
            request += &format!(
                "content-type: application/json\r\ncontent-length: {}\r\n",
                body.len()
            );
        }
        request += "\r\n";
        request += &body.unwrap_or_default();
        request.into_bytes()
    }

    /// Whether `body` is the right answer.
    pub(crate) fn check(self, body: &[u8]) -> anyhow::Result<()> {
        let expected = match self {
            Route::Hello => "hello".to_owned(),
            Route::Sleep { .. } => "slept".to_owned(),
            Route::Cpu(_) => PRIMES.count.to_string(),
            Route::Fanout => (3 * UPSTREAM_BODY.len()).to_string(),
            Route::Echo => return check_echo(body),
            Route::Bytes => order_json(),
        };
        ensure!(
            body == expected.as_bytes(),
            "answered {:?} instead of {expected:?}",
            String::from_utf8_lossy(body)
        );
        Ok(())
    }
}

/// Key order and number format are the peer's own affair.
fn check_echo(body: &[u8]) -> anyhow::Result<()> {
    let got: serde_json::Value = serde_json::from_slice(body)?;
    let sent: serde_json::Value = serde_json::from_str(&order_json())?;
    ensure!(got == sent, "echoed something else: {got}");
    Ok(())
}

fn order_json() -> String {
    let titles = [
        "Field notebook, dotted, 192 pages, waterproof cover",
        "Spotting scope 20-60x80 with angled eyepiece and case",
        "Carbon tripod, four sections, 1.4 kg, with a video head",
        "Tide table of the Wadden Sea, new edition",
        "Merino hat, the colour of mud at low water",
    ];
    let order = Order {
        id: 4_711_000_815,
        customer: Customer {
            name: "Calidris Alpina".to_owned(),
            email: "calidris@alpina.example".to_owned(),
            street: "Am Watt 12".to_owned(),
            city: "Sankt Peter-Ording".to_owned(),
        },
        items: titles
            .iter()
            .zip(1..)
            .map(|(title, number)| Item {
                sku: format!("DN-{number:06}"),
                title: (*title).to_owned(),
                quantity: number,
                price: f64::from(number) * 19.95,
            })
            .collect(),
        express: true,
        discount: None,
        note: "Please leave the parcel with the neighbours at number 14, \"the blue door\", \
               when nobody opens; the gate sticks a little in wet weather. Thank you – and mind \
               the oystercatcher that nests on the flat roof above the porch, it does not like \
               visitors before July and will tell you so at length."
            .to_owned(),
    };
    serde_json::to_string(&order).expect("an order has no map keys and no failing serialiser")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prime_count_that_answers_are_checked_against_is_right() {
        assert_eq!(count_primes(145_000), 13_422);
        let right = PRIMES.count.to_string();
        Route::Cpu(Declared::Fn).check(right.as_bytes()).unwrap();
        assert!(Route::Cpu(Declared::Fn).check(b"1").is_err());
    }

    #[test]
    fn the_echo_body_is_about_one_kilobyte() {
        let length = order_json().len();
        assert!((950..1_100).contains(&length), "{length}");
    }

    #[test]
    fn an_echo_may_reorder_keys_but_not_change_values() {
        let order: Order = serde_json::from_str(&order_json()).unwrap();
        let reordered = serde_json::to_value(&order).unwrap().to_string();
        Route::Echo.check(reordered.as_bytes()).unwrap();
        let changed = reordered.replace("DN-000001", "DN-000002");
        assert!(Route::Echo.check(changed.as_bytes()).is_err());
    }

    #[test]
    fn a_request_names_its_mount() {
        let target = Target {
            address: ([127, 0, 0, 1], 8080).into(),
            mount: "/bench",
            upstream: ([127, 0, 0, 1], 9090).into(),
        };
        let request = String::from_utf8(Route::Fanout.bytes(&target)).unwrap();
        assert_eq!(
            request,
            "GET /bench/fanout?url=http://127.0.0.1:9090/ HTTP/1.1\r\nhost: 127.0.0.1:8080\r\n\r\n"
        );
    }
}
