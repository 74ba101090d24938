//! A guest whose start-up work never ends, from a time on that its variable
//! `STARTS_UNTIL` says: so that it can be deployed.

#[cfg(target_arch = "wasm32")]
#[expect(
    unsafe_code,
    reason = "the only work of a component before its first call"
)]
#[used]
#[unsafe(link_section = ".init_array")]
static START: extern "C" fn() = start;

/// Milliseconds since the Unix epoch.
#[cfg(target_arch = "wasm32")]
extern "C" fn start() {
    let until = std::env::var("STARTS_UNTIL").ok();
    let Some(until) = until.and_then(|until| until.parse::<u128>().ok()) else {
        return;
    };
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_millis());
    if now > until {
        crate::computing::spin();
    }
}
