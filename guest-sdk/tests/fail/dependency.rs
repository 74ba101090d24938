use dunlin::prelude::*;

struct User;

#[dependency]
async fn nothing() {}

#[dependency]
async fn no_type_of_its_own() -> Result<String, HttpError> {
    Ok("ada".into())
}

#[dependency]
async fn takes_the_body(body: Json<u32>) -> User {
    User
}

#[dependency(tear_down = close)]
async fn unknown_argument() -> User {
    User
}

#[dependency]
async fn no_error() -> std::io::Result<User> {
    Ok(User)
}

fn main() {}
