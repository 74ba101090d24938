//! The schemas that a document's operations refer to.

use std::any::Any;

use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::transform::transform_subschemas;
use schemars::{JsonSchema, SchemaGenerator as Generator};
use serde_json::Value;

/// A JSON Schema, draft 2020-12, as JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema(String);

impl Schema {
    /// A schema that is known as text.
    #[must_use]
    pub fn text(json: impl Into<String>) -> Self {
        Schema(json.into())
    }

    /// The JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A field of a model: one parameter of a query, a header or a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// Its name on the wire.
    pub name: String,
    /// Whether a request without it is refused.
    pub required: bool,
    /// What its values are.
    pub schema: Schema,
    /// CommonMark; may be empty.
    pub description: String,
}

/// Collects the named schemas of a document: its `components.schemas`.
#[derive(Default)]
pub struct Schemas {
    /// Only a function that has models contains what makes one.
    generated: Option<Box<dyn Generated>>,
    fixed: Vec<(&'static str, &'static str)>,
}

/// What [`schemars`] has made.
trait Generated: Any {
    /// The definitions, each with its name, as JSON text.
    fn definitions(&mut self) -> Vec<(String, String)>;
}

impl Generated for SchemaGenerator {
    fn definitions(&mut self) -> Vec<(String, String)> {
        let definitions = self.take_definitions(true).into_iter();
        definitions
            .map(|(name, schema)| (name, schema.to_string()))
            .collect()
    }
}

impl Schemas {
    /// The schema of a type that has one by [`schemars`]: a reference to its
    /// definition, or the schema itself where the type has no name.
    pub fn generate<T: JsonSchema>(&mut self) -> Schema {
        let mut schema = self.generator().subschema_for::<T>();
        with_bounds(&mut schema);
        Schema(Value::from(schema).to_string())
    }

    /// The fields of a struct that has a schema by [`schemars`].
    pub fn generate_properties<T: JsonSchema>(&mut self) -> Vec<Property> {
        let mut schema = T::json_schema(self.generator());
        with_bounds(&mut schema);
        let required = schema.get("required").and_then(Value::as_array);
        let required = |name: &str| required.is_some_and(|all| all.iter().any(|one| one == name));
        let Some(Value::Object(properties)) = schema.get("properties") else {
            return Vec::new();
        };
        let property = |(name, schema): (&String, &Value)| {
            let mut schema = schema.clone();
            let described = schema
                .as_object_mut()
                .and_then(|schema| schema.remove("description"));
            let description = match described {
                Some(Value::String(text)) => text,
                _ => String::new(),
            };
            Property {
                name: name.clone(),
                required: required(name),
                schema: Schema(schema.to_string()),
                description,
            }
        };
        properties.iter().map(property).collect()
    }

    /// A reference to a schema that is known as text.
    pub fn fixed(&mut self, name: &'static str, json: &'static str) -> Schema {
        if self.fixed.iter().all(|(known, _)| *known != name) {
            self.fixed.push((name, json));
        }
        Schema(format!("{{\"$ref\":\"#/components/schemas/{name}\"}}"))
    }

    /// All named schemas, in the order of their names.
    pub(super) fn definitions(&mut self) -> Vec<(String, String)> {
        let mut all = Vec::new();
        for (name, json) in &self.fixed {
            insert(&mut all, ((*name).to_owned(), (*json).to_owned()));
        }
        if let Some(generated) = &mut self.generated {
            for definition in generated.definitions() {
                insert(&mut all, definition);
            }
        }
        all
    }

    fn generator(&mut self) -> &mut Generator {
        let generated = self.generated.get_or_insert_with(|| {
            let settings = SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = "/components/schemas".into();
                settings.meta_schema = None;
                settings.transforms.push(Box::new(with_bounds));
            });
            Box::new(settings.into_generator())
        });
        let generated: &mut dyn Any = &mut **generated;
        generated
            .downcast_mut()
            .expect("nothing else makes definitions")
    }
}

/// Says how large an integer may be: schemars names the type only.
fn with_bounds(schema: &mut schemars::Schema) {
    let format = schema.get("format").and_then(Value::as_str);
    let bounds = match format {
        Some("uint" | "uint32") => Some((0, u32::MAX.into())),
        Some("uint64") => Some((0, u64::MAX)),
        Some("int" | "int32") => Some((i32::MIN.into(), i32::MAX.unsigned_abs().into())),
        Some("int64") => Some((i64::MIN, i64::MAX.unsigned_abs())),
        _ => None,
    };
    if let (Some((min, max)), Some(schema)) = (bounds, schema.as_object_mut()) {
        if !schema.contains_key("exclusiveMinimum") {
            schema.entry("minimum").or_insert(min.into());
        }
        if !schema.contains_key("exclusiveMaximum") {
            schema.entry("maximum").or_insert(max.into());
        }
    }
    transform_subschemas(&mut with_bounds, schema);
}

/// Inserts a named text at its place. (A general sort is ten times the code, in
/// every function.)
pub(super) fn insert(all: &mut Vec<(String, String)>, named: (String, String)) {
    let place = all.partition_point(|(name, _)| *name < named.0);
    all.insert(place, named);
}

impl std::fmt::Debug for Schemas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Schemas").finish_non_exhaustive()
    }
}
