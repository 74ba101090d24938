//! The smallest function: two routes that answer text.

use dunlin::prelude::*;

/// Greets everyone.
#[get("/")]
async fn hello() -> &'static str {
    "Hello from Dunlin!"
}

/// Greets someone by name.
#[get("/{name}")]
async fn hello_name(name: String) -> String {
    format!("Hello, {name}!")
}

dunlin::app![hello, hello_name];

#[cfg(test)]
mod tests {
    use super::*;
    use dunlin::testing::TestClient;

    #[test]
    fn greets_by_name() {
        let client = TestClient::new(app());
        let answer = client.get("/Ada%20Lovelace").send();
        assert_eq!(answer.text(), "Hello, Ada Lovelace!");
    }
}
