//! Models: types that know their own schema.

mod check;
pub(crate) mod expansion;
pub mod formats;
pub mod rules;
mod standard;

pub use check::Check;
pub(crate) use check::{breach, check, with_inputs};

use crate::openapi::{Property, Schema, Schemas};

/// A type that crosses the wire: it knows its JSON schema.
///
/// [`#[model]`](macro@crate::model) implements it, together with serde's traits.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no model",
    label = "needs a schema",
    note = "write `#[model]` above your type: it derives all that a request or an answer needs"
)]
pub trait Model {
    /// The type's schema.
    fn schema(schemas: &mut Schemas) -> Schema;

    /// Checks the rules that go beyond the type: those of `#[field(…)]`. What
    /// breaks one is told to `check`.
    fn validate(&self, check: &Check<'_>) {
        let _ = check;
    }

    /// The type's fields; none if it is no struct.
    fn properties(schemas: &mut Schemas) -> Vec<Property> {
        let _ = schemas;
        Vec::new()
    }

    /// The schemas of a tuple's members, in their order; of anything else, its
    /// own alone.
    fn members(schemas: &mut Schemas) -> Vec<Schema> {
        vec![Self::schema(schemas)]
    }
}
