//! When a handler cannot answer what was asked.

use dunlin::prelude::*;

#[get("/items/{id}")]
async fn read_item(id: u32) -> Result<String, HttpError> {
    match id {
        1 => Ok("tea".into()),
        _ => {
            Err(HttpError::new(StatusCode::NOT_FOUND, "Item not found")
                .with_header("x-shop", "closed"))
        }
    }
}

#[derive(Debug, ErrorResponse)]
enum BuyError {
    /// There is no such item.
    #[status(404, "Item {0} not found")]
    NotFound(u32),
    /// Somebody else was faster.
    #[status(409)]
    Taken,
    /// The price cannot be read.
    #[status(503, "Try again later")]
    Price(#[from] std::num::ParseFloatError),
}

#[post("/items/{id}/buy")]
async fn buy(id: u32) -> Result<String, BuyError> {
    let price = match id {
        1 => "2.50",
        2 => return Err(BuyError::Taken),
        3 => "unknown",
        _ => return Err(BuyError::NotFound(id)),
    };
    let price: f64 = price.parse()?;
    Ok(format!("{price:.2} paid"))
}

#[get("/report")]
async fn report() -> Result<String, Error> {
    let count: u32 = "many".parse()?;
    Ok(format!("{count} sold"))
}

#[post("/lenient")]
async fn lenient(body: Result<Json<Vec<u32>>, dunlin::extract::JsonRejection>) -> String {
    match body {
        Ok(Json(numbers)) => format!("{numbers:?}"),
        Err(_) => "that was no list of numbers".into(),
    }
}

dunlin::app![read_item, buy, report, lenient];
