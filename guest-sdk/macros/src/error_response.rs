//! `#[derive(ErrorResponse)]`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::parse::{Parse, ParseStream};
use syn::{
    Attribute, Data, DeriveInput, Error, Expr, ExprLit, Fields, Ident, Lit, LitInt, LitStr, Meta,
    Result, Token, Type, Variant, parse2,
};

/// The traits of an enum of errors.
pub(crate) fn expand(item: TokenStream) -> TokenStream {
    parse2::<DeriveInput>(item)
        .and_then(|input| expand_enum(&input))
        .unwrap_or_else(Error::into_compile_error)
}

fn expand_enum(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Enum(data) = &input.data else {
        return Err(Error::new_spanned(
            &input.ident,
            "`ErrorResponse` is for enums: make this one, with a variant for each status",
        ));
    };
    if data.variants.is_empty() {
        return Err(Error::new_spanned(
            &input.ident,
            "an enum without variants is no answer: add one, with its `#[status(…)]`",
        ));
    }
    // All mistakes at once.
    let mut mistakes: Option<Error> = None;
    let mut cases = Vec::new();
    for variant in &data.variants {
        match Case::read(variant) {
            Ok(case) => cases.push(case),
            Err(mistake) => match &mut mistakes {
                Some(mistakes) => mistakes.combine(mistake),
                None => mistakes = Some(mistake),
            },
        }
    }
    if let Some(mistakes) = mistakes {
        return Err(mistakes);
    }

    let name = &input.ident;
    let (impls, types, wheres) = input.generics.split_for_impl();
    let displays = cases.iter().map(|case| {
        let (pattern, text) = (&case.pattern, &case.text);
        quote!(#pattern => ::core::write!(f, #text))
    });
    let statuses = cases.iter().map(|case| {
        let (variant, status) = (case.name, &case.status);
        quote!(Self::#variant { .. } => #status)
    });
    let marks = cases.iter().map(|case| {
        let variant = case.name;
        let mark = format!("dunlin::ErrorResponse {}", case.status);
        quote!(Self::#variant { .. } => #mark)
    });
    let sources = cases.iter().filter_map(|case| {
        let (member, _) = case.source.as_ref()?;
        let variant = case.name;
        Some(quote! {
            Self::#variant { #member: source } => ::core::option::Option::Some(source)
        })
    });
    let described = cases.iter().map(|case| {
        let (status, description) = (&case.status, &case.description);
        quote! {
            operation.http_error(::core::option::Option::Some(#status), #description);
        }
    });
    let froms = cases.iter().filter_map(|case| {
        let (member, ty) = case.source.as_ref()?;
        let variant = case.name;
        Some(quote! {
            impl #impls ::core::convert::From<#ty> for #name #types #wheres {
                fn from(source: #ty) -> Self {
                    Self::#variant { #member: source }
                }
            }
        })
    });
    Ok(quote! {
        impl #impls ::core::fmt::Display for #name #types #wheres {
            #[allow(unused_variables, reason = "a text need not name every field")]
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                match self { #(#displays,)* }
            }
        }

        impl #impls ::core::error::Error for #name #types #wheres {
            fn source(&self) -> ::core::option::Option<&(dyn ::core::error::Error + 'static)> {
                match self {
                    #(#sources,)*
                    #[allow(unreachable_patterns, reason = "each variant may have a source")]
                    _ => ::core::option::Option::None,
                }
            }

            // The way by which `dunlin::Error`, which knows no more of an error
            // than this trait, learns that it is an answer.
            #[allow(deprecated, reason = "nothing else asks for it")]
            fn description(&self) -> &str {
                match self { #(#marks,)* }
            }
        }

        impl #impls ::dunlin::IntoResponse for #name #types #wheres {
            fn into_response(self) -> ::dunlin::Response {
                let status = match &self { #(#statuses,)* };
                ::dunlin::__private::answer_of(&self, status)
            }

            fn describe(operation: &mut ::dunlin::openapi::Operation) {
                #(#described)*
            }
        }

        impl #impls ::core::convert::From<#name #types> for ::dunlin::extract::Rejection #wheres {
            fn from(error: #name #types) -> Self {
                ::dunlin::extract::Rejection::Answer(::dunlin::IntoResponse::into_response(error))
            }
        }

        #(#froms)*
    })
}

/// One variant: one answer.
struct Case<'a> {
    name: &'a Ident,
    status: u16,
    /// The text as a format string, whose names `pattern` binds.
    text: LitStr,
    description: String,
    pattern: TokenStream,
    source: Option<(syn::Member, &'a Type)>,
}

/// What `#[status(…)]` says.
struct Status {
    code: LitInt,
    text: Option<LitStr>,
}

impl Parse for Status {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let code = input.parse()?;
        let mut text = None;
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
            if !input.is_empty() {
                text = Some(input.parse()?);
            }
        }
        if !input.is_empty() {
            return Err(input.error("nothing follows the text"));
        }
        Ok(Status { code, text })
    }
}

impl<'a> Case<'a> {
    fn read(variant: &'a Variant) -> Result<Self> {
        let Status { code, text } = status(variant)?;
        let status = match code.base10_parse::<u16>() {
            Ok(status @ 400..=599) => status,
            _ => {
                return Err(Error::new_spanned(
                    &code,
                    "an error's status is 400 to 599: `404`, `409`, `500`…",
                ));
            }
        };
        let source = source(variant)?;
        let documented = first_paragraph(&variant.attrs);
        let words = documented.as_deref().or_else(|| reason(status));
        let text = match text {
            Some(text) => text,
            None => LitStr::new(
                &words
                    .unwrap_or("Error")
                    .replace('{', "{{")
                    .replace('}', "}}"),
                variant.ident.span(),
            ),
        };
        let description = documented.unwrap_or_else(|| text.value());
        let text = with_names(&text, variant, source.is_some() && status >= 500)?;
        Ok(Case {
            name: &variant.ident,
            status,
            text,
            description,
            pattern: pattern(variant),
            source,
        })
    }
}

