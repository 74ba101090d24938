//! What the echo route takes, compiled into the native peers and, by `#[path]`,
//! into the standard guests.

use serde::{Deserialize, Serialize};

/// What the echo route parses and serialises again: about 1 KB as JSON.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Order {
    pub(crate) id: u64,
    pub(crate) customer: Customer,
    pub(crate) items: Vec<Item>,
    pub(crate) express: bool,
    pub(crate) discount: Option<f64>,
    pub(crate) note: String,
}

/// Part of [`Order`].
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Customer {
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) street: String,
    pub(crate) city: String,
}

/// Part of [`Order`].
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Item {
    pub(crate) sku: String,
    pub(crate) title: String,
    pub(crate) quantity: u32,
    pub(crate) price: f64,
}
