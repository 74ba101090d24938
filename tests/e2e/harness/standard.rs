//! OpenAPI 3.1 as its authors wrote it down, from spec.openapis.org.

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::Value;

/// The standard's own schema.
pub(crate) struct OpenApi {
    schemas: Schemas,
    document: SchemaIndex,
    /// That of the schemas inside, of which the standard's says nothing.
    inner: SchemaIndex,
}

impl OpenApi {
    pub(crate) fn standard() -> Self {
        let standard: Value = include_str!("../openapi-3.1.schema.json")
            .parse()
            .expect("is JSON");
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        let name = standard["$id"].as_str().expect("has a name").to_owned();
        compiler.add_resource(&name, standard).expect("is a schema");
        let meta = "https://json-schema.org/draft/2020-12/schema";
        Self {
            document: compiler.compile(&name, &mut schemas).expect("is sound"),
            inner: compiler.compile(meta, &mut schemas).expect("is sound"),
            schemas,
        }
    }

    /// Why a document is not valid, or one of its schemas.
    pub(crate) fn objection(&self, document: &Value) -> Option<String> {
        if let Err(error) = self.schemas.validate(document, self.document) {
            return Some(error.to_string());
        }
        let inside = document["components"]["schemas"].as_object();
        inside.into_iter().flatten().find_map(|(name, schema)| {
            let error = self.schemas.validate(schema, self.inner).err()?;
            Some(format!("{name}: {error}"))
        })
    }
}
