use dunlin::prelude::*;

#[derive(Debug, ErrorResponse)]
enum ShopError {
    #[status(500)]
    Broken(#[from] String),
}

fn main() {}
