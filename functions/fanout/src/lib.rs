//! Fetches several URLs at once: the answer takes as long as the slowest, not
//! as long as all together.

use std::time::Duration;

use dunlin::prelude::*;
use dunlin::time::Instant;

/// No upstream may take longer.
const LIMIT: Duration = Duration::from_secs(10);

/// `?url=…&url=…`, as often as wanted; without any, the variable `UPSTREAMS`.
#[model]
struct Upstreams {
    #[serde(default)]
    url: Vec<String>,
}

/// How it went with one upstream.
#[model]
struct Report {
    url: String,
    millis: u128,
    #[serde(flatten)]
    outcome: Outcome,
}

/// What came of it: an answer of whatever status, or why there was none.
#[model]
#[derive(PartialEq)]
#[serde(untagged)]
enum Outcome {
    Answered { status: u16, bytes: usize },
    Failed { error: String },
}

/// Fetches every upstream concurrently.
///
/// One that fails (because the egress policy refuses it, for example) is
/// reported as such, beside the others.
#[get("/")]
async fn fan_out(Query(upstreams): Query<Upstreams>) -> Result<Json<Vec<Report>>, Error> {
    let urls = match upstreams.url {
        urls if urls.is_empty() => dunlin::var("UPSTREAMS")?
            .split_whitespace()
            .map(str::to_owned)
            .collect(),
        urls => urls,
    };
    Ok(Json(dunlin::join_all(urls.into_iter().map(report)).await))
}

async fn report(url: String) -> Report {
    let start = Instant::now();
    let outcome = match measure(&url).await {
        Ok((status, bytes)) => Outcome::Answered { status, bytes },
        Err(error) => Outcome::Failed {
            error: error.to_string(),
        },
    };
    Report {
        url,
        millis: start.elapsed().as_millis(),
        outcome,
    }
}

/// The status and the number of bytes.
async fn measure(url: &str) -> Result<(u16, usize), Error> {
    let answer = dunlin::fetch::get(url).timeout(LIMIT).send().await?;
    let status = answer.status().as_u16();
    let mut body = answer.into_body();
    let mut bytes = 0;
    while let Some(piece) = body.chunk().await? {
        bytes += piece.len();
    }
    Ok((status, bytes))
}

dunlin::app![fan_out];

#[cfg(test)]
mod tests {
    use super::*;
    use dunlin::fetch::FetchError;
    use dunlin::testing::TestClient;
    use serde_json::{Value, json};

    #[test]
    fn every_upstream_has_a_report() {
        let client = TestClient::new(app());
        client.on_fetch_from("http://a.test/", async |_: Request| {
            dunlin::sleep(Duration::from_secs(3)).await;
            (StatusCode::ACCEPTED, "four")
        });
        client.on_fetch_from("http://b.test/", async |_: Request| {
            dunlin::sleep(Duration::from_secs(2)).await;
            Err::<(), _>(FetchError::Connect("refused".into()))
        });
        let urls = [("url", "http://a.test/"), ("url", "http://b.test/")];
        let answer = client.get("/").query(&urls).send().json::<Value>();
        let expected = json!([
            { "url": "http://a.test/", "millis": 3000, "status": 202, "bytes": 4 },
            { "url": "http://b.test/", "millis": 2000, "error": "no connection: refused" },
        ]);
        assert_eq!(answer, expected);
        // They were asked side by side.
        assert_eq!(client.elapsed(), Duration::from_secs(3));
    }
}
