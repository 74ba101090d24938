//! What a handler does while it waits: it fetches, retries, races and gives up.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use dunlin::fetch::{self, FetchError, Retry};
use dunlin::prelude::*;
use dunlin::testing::TestClient;

const URL: &str = "https://upstream.test/";

#[get("/retry")]
async fn retry() -> Result<Response, Error> {
    Ok(fetch::get(URL).retry(3).send().await?)
}

#[post("/retry")]
async fn retry_post() -> Result<Response, Error> {
    Ok(fetch::post(URL).body("x").retry(3).send().await?)
}

#[put("/retry")]
async fn retry_any(body: String) -> Result<Response, Error> {
    let retry = Retry::times(1)
        .any_method()
        .longest_wait(Duration::from_secs(1));
    Ok(fetch::post(URL).retry(retry).body(body).send().await?)
}

#[put("/stream")]
async fn retry_stream(body: Body) -> Result<Response, Error> {
    let stream = body.into_stream();
    Ok(fetch::put(URL)
        .body(Body::stream(stream))
        .retry(3)
        .send()
        .await?)
}

/// Passes an upload on, and the answer back, as they come.
#[post("/relay")]
async fn relay(body: Body) -> Result<Body, Error> {
    let answer = fetch::post(URL).body(body).send().await?;
    Ok(answer.into_body())
}

#[get("/json")]
async fn json() -> Result<Json<Vec<u32>>, Error> {
    let answer = fetch::post(URL).json(&[1, 2, 3]).send().await?;
    Ok(Json(answer.json().await?))
}

#[get("/race")]
async fn race() -> String {
    let seconds = |n| dunlin::sleep(Duration::from_secs(n));
    let _loser = Note("race over");
    dunlin::select! {
        () = async { let _loser = Note("loser dropped"); seconds(60).await } => "slow".into(),
        answer = fetch::get(URL).send() => format!("{:?}", answer.map(|answer| answer.status())),
        () = seconds(5) => "nobody".into(),
    }
}

thread_local! {
    static NOTES: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

struct Note(&'static str);

impl Drop for Note {
    fn drop(&mut self) {
        NOTES.with_borrow_mut(|notes| notes.push(self.0));
    }
}

dunlin::app![
    retry,
    retry_post,
    retry_any,
    retry_stream,
    relay,
    json,
    race
];

/// A client whose upstream answers these statuses in turn, then 200; with each
/// a `retry-after` if it is not empty. The count is that of requests.
fn upstream(answers: &'static [(u16, &'static str)]) -> (TestClient, Rc<Cell<usize>>) {
    let client = TestClient::native(app());
    let count = Rc::new(Cell::new(0));
    let counted = Rc::clone(&count);
    client.on_fetch(move |_: Request| {
        let turn = counted.replace(counted.get() + 1);
        async move {
            match answers.get(turn) {
                None => Ok(StatusCode::OK.into_response()),
                Some((0, _)) => Err(FetchError::Connect("refused".into())),
                Some((1, _)) => Err(FetchError::Denied("no".into())),
                Some((status, after)) => {
                    let answer = StatusCode::from_u16(*status)
                        .expect("is one")
                        .into_response();
                    Ok(match *after {
                        "" => answer,
                        after => answer.with_header("retry-after", after),
                    })
                }
            }
        }
    });
    (client, count)
}

#[test]
fn what_may_pass_is_tried_again() {
    let (client, count) = upstream(&[(0, ""), (503, ""), (429, "")]);
    assert_eq!(client.get("/retry").send().status(), 200);
    assert_eq!(count.get(), 4);
    // 100, 200 and 400 ms, less up to a half of each.
    let waited = client.elapsed().as_millis();
    assert!((350..=700).contains(&waited), "{waited}");
}

