use dunlin::prelude::*;

#[derive(ErrorResponse)]
enum ShopError {
    #[status(404)]
    NotFound,
}

fn main() {}
