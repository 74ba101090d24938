//! The app answers what FastAPI answers.

use dunlin::testing::TestClient;
use serde_json::{Value, json};

use super::app;

#[test]
fn routers() {
    let client = TestClient::new(app());
    assert_eq!(client.get("/users").send().status(), 400);
    let get = |path| {
        client
            .get(path)
            .header("x-token", "fake-super-secret-token")
            .send()
    };
    assert_eq!(get("/users").text(), "Rick and Morty");
    assert_eq!(get("/users/rick").text(), "rick");
}

#[test]
fn it_answers_what_fastapi_answers() {
    let client = TestClient::new(app());
    let get = |path: &str| client.get(path).send().text();
    assert_eq!(get("/"), r#"{"message":"Hello World"}"#);
    assert_eq!(get("/models/resnet"), r#""resnet""#);
    assert_eq!(client.get("/models/x").send().status(), 422);
    assert_eq!(get("/files/home/me.txt"), "home/me.txt");
    assert_eq!(get("/page?limit=3&q=a"), r#"0 3 Some("a")"#);
    assert_eq!(
        get("/search?item-query=fixedquery&tag=a&tag=b"),
        r#"Some("fixedquery") ["a", "b"]"#
    );
    assert_eq!(client.get("/search?item-query=no").send().status(), 422);
    assert_eq!(get("/filtered"), r#"{"limit":100,"offset":0}"#);
    assert_eq!(client.get("/filtered?tool=plumbus").send().status(), 422);
    assert_eq!(get("/numbers/7?size=1.5"), "7 1.5");
    assert_eq!(
        client.get("/numbers/0?size=11").send().json::<Value>()["detail"]
            .as_array()
            .map(Vec::len),
        Some(2)
    );
    let item =
        json!({"name": "Foo", "price": 35.4, "image": {"url": "https://a.example/x", "name": "x"}});
    assert_eq!(client.post("/items").json(&item).send().status(), 200);
    assert_eq!(
        client.put("/items/1?q=z").json(&item).send().text(),
        r#"1 Some("z") Foo"#
    );
    let both = json!({"item": item, "user": {"username": "dave"}});
    assert_eq!(
        client.post("/both").json(&both).send().text(),
        "Foo of dave"
    );
    assert_eq!(
        client.get("/ads").cookie("ads_id", "7").send().text(),
        r#"Some("7")"#
    );
    assert_eq!(
        client.get("/agent").header("x-token", "a").send().text(),
        r#"None ["a"]"#
    );
    let user = json!({"username": "a", "password": "secret-enough", "email": "a@b.example"});
    let created = client.post("/users").json(&user).send();
    assert_eq!(created.status(), 201);
    assert_eq!(
        created.json::<Value>(),
        json!({"username": "a", "email": "a@b.example"})
    );
    assert_eq!(
        client.get("/legacy").send().header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(client.get("/teapot").send().status(), 418);
    assert_eq!(
        client.get("/stock/bar").send().header("x-error"),
        Some("There goes my error")
    );
    assert_eq!(get("/paged?skip=2"), "2+100");
    assert_eq!(client.get("/paged?limit=101").send().status(), 422);
    assert_eq!(client.get("/verified").send().status(), 400);
    assert_eq!(
        client
            .get("/verified")
            .header("x-token", "fake-super-secret-token")
            .send()
            .text(),
        "1"
    );
    assert_eq!(client.get("/me").send().status(), 401);
    assert_eq!(
        client.get("/me").bearer("fake-token-of-ada").send().text(),
        "ada"
    );
    assert_eq!(client.get("/basic").send().status(), 401);
    assert_eq!(client.post("/notify/a@b.example").send().status(), 202);
    assert_eq!(get("/factors/6"), "[1,2,3,6]");
    assert_eq!(get("/hits"), "Awesome API: 1");
    assert_eq!(get("/stream").lines().count(), 3);
    assert_eq!(client.get("/shop/2").send().status(), 409);
    assert_eq!(get("/shop/7"), r#"{"detail":"Item 7 not found"}"#);
    let form = [("username", "ada"), ("password", "secret-enough")];
    let login = client.post("/login").form(&form).send();
    assert_eq!(
        (login.status().as_u16(), login.header("location")),
        (303, Some("/me"))
    );
    assert_eq!(client.cookie("session").as_deref(), Some("ada"));
    let created = client.post("/files").part("token", "t");
    let created = created.file("file", "a.txt", "text/plain", "12345");
    assert_eq!(created.send().text(), "5 bytes, t");
    let upload = client
        .post("/upload")
        .file("file", "a.txt", "text/plain", "12345")
        .send();
    assert_eq!(upload.text(), "5 bytes");
    let report = client.get("/report").send();
    assert!(
        report
            .header("content-disposition")
            .is_some_and(|it| it.contains("report.csv"))
    );
    let events = client
        .get("/events")
        .header("last-event-id", "1")
        .send()
        .text();
    assert_eq!(events.matches("item_id").count(), 2, "{events}");
    assert_eq!(
        get("/lines"),
        "{\"item_id\":1}\n{\"item_id\":2}\n{\"item_id\":3}\n"
    );
    assert_eq!(client.post("/raw").body("x").send().text(), "POST x");
    assert!(client.get("/").send().header("x-process-time").is_some());
}
