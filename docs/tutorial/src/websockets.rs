//! Messages both ways.

use dunlin::prelude::*;

#[model]
struct Order {
    item: String,
}

#[model]
struct Receipt {
    number: u32,
    item: String,
}

#[websocket("/counter/{name}")]
async fn counter(name: String, mut socket: WebSocket) -> Result<(), Error> {
    socket.send(format!("Hello, {name}!")).await?;
    let mut number = 0;
    while let Some(order) = socket.recv_json::<Order>().await? {
        number += 1;
        let item = order.item;
        socket.send_json(&Receipt { number, item }).await?;
    }
    Ok(())
}

dunlin::app![counter];

#[cfg(test)]
mod tests {
    use super::*;
    use dunlin::testing::TestClient;

    #[test]
    fn orders_are_counted() {
        let client = TestClient::new(app());
        let mut socket = client.get("/counter/ada").websocket().unwrap();
        assert_eq!(socket.recv_text(), "Hello, ada!");
        socket.send_json(&Order { item: "tea".into() });
        let receipt: Receipt = socket.recv_json();
        assert_eq!((receipt.number, &*receipt.item), (1, "tea"));
        socket.close(1000, "");
    }
}
