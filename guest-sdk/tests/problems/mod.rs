//! What is wrong with a request, as its answer tells.

use dunlin::testing::TestResponse;
use serde_json::Value;

/// The problems that a 422 tells, in its order.
#[track_caller]
pub(crate) fn problems(answer: &TestResponse) -> Vec<Value> {
    assert_eq!(answer.status(), 422);
    match answer.json::<Value>()["detail"].take() {
        Value::Array(problems) => problems,
        other => panic!("`detail` is no list: {other}"),
    }
}
