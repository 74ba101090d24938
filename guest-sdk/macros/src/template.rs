//! Path templates, checked while the function is compiled.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Error, Ident, LitStr, Result};

/// One segment of a path template.
#[derive(Debug, PartialEq)]
pub(crate) enum Segment {
    /// Exactly this text, as it is written in a URL.
    Literal(String),
    /// `{name}`: one segment that is not empty.
    Param(String),
    /// `{*name}`: everything up to the end of the path, not empty.
    Rest(String),
}

impl Segment {
    /// The parameter's name, for those that are one.
    pub(crate) fn param(&self) -> Option<&str> {
        match self {
            Segment::Literal(_) => None,
            Segment::Param(name) | Segment::Rest(name) => Some(name),
        }
    }

    /// The expression that builds this segment at run time.
    pub(crate) fn tokens(&self) -> TokenStream {
        match self {
            Segment::Literal(text) => quote!(::dunlin::routing::Segment::Literal(#text)),
            Segment::Param(name) => quote!(::dunlin::routing::Segment::Param(#name)),
            Segment::Rest(name) => quote!(::dunlin::routing::Segment::Rest(#name)),
        }
    }
}

/// Splits a template into its segments.
///
/// # Errors
/// A message that names the remedy, at the literal.
pub(crate) fn parse(literal: &LitStr) -> Result<Vec<Segment>> {
    parse_text(&literal.value()).map_err(|message| Error::new(literal.span(), message))
}

fn parse_text(template: &str) -> std::result::Result<Vec<Segment>, String> {
    let Some(path) = template.strip_prefix('/') else {
        return Err(format!("a path starts with `/`: write \"/{template}\""));
    };
    let mut segments: Vec<Segment> = Vec::new();
    for text in path.split('/') {
        if let Some(Segment::Rest(name)) = segments.last() {
            return Err(format!(
                "`{{*{name}}}` takes the rest of the path: nothing may follow it"
            ));
        }
        let segment = parse_segment(text)?;
        if let Some(name) = segment.param()
            && segments.iter().any(|earlier| earlier.param() == Some(name))
        {
            return Err(format!(
                "`{{{name}}}` occurs twice: each parameter needs a name of its own"
            ));
        }
        segments.push(segment);
    }
    Ok(segments)
}

fn parse_segment(text: &str) -> std::result::Result<Segment, String> {
    let unescaped = text.replace("{{", "").replace("}}", "");
    if !unescaped.contains(['{', '}']) {
        return parse_literal(text);
    }
    let Some(name) = text
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'))
    else {
        return Err(format!(
            "`{text}`: a parameter is a whole segment, as in `/{{name}}/`; take the segment and \
             split it in the function (for a literal brace write `{{{{` or `}}}}`)"
        ));
    };
    let (name, rest) = match name.strip_prefix('*') {
        Some(name) => (name, true),
        None => (name, false),
    };
    if syn::parse_str::<Ident>(name).is_err() {
        return Err(format!(
            "`{text}`: a parameter's name is an identifier, e.g. `{{item_id}}`{}",
            if name.contains(':') {
                "; its type is that of the function's `Path` argument"
            } else {
                ""
            }
        ));
    }
    Ok(if rest {
        Segment::Rest(name.to_owned())
    } else {
        Segment::Param(name.to_owned())
    })
}

fn parse_literal(text: &str) -> std::result::Result<Segment, String> {
    let text = text.replace("{{", "{").replace("}}", "}");
    if let Some(name) = text.strip_prefix(':') {
        return Err(format!("`{text}`: write `{{{name}}}` for a parameter"));
    }
    if text.contains('<') && text.contains('>') {
        let name = text.replace(['<', '>'], "");
        return Err(format!("`{text}`: write `{{{name}}}` for a parameter"));
    }
    if text.contains(['?', '#']) {
        return Err(format!(
            "`{text}`: a path has no query; take it with a `Query<T>` argument"
        ));
    }
    match text.chars().find(|c| !is_path_character(*c)) {
        Some(character) => {
            let mut buffer = [0; 4];
            let encoded: String = character
                .encode_utf8(&mut buffer)
                .bytes()
                .map(|byte| format!("%{byte:02X}"))
                .collect();
            Err(format!(
                "`{character}` cannot stand in a URL's path as it is: write `{encoded}`"
            ))
        }
        None => Ok(Segment::Literal(text)),
    }
}

/// `pchar` of RFC 3986, and braces, which clients send as they are.
fn is_path_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@%{}".contains(character)
}

/// The names of a template's parameters, in order.
pub(crate) fn params(segments: &[Segment]) -> Vec<&str> {
    segments.iter().filter_map(Segment::param).collect()
}

/// An error at the attribute itself, where no better place is known.
pub(crate) fn at_attribute(message: &str) -> Error {
    Error::new(Span::call_site(), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments() {
        let literal = |text: &str| Segment::Literal(text.into());
        assert_eq!(parse_text("/"), Ok(vec![literal("")]));
        assert_eq!(
            parse_text("/items/{id}/"),
            Ok(vec![
                literal("items"),
                Segment::Param("id".into()),
                literal("")
            ])
        );
        assert_eq!(
            parse_text("/files/{*path}"),
            Ok(vec![literal("files"), Segment::Rest("path".into())])
        );
        assert_eq!(parse_text("/{{id}}"), Ok(vec![literal("{id}")]));
    }

    #[test]
    fn mistakes_name_their_remedy() {
        let message = |template| parse_text(template).unwrap_err();
        assert!(message("items").contains("write \"/items\""));
        assert!(message("/items/:id").contains("write `{id}`"));
        assert!(message("/items/<id>").contains("write `{id}`"));
        assert!(message("/img-{id}.png").contains("whole segment"));
        assert!(message("/{*rest}/more").contains("nothing may follow"));
        assert!(message("/{id}/{id}").contains("twice"));
        assert!(message("/{id:u32}").contains("type is that of"));
        assert!(message("/{}").contains("identifier"));
        assert!(message("/items?limit=1").contains("Query<T>"));
        assert!(message("/caf\u{e9}").contains("%C3%A9"));
    }
}
