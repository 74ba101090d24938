//! The JSON schema of `dunlin.toml`, for editors.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform as _};
use serde_json::Value;

use super::Manifest;

/// The schema of `dunlin.toml`. Draft 7, because that is what editors know.
///
/// It says what a key may hold as far as a schema can: that a host name is no
/// address, for one, is only known to [`Manifest::from_toml`].
pub fn manifest_schema() -> Schema {
    let mut schema = SchemaSettings::draft07()
        .into_generator()
        .into_root_schema_for::<Manifest>();
    schema.insert("title".to_owned(), "dunlin.toml".into());
    RecursiveTransform(remove_null).transform(&mut schema);
    RecursiveTransform(join_lines).transform(&mut schema);
    schema
}

/// Comments are broken where the source's lines end; readers have lines of
/// their own.
fn join_lines(schema: &mut Schema) {
    if let Some(Value::String(text)) = schema
        .as_object_mut()
        .and_then(|keys| keys.get_mut("description"))
    {
        *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    }
}

/// What may be left out may be `null` in JSON. TOML has no such thing.
fn remove_null(schema: &mut Schema) {
    let Some(keys) = schema.as_object_mut() else {
        return;
    };
    if let Some(Value::Array(types)) = keys.get_mut("type") {
        types.retain(|it| it != "null");
        if let [only] = &mut types[..] {
            let only = only.take();
            keys.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = keys.get_mut("anyOf") {
        choices.retain(|it| it["type"] != "null");
        if let [only] = &mut choices[..] {
            let only = only.take();
            keys.remove("anyOf");
            // Beside a reference, draft 7 reads nothing else.
            keys.insert("allOf".to_owned(), Value::Array(vec![only]));
        }
    }
}
