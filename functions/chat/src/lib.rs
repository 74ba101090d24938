//! A chat: whoever is in a room hears what is said there.
//!
//! Rooms are in the instance's memory. The host keeps one instance for each of
//! its workers, so on a host with several workers a room may exist more than
//! once; `--workers 1` makes it one.

use std::cell::RefCell;
use std::collections::HashMap;

use dunlin::prelude::*;
use dunlin::websocket::{WebSocketError, WebSocketSender};

/// Longest name of a room, in bytes.
const LONGEST_NAME: usize = 40;

thread_local! {
    static ROOMS: RefCell<HashMap<String, Room>> = RefCell::default();
}

#[derive(Default)]
struct Room {
    joined: u64,
    members: Vec<(u64, WebSocketSender)>,
}

/// What a member says.
#[model]
struct Said {
    text: String,
}

/// What everybody hears.
#[model]
struct Heard {
    from: u64,
    text: String,
}

/// Enters a room, and stays for as long as the connection lasts.
#[websocket("/rooms/{room}")]
async fn chat(Path(room): Path<String>, socket: WebSocket) -> Result<(), Error> {
    if room.len() > LONGEST_NAME {
        socket.close(4000, "the room's name is too long");
        return Ok(());
    }
    let (sender, mut receiver) = socket.split();
    let member = Member::enter(room, sender);
    member.tell("entered");
    while let Some(Said { text }) = receiver.recv_json().await? {
        member.tell(&text);
    }
    Ok(())
}

/// How many are in a room.
#[get("/rooms/{room}/members")]
async fn members(Path(room): Path<String>) -> Json<usize> {
    Json(ROOMS.with_borrow(|rooms| rooms.get(&room).map_or(0, |room| room.members.len())))
}

/// A member of a room; dropped, it leaves.
struct Member {
    room: String,
    number: u64,
}

impl Member {
    fn enter(room: String, sender: WebSocketSender) -> Self {
        let number = ROOMS.with_borrow_mut(|rooms| {
            let room = rooms.entry(room.clone()).or_default();
            room.joined += 1;
            room.members.push((room.joined, sender));
            room.joined
        });
        Member { room, number }
    }

    /// Tells all members. One that does not listen is left out: nobody waits
    /// for the slowest.
    fn tell(&self, text: &str) {
        let heard = Heard {
            from: self.number,
            text: text.to_owned(),
        };
        ROOMS.with_borrow(|rooms| {
            for (_, member) in rooms.get(&self.room).into_iter().flat_map(|it| &it.members) {
                if let Err(WebSocketError::Full) = member.try_send_json(&heard) {
                    member.close(4001, "you listen too slowly");
                }
            }
        });
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let is_empty = ROOMS.with_borrow_mut(|rooms| {
            let room = rooms.get_mut(&self.room);
            room.is_some_and(|room| {
                room.members.retain(|(number, _)| *number != self.number);
                room.members.is_empty()
            })
        });
        if is_empty {
            ROOMS.with_borrow_mut(|rooms| rooms.remove(&self.room));
        }
        self.tell("left");
    }
}

dunlin::app![chat, members];

#[cfg(test)]
mod tests {
    use super::*;
    use dunlin::testing::TestClient;

    #[test]
    fn who_is_alone_hears_itself() {
        let client = TestClient::new(app());
        let mut socket = client.get("/rooms/alone").websocket().unwrap();
        assert_eq!(socket.recv_json::<Heard>().text, "entered");
        socket.send_json(&Said { text: "hi".into() });
        assert_eq!(socket.recv_json::<Heard>().text, "hi");
        socket.close(1000, "");

        let path = format!("/rooms/{}", "x".repeat(LONGEST_NAME + 1));
        let mut socket = client.get(&path).websocket().unwrap();
        assert_eq!(socket.recv(), None);
        assert_eq!(socket.closed().and_then(|close| close.code), Some(4000));
        let refused = client.get("/rooms").websocket().unwrap_err();
        assert_eq!(refused.status(), 404);
    }

    #[test]
    fn all_in_the_room_hear_it() {
        // In a host with several workers they might be in two rooms.
        let client = TestClient::native(app());
        let mut ada = client.get("/rooms/tea").websocket().unwrap();
        let entered: Heard = ada.recv_json();
        assert_eq!((entered.from, &*entered.text), (1, "entered"));
        let mut bob = client.get("/rooms/tea").websocket().unwrap();
        assert_eq!(bob.recv_json::<Heard>().from, 2);
        assert_eq!(ada.recv_json::<Heard>().from, 2);
        bob.send_json(&Said { text: "hi".into() });
        assert_eq!(ada.recv_json::<Heard>().text, "hi");
        assert_eq!(client.get("/rooms/tea/members").send().json::<usize>(), 2);
        bob.close(1000, "");
        let left: Heard = ada.recv_json();
        assert_eq!((left.from, &*left.text), (2, "left"));
    }
}
