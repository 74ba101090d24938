//! Configuration variables.

/// A configuration variable: a key below `[vars]` in `dunlin.toml`, or one of
/// its `secrets`.
///
/// # Errors
/// If it is not set, or not UTF-8. As a handler's error this is a 500 and a
/// log line that names the variable.
pub fn var(name: &str) -> Result<String, VarError> {
    #[cfg(not(target_arch = "wasm32"))]
    if let Some(value) = crate::testing::var(name) {
        return Ok(value);
    }
    std::env::var(name).map_err(|_| VarError {
        name: name.to_owned(),
    })
}

/// A configuration variable is not set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the variable `{name}` is not set: add it below `[vars]` or to `secrets` in dunlin.toml")]
pub struct VarError {
    name: String,
}
