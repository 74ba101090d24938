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
    use dunlin::testing::block_on;

    #[test]
    fn greets_by_name() {
        assert_eq!(block_on(hello_name("Ada".into())), "Hello, Ada!");
    }

    #[test]
    fn the_app_decodes_the_path() {
        let answer = block_on(app().call(Request::get("/Ada%20Lovelace")));
        assert_eq!(block_on(answer.text()).unwrap(), "Hello, Ada Lovelace!");
    }
}
