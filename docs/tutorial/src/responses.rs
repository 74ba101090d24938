//! What handlers answer.

use dunlin::prelude::*;
use std::time::Duration;

#[model]
struct NewUser {
    name: String,
    password: String,
}

#[model]
struct User {
    name: String,
}

#[post("/users", status = 201, tags = ["users"])]
async fn create_user(Json(user): Json<NewUser>) -> Json<User> {
    Json(User { name: user.name })
}

#[delete("/users/{name}")]
async fn delete_user(name: String) {
    println!("{name} is gone");
}

#[get("/teapot")]
async fn teapot() -> (StatusCode, [(&'static str, &'static str); 1], &'static str) {
    let headers = [("x-material", "stoneware")];
    (StatusCode::IM_A_TEAPOT, headers, "short and stout")
}

#[get("/users/{name}")]
async fn read_user(name: String) -> Option<Json<User>> {
    (name == "ada").then_some(Json(User { name }))
}

#[get("/page")]
async fn page() -> Html<&'static str> {
    Html("<h1>Tea</h1>")
}

#[post("/login")]
async fn login() -> (SetCookie, &'static str) {
    let cookie = SetCookie::new("session", "s3cret").max_age(Duration::from_secs(3600));
    (cookie, "welcome")
}

#[get("/old")]
async fn old() -> Redirect {
    Redirect::permanent("page")
}

#[get("/prices.csv")]
async fn prices() -> File {
    File::new("prices.csv", "tea,3\nrice,2\n")
}

dunlin::app![
    create_user,
    delete_user,
    teapot,
    read_user,
    page,
    login,
    old,
    prices
];
