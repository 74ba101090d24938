//! What a host runs with, for `dunlin doctor`.

use serde::Serialize;
use serde_json::Value;

/// One setting of the host, in force.
#[derive(Clone, Debug, Serialize)]
pub struct Setting {
    key: &'static str,
    value: Value,
    why: String,
}

impl Setting {
    /// `key` as it stands in the host's configuration, its value as it is
    /// written there, and where it comes from.
    ///
    /// # Panics
    ///
    /// If the value is nothing that can be written.
    pub fn new(key: &'static str, value: &impl Serialize, why: String) -> Self {
        let value = serde_json::to_value(value).expect("settings are numbers and texts");
        Self { key, value, why }
    }
}
