//! What the expansion of `#[model]` calls for each field.
//!
//! A field's type may be anything that serde and schemars know, such as a date
//! of another crate. If it is a model, it is checked too: the call
//! `(&Field(value)).validate(check)` finds the trait that needs no further
//! reference first, and only models have that one.

use super::{Check, Model};

/// A field's value.
#[derive(Debug)]
pub struct Field<'a, T: ?Sized>(pub &'a T);

/// Fields that are models.
pub trait IsModel {
    /// Checks the value.
    fn validate(&self, check: &Check<'_>);
}

impl<T: Model + ?Sized> IsModel for Field<'_, T> {
    #[inline]
    fn validate(&self, check: &Check<'_>) {
        self.0.validate(check);
    }
}

/// All others: nothing is known of them.
pub trait IsNoModel {
    /// Does nothing.
    #[inline]
    fn validate(&self, _: &Check<'_>) {}
}

impl<T: ?Sized> IsNoModel for &Field<'_, T> {}
