//! `#[field(…)]`: the rules of one field, and what its schema says beside them.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Error, Expr, Ident, Lit, LitStr, Path, Result, Token, UnOp, bracketed};

const KNOWN: &str = "`gt`, `ge`, `lt`, `le`, `multiple_of`, `min_length`, `max_length`, `pattern`, \
     `format`, `check`, `default`, `alias`, `title`, `description`, `example`, `examples` and \
     `deprecated`";

/// The formats, and the functions in `dunlin::model::formats` that check them.
const FORMATS: [(&str, &str); 8] = [
    ("email", "email"),
    ("uri", "uri"),
    ("url", "uri"),
    ("uuid", "uuid"),
    ("ipv4", "ipv4"),
    ("ipv6", "ipv6"),
    ("date", "date"),
    ("date-time", "date_time"),
];

/// What stands in `#[field(…)]`.
#[derive(Default)]
pub(crate) struct Rules {
    /// The checks, of `value` and `check`.
    pub(crate) checks: Vec<TokenStream>,
    /// Attributes of the field that say the same to serde and to its schema.
    pub(crate) attributes: Vec<TokenStream>,
    /// `min = …` and `max = …`: schemars takes both at once.
    lengths: Vec<TokenStream>,
    /// What stands for a missing value.
    pub(crate) default: Option<Fallback>,
    /// The name on the wire.
    pub(crate) alias: Option<LitStr>,
}

/// `default` or `default = expression`.
pub(crate) enum Fallback {
    OfType,
    Value(Box<Expr>),
}

impl Rules {
    /// Takes `#[field(…)]` off the attributes, and reads it.
    pub(crate) fn take(attributes: &mut Vec<Attribute>) -> Result<Self> {
        let mut rules = Rules::default();
        let mut error: Option<Error> = None;
        attributes.retain(|attribute| {
            if !attribute.path().is_ident("field") {
                return true;
            }
            let read = attribute.parse_args_with(Punctuated::<Rule, Token![,]>::parse_terminated);
            if let Err(wrong) = read.and_then(|read| rules.add_all(read)) {
                match &mut error {
                    Some(error) => error.combine(wrong),
                    None => error = Some(wrong),
                }
            }
            false
        });
        match error {
            Some(error) => Err(error),
            None => {
                rules.finish();
                Ok(rules)
            }
        }
    }

    /// Adds what stands between the parentheses.
    pub(crate) fn add_all(&mut self, all: impl IntoIterator<Item = Rule>) -> Result<()> {
        all.into_iter().try_for_each(|rule| self.add(rule))
    }

