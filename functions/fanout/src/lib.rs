//! Fetches several URLs at once: the answer takes as long as the slowest, not
//! as long as all together.

use std::time::{Duration, Instant};

use dunlin::prelude::*;

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
    use dunlin::testing::block_on;

    #[test]
    fn every_upstream_has_a_report() {
        let target = "/?url=http://localhost:1/&url=http://localhost:2/";
        let answer = block_on(app().call(Request::get(target)));
        let body = block_on(answer.text()).unwrap();
        // Natively there is no network: each is reported as failed.
        assert_eq!(body.matches("\"error\":").count(), 2, "{body}");
    }
}
