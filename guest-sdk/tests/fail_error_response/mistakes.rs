use dunlin::prelude::*;

#[derive(Debug, ErrorResponse)]
struct NoEnum;

#[derive(Debug, ErrorResponse)]
enum Empty {}

#[derive(Debug, ErrorResponse)]
enum WithoutStatus {
    NotFound,
    #[status]
    NoNumber,
    #[status("404")]
    ATextFirst,
    #[status(200)]
    NoError,
    #[status(404)]
    #[status(410)]
    Two,
}

#[derive(Debug, ErrorResponse)]
enum WrongTexts {
    #[status(404, "No {0}")]
    Unit,
    #[status(404, "No {1}")]
    Tuple(u32),
    #[status(409, "{owner} has it")]
    Named { user: u32 },
    #[status(500, "broken: {0}")]
    Tells(#[from] std::num::ParseIntError),
}

#[derive(Debug, ErrorResponse)]
enum WrongSources {
    #[status(500)]
    More(#[from] std::num::ParseIntError, u32),
}

fn main() {}
