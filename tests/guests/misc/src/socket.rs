//! WebSockets of every kind.

use dunlin::prelude::*;

/// Sends back what it gets; says in the log how it ended.
#[websocket("/socket/echo")]
pub(crate) async fn socket_echo(mut socket: WebSocket) -> Result<(), Error> {
    while let Some(message) = socket.recv().await? {
        socket.send(message).await?;
    }
    eprintln!("ended: {:?}", socket.closed());
    Ok(())
}

/// Tells which subprotocol was agreed on.
#[websocket("/socket/agree", protocols = ["tea.v2", "tea.v1"])]
pub(crate) async fn socket_agree(socket: WebSocket) -> Result<(), Error> {
    Ok(socket.send(socket.protocol().unwrap_or("nothing")).await?)
}

#[model]
pub(crate) struct Numbers {
    numbers: Vec<i64>,
}

/// Adds up.
#[websocket("/socket/sum/{factor}")]
pub(crate) async fn socket_sum(
    Path(factor): Path<i64>,
    mut socket: WebSocket,
) -> Result<(), Error> {
    while let Some(Numbers { numbers }) = socket.recv_json().await? {
        let sum = numbers.iter().sum::<i64>() * factor;
        socket.send_json(&sum).await?;
    }
    Ok(())
}

/// Closes as it is told: with a code and a reason, or by returning, failing or
/// panicking.
#[websocket("/socket/ends")]
pub(crate) async fn socket_ends(mut socket: WebSocket) -> Result<(), Error> {
    let Some(told) = socket.recv().await? else {
        return Ok(());
    };
    match told.as_text().unwrap_or_default().split_once(' ') {
        Some((code, reason)) => {
            socket.close(code.parse()?, reason);
            while socket.recv().await?.is_some() {}
            eprintln!("ended: {:?}", socket.closed());
            Ok(())
        }
        None if told.as_text() == Some("panic") => panic!("as told"),
        None if told.as_text() == Some("fail") => Err(Error::msg("as told")),
        None => Ok(()),
    }
}

/// Computes for as many milliseconds as it is told, again and again.
#[websocket("/socket/compute")]
pub(crate) async fn socket_compute(mut socket: WebSocket) -> Result<(), Error> {
    while let Some(message) = socket.recv().await? {
        let millis: u64 = message.as_text().unwrap_or_default().parse()?;
        let start = std::time::Instant::now();
        while start.elapsed().as_millis() < u128::from(millis) {
            std::hint::black_box(start);
        }
        socket.send("done").await?;
    }
    Ok(())
}

/// Sends without end, and never listens.
#[websocket("/socket/flood")]
pub(crate) async fn socket_flood(socket: WebSocket) -> Result<(), Error> {
    let message = vec![0; 16 * 1024];
    loop {
        socket.send(&message[..]).await?;
    }
}
