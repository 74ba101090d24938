//! Routes that talk to the outside: clocks, logs, other servers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dunlin::prelude::*;

#[get("/sleep/{millis}")]
pub(crate) async fn sleeps(Path(millis): Path<u64>) -> String {
    dunlin::sleep(Duration::from_millis(millis)).await;
    format!("slept {millis}")
}

/// Answers, and leaves work behind that never ends. What it prints has no line
/// end: the host sees a line only when the instance is gone.
#[get("/go-on-afterwards")]
#[expect(clippy::print_stdout, reason = "standard output is what is tested")]
pub(crate) async fn goes_on_afterwards() -> &'static str {
    dunlin::spawn(async {
        use std::io::Write as _;
        print!("still here");
        std::io::stdout().flush().expect("the host takes it");
        std::future::pending::<()>().await;
    });
    "answered"
}

/// Answers, and then computes for so long; says when it is done.
#[get("/compute-afterwards/{millis}")]
#[expect(clippy::print_stdout, reason = "standard output is what is tested")]
pub(crate) async fn computes_afterwards(Path(millis): Path<u64>) -> &'static str {
    dunlin::spawn(async move {
        // Once around the event loop: the answer goes first. Long enough that it
        // is not over before the host has looked, on a busy machine.
        dunlin::sleep(Duration::from_millis(30)).await;
        crate::broken::compute(Duration::from_millis(millis));
        println!("computed");
    });
    "answered"
}

/// Prints, from a plain `fn`.
#[get("/print-in-fn/{word}")]
#[expect(clippy::print_stdout, reason = "standard output is what is tested")]
pub(crate) fn prints_in_fn(Path(word): Path<String>) -> &'static str {
    println!("{word}");
    "printed"
}

/// Writes to both outputs.
#[get("/print/{word}")]
#[expect(clippy::print_stdout, reason = "standard output is what is tested")]
pub(crate) async fn prints(Path(word): Path<String>) -> &'static str {
    println!("out {word}");
    eprintln!("err {word}");
    "printed"
}

/// Writes one line of so many bytes.
#[get("/print-long/{bytes}")]
#[expect(clippy::print_stdout, reason = "standard output is what is tested")]
pub(crate) async fn prints_a_long_line(Path(bytes): Path<usize>) {
    println!("{}", "x".repeat(bytes));
}

/// Where to fetch from, and what to say meanwhile.
#[model]
pub(crate) struct Errand {
    url: String,
    #[serde(default)]
    word: String,
}

/// Prints before and after the fetch; answers how many were at it at once in
/// this instance when the fetch returned.
#[get("/print-around-fetch")]
#[expect(clippy::print_stdout, reason = "standard output is what is tested")]
pub(crate) async fn prints_around_a_fetch(Query(errand): Query<Errand>) -> Result<String, Error> {
    static AT_IT: AtomicUsize = AtomicUsize::new(0);

    AT_IT.fetch_add(1, Ordering::Relaxed);
    println!("before {}", errand.word);
    dunlin::fetch::get(errand.url).send().await?;
    let at_once = AT_IT.load(Ordering::Relaxed);
    println!("after {}", errand.word);
    AT_IT.fetch_sub(1, Ordering::Relaxed);
    Ok(at_once.to_string())
}

/// Passes on what an upstream answers; what went wrong is a 500 with the text.
#[get("/fetch")]
pub(crate) async fn fetches(Query(errand): Query<Errand>) -> Result<Response, HttpError> {
    let answer = dunlin::fetch::get(errand.url)
        .header("x-from", "guest")
        .send()
        .await;
    answer.map_err(|error| HttpError::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

/// Sends the body on to an upstream, and its answer back, both as they come.
#[post("/fetch")]
pub(crate) async fn posts(Query(errand): Query<Errand>, body: Body) -> Result<Response, Error> {
    Ok(dunlin::fetch::post(errand.url).body(body).send().await?)
}

/// Answers, and afterwards has the host that it runs on call this very route.
#[get("/loop-afterwards")]
#[expect(clippy::print_stdout, reason = "standard output is what is tested")]
pub(crate) async fn calls_itself_afterwards(headers: Headers) -> &'static str {
    let host = headers.get("host").unwrap_or_default();
    let prefix = headers.get("x-forwarded-prefix").unwrap_or_default();
    let url = format!("http://{host}{prefix}/loop-afterwards");
    dunlin::spawn(async move {
        // Once around the event loop: the answer goes first.
        dunlin::sleep(Duration::from_millis(30)).await;
        match dunlin::fetch::get(url).send().await {
            Ok(answer) => println!("came back with {}", answer.status()),
            Err(error) => println!("{error}"),
        }
    });
    "answered"
}

/// Calls the host that it runs on, at this very route.
#[get("/loop")]
pub(crate) async fn calls_itself(headers: Headers) -> Result<Response, Error> {
    let host = headers.get("host").unwrap_or_default();
    let prefix = headers.get("x-forwarded-prefix").unwrap_or_default();
    Ok(dunlin::fetch::get(format!("http://{host}{prefix}/loop"))
        .send()
        .await?)
}
