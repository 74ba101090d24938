//! Tests that call the app.

use dunlin::prelude::*;

#[model]
struct Item {
    #[field(min_length = 1)]
    name: String,
}

#[post("/items", status = 201)]
async fn create(Json(item): Json<Item>) -> Json<Item> {
    Json(item)
}

struct User {
    name: String,
}

#[dependency]
async fn current_user() -> Result<User, HttpError> {
    Err(HttpError::new(StatusCode::UNAUTHORIZED, "Who are you?"))
}

#[get("/me")]
async fn me(user: Dep<User>) -> Result<String, Error> {
    let mail = dunlin::fetch::get(format!("https://mail.example/{}", user.name));
    Ok(mail.send().await?.text().await?)
}

dunlin::app![create, me];

#[cfg(test)]
mod tests {
    use super::*;
    use dunlin::testing::TestClient;

    #[test]
    fn an_item_has_a_name() {
        let client = TestClient::new(app());
        let answer = client
            .post("/items")
            .json(&Item { name: "tea".into() })
            .send();
        assert_eq!(answer.status(), 201);
        assert_eq!(answer.json::<Item>().name, "tea");
        let refused = client.post("/items").json(&Item { name: "".into() }).send();
        assert_eq!(refused.status(), 422);
    }

    #[test]
    fn mail_is_that_of_the_user() {
        let client = TestClient::new(app());
        client.provide(|| User { name: "ada".into() });
        client.on_fetch(async |request: Request| format!("mail from {}", request.target()));
        let answer = client.get("/me").send();
        assert_eq!(answer.text(), "mail from https://mail.example/ada");
    }
}
