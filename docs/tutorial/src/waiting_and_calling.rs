//! Waiting for several things, and calling other services.

use dunlin::fetch;
use dunlin::prelude::*;
use std::time::Duration;

#[model]
struct Price {
    cents: u32,
}

async fn price(shop: &str) -> Result<u32, Error> {
    let answer = fetch::get(format!("https://{shop}.example/price"))
        .query("item", "tea")
        .timeout(Duration::from_secs(2))
        .retry(3)
        .send()
        .await?;
    let price: Price = answer.json().await?;
    Ok(price.cents)
}

#[get("/cheapest")]
async fn cheapest() -> Result<String, Error> {
    let (north, south) = dunlin::try_join!(price("north"), price("south"))?;
    Ok(format!("{} cents", north.min(south)))
}

#[get("/fastest")]
async fn fastest() -> Result<String, Error> {
    let cents = dunlin::select! {
        north = price("north") => north?,
        south = price("south") => south?,
    };
    Ok(format!("{cents} cents"))
}

async fn recount() -> u32 {
    dunlin::sleep(Duration::from_secs(5)).await;
    7
}

#[get("/stock")]
async fn stock() -> String {
    match dunlin::timeout(Duration::from_secs(1), recount()).await {
        Ok(count) => format!("{count} in stock"),
        Err(_) => "still counting".into(),
    }
}

dunlin::app![cheapest, fastest, stock];

#[cfg(test)]
mod tests {
    use super::*;
    use dunlin::testing::TestClient;

    #[test]
    fn the_cheapest_of_two_shops() {
        let client = TestClient::new(app());
        client.on_fetch_from("https://north.example/", async |_| {
            Json(Price { cents: 300 })
        });
        client.on_fetch_from("https://south.example/", async |_| {
            dunlin::sleep(Duration::from_secs(1)).await;
            Json(Price { cents: 250 })
        });
        assert_eq!(client.get("/cheapest").send().text(), "250 cents");
        assert_eq!(client.get("/fastest").send().text(), "300 cents");
    }

    #[test]
    fn what_takes_too_long_is_given_up() {
        let client = TestClient::native(app());
        assert_eq!(client.get("/stock").send().text(), "still counting");
        assert_eq!(client.elapsed(), Duration::from_secs(1));
    }
}
