use dunlin::prelude::*;

#[model]
struct Unknown {
    #[field(minimum = 1)]
    count: u32,
}

#[model]
struct Items {
    #[field(min_items = 1)]
    tags: Vec<String>,
}

#[model]
struct NoNumber {
    #[field(gt = 0)]
    name: String,
}

#[model]
struct NoLength {
    #[field(max_length = 3)]
    count: u32,
}

#[model]
struct NoText {
    #[field(pattern = "^a")]
    count: u32,
}

#[model]
struct BadPattern {
    #[field(pattern = "(a")]
    name: String,
}

#[model]
struct BadFormat {
    #[field(format = "e-mail")]
    mail: String,
}

#[model]
struct BadBound {
    #[field(ge = "0")]
    count: u32,
}

#[model]
struct WrongDefault {
    #[field(default = "ten")]
    count: u32,
}

#[model(strict)]
struct Strict {
    count: u32,
}

#[model]
union Both {
    a: u8,
    b: u8,
}

#[model]
fn function() {}

struct Plain {
    count: u32,
}

#[post("/")]
async fn plain(Json(plain): Json<Plain>) -> String {
    plain.count.to_string()
}

fn main() {}
