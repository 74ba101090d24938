use dunlin::prelude::*;

#[websocket("/a")]
async fn without_a_socket() {}

#[websocket("/b")]
async fn not_the_last(_socket: WebSocket, _headers: Headers) {}

#[websocket("/c")]
fn not_async(_socket: WebSocket) {}

#[websocket("/d", status = 201)]
async fn with_a_status(_socket: WebSocket) {}

#[websocket("/e")]
async fn with_an_answer(_socket: WebSocket) -> String {
    String::new()
}

#[get("/f")]
async fn none_is_opened(_socket: WebSocket) {}

#[get("/g", protocols = ["tea"])]
async fn subprotocols_of_none() {}

#[websocket("/h", protocols = ["tea, coffee"])]
async fn no_token(_socket: WebSocket) {}

#[websocket("/i", protocols = "tea")]
async fn no_list(_socket: WebSocket) {}

fn main() {}
