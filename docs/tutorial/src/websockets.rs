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
