//! Guests whose answers are none.

use dunlin::prelude::*;

#[get("/panic")]
pub(crate) async fn panics() {
    panic!("the guest's own words")
}

#[get("/panic-in-fn")]
pub(crate) fn panics_in_fn() {
    panic!("the guest's own words")
}

#[get("/trap")]
pub(crate) async fn traps() {
    trap()
}

#[get("/trap-in-fn")]
pub(crate) fn traps_in_fn() {
    trap()
}

/// Traps when the first piece of its body was taken.
#[get("/trap-after-head")]
pub(crate) async fn traps_after_the_head() -> Body {
    Body::produce(async |mut out| {
        out.send("first ").await;
        out.send("second ").await;
        trap()
    })
}

/// Answers, and then once more by returning.
#[get("/twice")]
pub(crate) async fn twice() -> &'static str {
    answer("first");
    "second"
}

#[get("/twice-in-fn")]
pub(crate) fn twice_in_fn() -> &'static str {
    answer("first");
    "second"
}

/// The same, when the first answer has long been sent.
#[get("/twice-later")]
pub(crate) async fn once_more_later() -> &'static str {
    answer("first");
    dunlin::sleep(std::time::Duration::from_millis(20)).await;
    "second"
}

/// A body without end, as fast as it is read.
#[get("/endless-body")]
pub(crate) async fn endless_body() -> Body {
    Body::produce(async |mut out| {
        loop {
            out.send(vec![b'x'; 64 * 1024]).await;
        }
    })
}

/// More header fields than anybody takes.
#[get("/endless-headers")]
pub(crate) async fn endless_headers() -> impl IntoResponse {
    let mut fields = HeaderMap::new();
    for number in 0_u32..20_000 {
        fields.append("x-endless", number.into());
    }
    (fields, "body")
}

/// Would split the response in two, if it were sent.
#[get("/invalid-header")]
pub(crate) async fn invalid_header() -> impl IntoResponse {
    ([("x-split", "a\r\nset-cookie: stolen=1\0")], "body")
}

#[get("/log-flood")]
pub(crate) async fn log_flood() {
    flood()
}

#[get("/log-flood-in-fn")]
pub(crate) fn log_flood_in_fn() {
    flood()
}

#[expect(clippy::print_stdout, reason = "standard output is what is flooded")]
fn flood() {
    loop {
        println!("{}", "flood ".repeat(100));
    }
}

fn trap() -> ! {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    std::process::abort()
}

/// Answers a text to the request that is being served, past the SDK.
#[cfg(target_arch = "wasm32")]
#[expect(unsafe_code, reason = "calls the host as the SDK never would")]
fn answer(text: &'static str) {
    #[link(wasm_import_module = "[export]dunlin:function/handler@0.1.0")]
    unsafe extern "C" {
        /// `result<response, string>`, flat.
        #[link_name = "[task-return]handle"]
        fn task_return(
            is_err: i32,
            status: i32,
            headers: *const u8,
            headers_length: usize,
            body_kind: i32,
            body: *const u8,
            body_length: usize,
        );
    }
    // SAFETY: the host copies both texts before it returns.
    unsafe { task_return(0, 200, "".as_ptr(), 0, 0, text.as_ptr(), text.len()) }
}

#[cfg(not(target_arch = "wasm32"))]
fn answer(_: &'static str) {}