fn status(variant: &Variant) -> Result<Status> {
    let mut all = variant
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("status"));
    let Some(first) = all.next() else {
        return Err(Error::new_spanned(
            &variant.ident,
            "which status is it? Write `#[status(404, \"What the caller reads\")]` above it",
        ));
    };
    if let Some(second) = all.next() {
        return Err(Error::new_spanned(second, "a variant has one status"));
    }
    first.parse_args().map_err(|error| {
        Error::new(
            error.span(),
            format!(
                "{error}; write `#[status(404)]` or `#[status(404, \"What the caller reads\")]`"
            ),
        )
    })
}

/// The field that is `#[from]`.
fn source(variant: &Variant) -> Result<Option<(syn::Member, &Type)>> {
    let marked = |field: &syn::Field| field.attrs.iter().any(|one| one.path().is_ident("from"));
    let Some(place) = variant.fields.iter().position(marked) else {
        return Ok(None);
    };
    if variant.fields.len() > 1 {
        return Err(Error::new_spanned(
            &variant.fields,
            "`#[from]` stands at a variant's only field: the rest could not be made from the source",
        ));
    }
    let field = variant.fields.iter().nth(place);
    Ok(field.map(|field| {
        let member = match &field.ident {
            Some(name) => syn::Member::Named(name.clone()),
            None => syn::Member::from(place),
        };
        (member, &field.ty)
    }))
}

fn pattern(variant: &Variant) -> TokenStream {
    let name = &variant.ident;
    match &variant.fields {
        Fields::Unit => quote!(Self::#name),
        Fields::Named(fields) => {
            let names = fields.named.iter().map(|field| &field.ident);
            quote!(Self::#name { #(#names),* })
        }
        Fields::Unnamed(fields) => {
            let names = (0..fields.unnamed.len()).map(|index| format_ident!("field_{index}"));
            quote!(Self::#name(#(#names),*))
        }
    }
}

/// The text with `{0}` as `{field_0}`, and every name one of the variant's.
fn with_names(text: &LitStr, variant: &Variant, hides_source: bool) -> Result<LitStr> {
    let value = text.value();
    let mut named = String::new();
    let mut rest = value.as_str();
    while let Some(open) = rest.find('{') {
        let (before, after) = rest.split_at(open + 1);
        named.push_str(before);
        rest = after;
        if let Some(after) = rest.strip_prefix('{') {
            named.push('{');
            rest = after;
            continue;
        }
        let end = rest.find([':', '}']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        rest = after;
        let known = match name.parse::<usize>() {
            Ok(index) => {
                index < variant.fields.len()
                    && variant.fields.iter().any(|field| field.ident.is_none())
            }
            Err(_) => variant
                .fields
                .iter()
                .any(|field| field.ident.as_ref().is_some_and(|field| field == name)),
        };
        if !known {
            return Err(Error::new_spanned(
                text,
                format!(
                    "`{}` has no field `{name}`: {}",
                    variant.ident,
                    fields(variant)
                ),
            ));
        }
        if hides_source {
            return Err(Error::new_spanned(
                text,
                format!(
                    "`{{{name}}}` is the cause, which the log gets and the caller must not: leave it out"
                ),
            ));
        }
        if name.starts_with(|first: char| first.is_ascii_digit()) {
            named.push_str("field_");
        }
        named.push_str(name);
    }
    named.push_str(rest);
    Ok(LitStr::new(&named, text.span()))
}

/// What a text may name, in words.
fn fields(variant: &Variant) -> String {
    let names: Vec<_> = variant
        .fields
        .iter()
        .enumerate()
        .map(|(index, field)| match &field.ident {
            Some(name) => format!("`{{{name}}}`"),
            None => format!("`{{{index}}}`"),
        })
        .collect();
    if names.is_empty() {
        "it has none".to_owned()
    } else {
        format!("it has {}", names.join(", "))
    }
}

/// The documentation's first paragraph, without its full stop.
fn first_paragraph(attributes: &[Attribute]) -> Option<String> {
    let lines = attributes
        .iter()
        .filter_map(|attribute| match &attribute.meta {
            Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
                Expr::Lit(ExprLit {
                    lit: Lit::Str(text),
                    ..
                }) => Some(text.value()),
                _ => None,
            },
            _ => None,
        });
    let text = lines.collect::<Vec<_>>().join("\n");
    let lines: Vec<_> = text
        .trim()
        .lines()
        .map(str::trim)
        .take_while(|line| !line.is_empty())
        .collect();
    let paragraph = lines.join(" ");
    let paragraph = paragraph.strip_suffix('.').unwrap_or(&paragraph);
    (!paragraph.is_empty()).then(|| paragraph.to_owned())
}

/// The words that go with a status.
fn reason(status: u16) -> Option<&'static str> {
    Some(match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Payload Too Large",
        415 => "Unsupported Media Type",
        418 => "I'm a teapot",
        422 => "Unprocessable Entity",
        423 => "Locked",
        425 => "Too Early",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        507 => "Insufficient Storage",
        _ => return None,
    })
}