#[test]
fn the_last_outcome_counts() {
    let (client, count) = upstream(&[(503, ""); 9]);
    assert_eq!(client.get("/retry").send().status(), 503);
    assert_eq!(count.get(), 4);
    let (client, count) = upstream(&[(0, ""); 9]);
    assert_eq!(client.get("/retry").send().status(), 500);
    assert_eq!(count.get(), 4);
}

#[test]
fn what_does_not_pass_is_not_tried_again() {
    for answers in [&[(404, "")], &[(1, "")]] {
        let (client, count) = upstream(answers);
        assert_ne!(client.get("/retry").send().status(), 200);
        assert_eq!(count.get(), 1);
    }
}

#[test]
fn retry_after_is_heard() {
    let (client, count) = upstream(&[(503, "7")]);
    assert_eq!(client.get("/retry").send().status(), 200);
    assert_eq!((count.get(), client.elapsed()), (2, Duration::from_secs(7)));
    // Too long to wait for.
    let (client, count) = upstream(&[(503, "11")]);
    assert_eq!(client.get("/retry").send().status(), 503);
    assert_eq!((count.get(), client.elapsed()), (1, Duration::ZERO));
}

#[test]
fn retry_after_may_be_a_date() {
    let client = TestClient::native(app());
    let first = Cell::new(true);
    client.on_fetch(move |_: Request| {
        let first = first.replace(false);
        async move {
            let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(8));
            match first {
                true => (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", date)], ()),
                false => (StatusCode::OK, [("x", String::new())], ()),
            }
        }
    });
    assert_eq!(client.get("/retry").send().status(), 200);
    // Dates have whole seconds.
    let waited = client.elapsed();
    assert!(waited > Duration::from_secs(5) && waited <= Duration::from_secs(8));
}

#[test]
fn what_must_not_be_repeated_is_not() {
    let (client, count) = upstream(&[(503, "")]);
    assert_eq!(client.post("/retry").send().status(), 503);
    assert_eq!(count.get(), 1);
    let (client, count) = upstream(&[(503, "")]);
    assert_eq!(client.put("/stream").body("x").send().status(), 503);
    assert_eq!(count.get(), 1);
    let (client, count) = upstream(&[(503, "")]);
    assert_eq!(client.put("/retry").body("x").send().status(), 200);
    assert_eq!(count.get(), 2);
}

#[test]
fn bodies_stream_both_ways() {
    let client = TestClient::native(app());
    client.on_fetch(|request: Request| async move { request.into_body() });
    let upload = Body::produce(async |mut out| {
        for n in 1..=3 {
            out.send(format!("{n}")).await;
            dunlin::sleep(Duration::from_secs(1)).await;
        }
        Ok(())
    });
    let answer = client.post("/relay").body(upload).send();
    for n in 0..3_u8 {
        assert_eq!(answer.chunk().unwrap().unwrap(), [b'1' + n]);
        assert_eq!(client.elapsed(), Duration::from_secs(n.into()));
    }
    assert_eq!(answer.chunk().unwrap(), None);
}

#[test]
fn json_both_ways() {
    let client = TestClient::native(app());
    client.on_fetch(|request: Request| async move {
        assert_eq!(
            request.headers().get("content-type"),
            Some("application/json")
        );
        (StatusCode::OK, request.into_body())
    });
    assert_eq!(client.get("/json").send().json::<Vec<u32>>(), [1, 2, 3]);
}

#[test]
fn the_first_of_several_wins_and_the_others_are_dropped() {
    let client = TestClient::native(app());
    NOTES.take();
    client.on_fetch(|_: Request| async { dunlin::sleep(Duration::from_secs(2)).await });
    assert_eq!(client.get("/race").send().text(), "Ok(204)");
    assert_eq!(client.elapsed(), Duration::from_secs(2));
    assert_eq!(NOTES.take(), ["loser dropped", "race over"]);
    client.on_fetch(|_: Request| async { dunlin::sleep(Duration::from_secs(9)).await });
    assert_eq!(client.get("/race").send().text(), "nobody");
    assert_eq!(client.elapsed(), Duration::from_secs(7));
}
