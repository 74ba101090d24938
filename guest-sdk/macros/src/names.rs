//! The names that serde gives to fields and variants on the wire: problems
//! name them so.

use syn::{Attribute, LitStr, Result, Token};

/// What serde's attributes say of a type, a variant or a field.
#[derive(Default)]
pub(crate) struct Names {
    /// `rename`.
    pub(crate) renamed: Option<String>,
    /// `rename_all`: of a struct's fields, of an enum's variants.
    pub(crate) fields: Case,
    /// `rename_all_fields`: of the fields of an enum's variants.
    pub(crate) variant_fields: Case,
    /// `tag` or `untagged`: an enum's content is not inside its variant's name.
    pub(crate) tagged: bool,
    pub(crate) flattened: bool,
    pub(crate) skipped: bool,
}

impl Names {
    /// Reads `#[serde(…)]`; what is of no concern here is left to serde.
    pub(crate) fn of(attributes: &[Attribute]) -> Result<Self> {
        let mut names = Names::default();
        for attribute in attributes {
            if !attribute.path().is_ident("serde") {
                continue;
            }
            attribute.parse_nested_meta(|meta| {
                let name = meta.path.get_ident().map(ToString::to_string);
                let name = name.unwrap_or_default();
                if meta.input.peek(syn::token::Paren) {
                    // `rename(serialize = "…", deserialize = "…")`.
                    return meta.parse_nested_meta(|inner| {
                        let value: LitStr = inner.value()?.parse()?;
                        if inner.path.is_ident("deserialize") {
                            names.note(&name, Some(&value.value()));
                        }
                        Ok(())
                    });
                }
                let value = match meta.input.peek(Token![=]) {
                    true => match meta.value()?.parse::<syn::Expr>()? {
                        syn::Expr::Lit(syn::ExprLit {
                            lit: syn::Lit::Str(text),
                            ..
                        }) => Some(text.value()),
                        _ => None,
                    },
                    false => None,
                };
                names.note(&name, value.as_deref());
                Ok(())
            })?;
        }
        Ok(names)
    }

    fn note(&mut self, name: &str, value: Option<&str>) {
        match (name, value) {
            ("rename", Some(value)) => self.renamed = Some(value.to_owned()),
            ("rename_all", Some(value)) => self.fields = Case::of(value),
            ("rename_all_fields", Some(value)) => self.variant_fields = Case::of(value),
            ("tag" | "untagged", _) => self.tagged = true,
            ("flatten", _) => self.flattened = true,
            ("skip" | "skip_deserializing", _) => self.skipped = true,
            _ => {}
        }
    }
}

/// serde's `rename_all`.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) enum Case {
    /// As it is written.
    #[default]
    Same,
    Lower,
    Upper,
    Pascal,
    Camel,
    Snake,
    ScreamingSnake,
    Kebab,
    ScreamingKebab,
}

impl Case {
    fn of(name: &str) -> Self {
        match name {
            "lowercase" => Case::Lower,
            "UPPERCASE" => Case::Upper,
            "PascalCase" => Case::Pascal,
            "camelCase" => Case::Camel,
            "snake_case" => Case::Snake,
            "SCREAMING_SNAKE_CASE" => Case::ScreamingSnake,
            "kebab-case" => Case::Kebab,
            "SCREAMING-KEBAB-CASE" => Case::ScreamingKebab,
            // serde refuses it.
            _ => Case::Same,
        }
    }

    /// This case, or else that one.
    pub(crate) fn or(self, other: Case) -> Case {
        if self == Case::Same { other } else { self }
    }

    /// A field's name, which is written in snake case.
    pub(crate) fn field(self, name: &str) -> String {
        match self {
            Case::Same | Case::Lower | Case::Snake => name.to_owned(),
            Case::Upper | Case::ScreamingSnake => name.to_ascii_uppercase(),
            Case::Pascal => name.split('_').map(capitalized).collect(),
            Case::Camel => lower_first(&Case::Pascal.field(name)),
            Case::Kebab => name.replace('_', "-"),
            Case::ScreamingKebab => name.to_ascii_uppercase().replace('_', "-"),
        }
    }

    /// A variant's name, which is written in Pascal case.
    pub(crate) fn variant(self, name: &str) -> String {
        match self {
            Case::Same | Case::Pascal => name.to_owned(),
            Case::Lower => name.to_ascii_lowercase(),
            Case::Upper => name.to_ascii_uppercase(),
            Case::Camel => lower_first(name),
            Case::Snake => in_snake(name),
            Case::ScreamingSnake => in_snake(name).to_ascii_uppercase(),
            Case::Kebab => in_snake(name).replace('_', "-"),
            Case::ScreamingKebab => in_snake(name).to_ascii_uppercase().replace('_', "-"),
        }
    }
}

fn capitalized(word: &str) -> String {
    let (first, rest) = word.split_at(word.chars().next().map_or(0, char::len_utf8));
    first.to_uppercase() + rest
}

fn lower_first(word: &str) -> String {
    let (first, rest) = word.split_at(word.chars().next().map_or(0, char::len_utf8));
    first.to_lowercase() + rest
}

fn in_snake(name: &str) -> String {
    let mut snake = String::new();
    for (index, character) in name.char_indices() {
        if index > 0 && character.is_uppercase() {
            snake.push('_');
        }
        snake.extend(character.to_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_serdes() {
        let cases = [
            ("camelCase", "unitPrice", "madeToOrder"),
            ("PascalCase", "UnitPrice", "MadeToOrder"),
            ("kebab-case", "unit-price", "made-to-order"),
            ("SCREAMING_SNAKE_CASE", "UNIT_PRICE", "MADE_TO_ORDER"),
            ("SCREAMING-KEBAB-CASE", "UNIT-PRICE", "MADE-TO-ORDER"),
            ("lowercase", "unit_price", "madetoorder"),
            ("UPPERCASE", "UNIT_PRICE", "MADETOORDER"),
            ("snake_case", "unit_price", "made_to_order"),
        ];
        for (name, field, variant) in cases {
            let case = Case::of(name);
            assert_eq!(case.field("unit_price"), field);
            assert_eq!(case.variant("MadeToOrder"), variant);
        }
    }
}
