//! The smallest function.

use dunlin::prelude::*;

/// Says hello.
#[get("/")]
async fn hello() -> &'static str {
    "Hello from Dunlin!"
}

/// Says hello in JSON.
#[get("/hello.json")]
async fn hello_json() -> Json<Greeting> {
    Json(Greeting {
        message: "Hello from Dunlin!".into(),
    })
}

#[model]
struct Greeting {
    message: String,
}

dunlin::app![hello, hello_json];