    fn finish(&mut self) {
        let lengths = std::mem::take(&mut self.lengths);
        if !lengths.is_empty() {
            self.attributes
                .push(quote!(#[schemars(length(#(#lengths),*))]));
        }
    }

    fn add(&mut self, rule: Rule) -> Result<()> {
        let Rule { name, value } = rule;
        let text = name.to_string();
        match (text.as_str(), value) {
            ("gt", value) => self.number(&name, value, "Gt", "exclusiveMinimum"),
            ("ge", value) => self.number(&name, value, "Ge", "minimum"),
            ("lt", value) => self.number(&name, value, "Lt", "exclusiveMaximum"),
            ("le", value) => self.number(&name, value, "Le", "maximum"),
            ("multiple_of", value) => self.number(&name, value, "MultipleOf", "multipleOf"),
            ("min_length", value) => self.length(&name, value, "min"),
            ("max_length", value) => self.length(&name, value, "max"),
            ("pattern", value) => self.pattern(&text_of(&name, value)?),
            ("format", value) => self.format(&text_of(&name, value)?),
            ("check", Some(Value::Expr(value))) => {
                self.checks
                    .push(quote_spanned!(value.span()=> check.result((#value)(value));));
                Ok(())
            }
            ("check", _) => Err(expects(&name, "check = a_function")),
            ("default", None) => {
                self.default = Some(Fallback::OfType);
                Ok(())
            }
            ("default", Some(Value::Expr(value))) => {
                self.default = Some(Fallback::Value(Box::new(value)));
                Ok(())
            }
            ("default", _) => Err(expects(&name, "default = 10")),
            ("alias", value) => {
                self.alias = Some(text_of(&name, value)?);
                Ok(())
            }
            ("title" | "description", value) => {
                let value = text_of(&name, value)?;
                self.attributes.push(quote!(#[schemars(#name = #value)]));
                Ok(())
            }
            ("example", Some(Value::Expr(value))) => {
                self.extend("examples", &quote!([#value]));
                Ok(())
            }
            ("examples", Some(Value::List(values))) => {
                self.extend("examples", &quote!([#(#values),*]));
                Ok(())
            }
            ("example" | "examples", _) => {
                Err(expects(&name, "example = 1` or `examples = [1, 2]"))
            }
            ("deprecated", None) => {
                self.extend("deprecated", &quote!(true));
                Ok(())
            }
            ("deprecated", _) => Err(expects(&name, "deprecated")),
            ("min_items" | "max_items", _) => {
                let message = format!("write `{}`", text.replace("items", "length"));
                Err(Error::new_spanned(name, message))
            }
            _ => {
                let message = format!("unknown rule `{name}`: there are {KNOWN}");
                Err(Error::new_spanned(name, message))
            }
        }
    }

    fn extend(&mut self, key: &str, value: &TokenStream) {
        self.attributes
            .push(quote!(#[schemars(extend(#key = #value))]));
    }

    fn number(&mut self, name: &Ident, value: Option<Value>, rule: &str, key: &str) -> Result<()> {
        let example = format!("{name} = 10");
        let Some(Value::Expr(bound)) = value else {
            return Err(expects(name, &example));
        };
        let kind = match literal(&bound) {
            Some(Lit::Int(_)) => quote!(Integer),
            Some(Lit::Float(_)) => quote!(Float),
            _ => {
                let message = format!("a bound is a number: write `{example}`");
                return Err(Error::new_spanned(bound, message));
            }
        };
        let rule = Ident::new(rule, name.span());
        let number = Ident::new("number", name.span());
        self.checks.push(quote_spanned! {name.span()=>
            ::dunlin::model::rules::#number(
                value,
                ::dunlin::model::rules::NumberRule::#rule,
                ::dunlin::model::rules::Number::#kind(#bound),
                check,
            );
        });
        self.extend(key, &bound.to_token_stream());
        Ok(())
    }

    fn length(&mut self, name: &Ident, value: Option<Value>, key: &str) -> Result<()> {
        let example = format!("{name} = 3");
        let Some(Value::Expr(bound)) = value else {
            return Err(expects(name, &example));
        };
        if !matches!(literal(&bound), Some(Lit::Int(_))) {
            let message = format!("a length is a whole number: write `{example}`");
            return Err(Error::new_spanned(bound, message));
        }
        let key = Ident::new(key, Span::call_site());
        self.checks.push(
            quote_spanned!(name.span()=> ::dunlin::model::rules::#name(value, #bound, check);),
        );
        self.lengths.push(quote!(#key = #bound));
        Ok(())
    }

    fn pattern(&mut self, pattern: &LitStr) -> Result<()> {
        if let Err(error) = regex_lite::Regex::new(&pattern.value()) {
            let message = format!("not a regular expression: {error}");
            return Err(Error::new_spanned(pattern, message));
        }
        self.checks.push(quote_spanned! {pattern.span()=> {
            static PATTERN: ::std::sync::LazyLock<::dunlin::__private::Regex> =
                ::std::sync::LazyLock::new(|| {
                    ::dunlin::__private::Regex::new(#pattern).expect("was checked by the compiler")
                });
            ::dunlin::model::rules::pattern(value, &PATTERN, check);
        }});
        self.attributes
            .push(quote!(#[schemars(regex(pattern = #pattern))]));
        Ok(())
    }

    fn format(&mut self, format: &LitStr) -> Result<()> {
        let name = format.value();
        let Some((_, function)) = FORMATS.iter().find(|(known, _)| *known == name) else {
            let known = FORMATS.map(|(known, _)| format!("\"{known}\"")).join(", ");
            let message = format!("unknown format: there are {known}; else `check = a_function`");
            return Err(Error::new_spanned(format, message));
        };
        let function = Ident::new(function, format.span());
        self.checks.push(quote_spanned! {format.span()=>
            ::dunlin::model::rules::format(
                value,
                #name,
                ::dunlin::model::formats::#function,
                check,
            );
        });
        let name = if name == "url" { "uri" } else { &name };
        self.extend("format", &quote!(#name));
        Ok(())
    }
}

fn expects(name: &Ident, example: &str) -> Error {
    Error::new_spanned(name, format!("write `{example}`"))
}

fn text_of(name: &Ident, value: Option<Value>) -> Result<LitStr> {
    if let Some(Value::Expr(value)) = &value
        && let Some(Lit::Str(text)) = literal(value)
    {
        return Ok(text.clone());
    }
    Err(expects(name, &format!("{name} = \"…\"")))
}

/// The literal, behind its sign if it has one.
pub(crate) fn literal(value: &Expr) -> Option<&Lit> {
    match value {
        Expr::Lit(literal) => Some(&literal.lit),
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => literal(&unary.expr),
        _ => None,
    }
}

/// `name` or `name = value`.
pub(crate) struct Rule {
    name: Ident,
    value: Option<Value>,
}

enum Value {
    Expr(Expr),
    List(Vec<Expr>),
}

impl Parse for Rule {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let name = input
            .parse::<Ident>()
            .map_err(|error| Error::new(error.span(), format!("rules are {KNOWN}")))?;
        if input.parse::<Option<Token![=]>>()?.is_none() {
            return Ok(Rule { name, value: None });
        }
        let value = if name == "examples" && input.peek(syn::token::Bracket) {
            let content;
            bracketed!(content in input);
            let values = Punctuated::<Expr, Token![,]>::parse_terminated(&content)?;
            Value::List(values.into_iter().collect())
        } else {
            Value::Expr(input.parse()?)
        };
        Ok(Rule {
            name,
            value: Some(value),
        })
    }
}

/// What `#[model(…)]` says of the type as a whole.
#[derive(Default)]
pub(crate) struct ModelArguments {
    /// Functions that check the whole value.
    pub(crate) checks: Vec<Path>,
}

impl Parse for ModelArguments {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut arguments = ModelArguments::default();
        while !input.is_empty() {
            let name: Ident = input.parse()?;
            if name != "check" {
                let message =
                    format!("unknown argument `{name}`: `#[model]` takes `check = a_function`");
                return Err(Error::new_spanned(name, message));
            }
            input.parse::<Token![=]>()?;
            arguments.checks.push(input.parse()?);
            input.parse::<Option<Token![,]>>()?;
        }
        Ok(arguments)
    }
}
