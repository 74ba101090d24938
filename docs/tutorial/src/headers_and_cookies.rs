//! Values from header fields and cookies.

use dunlin::extract::{Cookie, Header};
use dunlin::prelude::*;

#[get("/agent")]
async fn agent(
    #[header] user_agent: Option<String>,
    #[header(default = 1)] x_version: u8,
) -> String {
    format!("{user_agent:?}, version {x_version}")
}

#[get("/basket")]
async fn basket(#[cookie(min_length = 4)] basket: Option<String>) -> String {
    format!("{basket:?}")
}

#[model]
#[serde(rename_all = "kebab-case")]
struct Tracing {
    x_trace: String,
    #[field(default)]
    x_tag: Vec<String>,
}

#[model]
struct Session {
    session: String,
}

#[get("/traced")]
async fn traced(Header(tracing): Header<Tracing>, Cookie(it): Cookie<Session>) -> String {
    format!("{} {:?} {}", tracing.x_trace, tracing.x_tag, it.session)
}

#[get("/all")]
async fn all(headers: Headers) -> String {
    format!("{:?}", headers.get("accept"))
}

dunlin::app![agent, basket, traced, all];
