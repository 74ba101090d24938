//! Who is asking.

use dunlin::prelude::*;
use dunlin::security::{self, ApiKey, Basic, Bearer, KeyPlace, KeyScheme};

struct User {
    name: String,
}

#[dependency]
async fn current_user(Bearer(token): Bearer) -> Result<User, Error> {
    if security::same(&token, dunlin::var("TOKEN")?) {
        Ok(User { name: "ada".into() })
    } else {
        Err(Bearer::refused().into())
    }
}

#[get("/me")]
async fn me(user: Dep<User>) -> String {
    user.name.clone()
}

#[get("/office")]
async fn office(login: Basic) -> Result<String, HttpError> {
    match security::same(&login.password, "swordfish") {
        true => Ok(login.username),
        false => Err(Basic::refused()),
    }
}

struct ShopKey;

impl KeyScheme for ShopKey {
    const PLACE: KeyPlace = KeyPlace::Header;
    const NAME: &'static str = "x-api-key";
}

#[get("/prices")]
async fn prices(key: ApiKey<ShopKey>) -> String {
    format!("a key of {} characters", key.key.len())
}

dunlin::app![me, office, prices];
