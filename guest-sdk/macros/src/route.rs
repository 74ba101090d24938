//! `#[get("/path")]` and its siblings.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, ItemFn, LitInt, LitStr, Meta, Result, ReturnType, Type, parse2};

use crate::arguments;
use crate::inputs::{Inputs, value_name};
use crate::template::{self, Segment};
use crate::websocket;

/// What an attribute makes of a function.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It answers requests of this method.
    Http(&'static str),
    /// It runs WebSockets.
    WebSocket,
}

impl Kind {
    /// The attribute's name.
    fn attribute(self) -> String {
        match self {
            Kind::Http(method) => method.to_lowercase(),
            Kind::WebSocket => "websocket".to_owned(),
        }
    }
}

/// More than this many arguments are too many for clippy.
const MANY_ARGUMENTS: usize = 7;

/// The function, without its arguments' attributes, and beside it a type of the same name that
/// describes the route. (Types and functions have namespaces of their own, so
/// whoever imports one imports both.)
pub(crate) fn expand(kind: Kind, arguments: TokenStream, item: TokenStream) -> TokenStream {
    let original = item.clone();
    let mut function = match parse2::<ItemFn>(item) {
        Ok(function) => function,
        Err(error) => {
            let place = format!("#[{}] stands above a function", kind.attribute());
            let error = Error::new(error.span(), place).into_compile_error();
            return quote!(#original #error);
        }
    };
    let route = expand_route(kind, arguments, &mut function)
        // The function stays, so that the rest of the file still compiles.
        .unwrap_or_else(Error::into_compile_error);
    if function.sig.inputs.len() > MANY_ARGUMENTS {
        function.attrs.push(syn::parse_quote! {
            #[allow(clippy::too_many_arguments, reason = "each is a part of the request")]
        });
    }
    quote!(#function #route)
}

fn expand_route(kind: Kind, arguments: TokenStream, function: &mut ItemFn) -> Result<TokenStream> {
    let arguments = arguments::parse(&kind.attribute(), arguments);
    let status = status_attribute(function);
    let params = match &arguments {
        Ok(arguments) => template::parse(&arguments.path).map(|segments| {
            let params = template::params(&segments).into_iter();
            params.map(str::to_owned).collect()
        }),
        Err(_) => Ok(Vec::new()),
    };
    // Even if the attribute is wrong: the arguments' own must come off.
    let inputs = Inputs::take(function, &params.unwrap_or_default());
    let mut arguments = arguments?;
    arguments.status = status?.or(arguments.status);
    let segments = template::parse(&arguments.path)?;
    let inputs = inputs?;
    let named = |segment: &Segment| {
        let param = segment.param();
        param.is_some_and(|param| inputs.named.iter().any(|named| named == param))
    };
    let left: Vec<&str> = segments
        .iter()
        .filter(|segment| !named(segment))
        .filter_map(Segment::param)
        .collect();
    check_path_arguments(&arguments.path, &left, &inputs)?;
    let (method, kind_name) = match kind {
        Kind::Http(method) => {
            websocket::check_absent(&arguments, &inputs)?;
            (method, quote!(Http))
        }
        Kind::WebSocket => {
            websocket::check(&mut arguments, function, &inputs)?;
            ("GET", quote!(WebSocket))
        }
    };

    let name = &function.sig.ident;
    let visibility = &function.vis;
    let text = name.to_string();
    let text = text.strip_prefix("r#").unwrap_or(&text);
    let lane = match function.sig.asyncness {
        Some(_) => quote!(Async),
        None => quote!(Blocking),
    };
    let (summary, description) = documentation(function, text);
    let segments = segments.iter().map(Segment::tokens);
    let call = call(kind, function, &inputs, &arguments.protocols);
    let answer = match &arguments.status {
        Some(status) => quote! {
            let answer: ::dunlin::Response = async move { #call }.await;
            answer.with_success_status(#status)
        },
        None => call,
    };
    let describe = match kind {
        Kind::Http(_) => describe(function, &inputs),
        Kind::WebSocket => quote!(let _ = operation;),
    };
    let models = &inputs.models;
    let layers = arguments.layers();
    let call = quote!(|request| ::std::boxed::Box::pin(async move { #answer }));
    let call = match layers.as_slice() {
        [] => call,
        _ => quote!(|request| ::dunlin::middleware::Next::new(LAYERS, #call).run(request)),
    };

    Ok(quote! {
        #[doc(hidden)]
        #[allow(non_camel_case_types)]
        #visibility struct #name {}

        impl ::dunlin::routing::Handler for #name {
            const ROUTE: ::dunlin::routing::Route = {
              #models
              const LAYERS: ::dunlin::middleware::Layers = &[#(#layers),*];
              ::dunlin::routing::Route {
                method: #method,
                #arguments
                segments: &[#(#segments),*],
                lane: ::dunlin::routing::Lane::#lane,
                kind: ::dunlin::routing::Kind::#kind_name,
                name: #text,
                summary: #summary,
                description: #description,
                operation: |operation| { #describe },
                middleware: LAYERS,
                call: #call,
              }
            };
        }
    })
}

/// `#[status(201)]` below the route's attribute, which takes it off.
fn status_attribute(function: &mut ItemFn) -> Result<Option<LitInt>> {
    let is_status = |attribute: &syn::Attribute| attribute.path().is_ident("status");
    let Some(place) = function.attrs.iter().position(is_status) else {
        return Ok(None);
    };
    let attribute = function.attrs.remove(place);
    let status = attribute
        .parse_args::<LitInt>()
        .map_err(|_| Error::new_spanned(&attribute, "write `#[status(201)]`"))?;
    arguments::checked_status(status).map(Some)
}

/// What the names tell: a parameter that nothing takes is a mistake, and so is
/// a tuple of the wrong length. Arguments of unknown types may take anything.
fn check_path_arguments(path: &LitStr, params: &[&str], inputs: &Inputs) -> Result<()> {
    let types = inputs.extractors();
    let Some(argument) = types
        .iter()
        .find(|ty| last_name(ty).as_deref() == Some("Path"))
    else {
        let known = [
            "Query",
            "Json",
            "Headers",
            "HeaderMap",
            "Method",
            "Body",
            "String",
            "Vec",
            "WebSocket",
        ];
        let unclaimed = types
            .iter()
            .all(|ty| last_name(ty).is_some_and(|name| known.contains(&name.as_str())));
        return match params {
            [name] if unclaimed => Err(Error::new(
                path.span(),
                format!("nothing takes `{{{name}}}`: add the argument `{name}: String`"),
            )),
            [_, _, ..] if unclaimed => {
                let arguments = params.join(": String, ");
                Err(Error::new(
                    path.span(),
                    format!(
                        "nothing takes the path's parameters: add the arguments \
                         `{arguments}: String`"
                    ),
                ))
            }
            _ => Ok(()),
        };
    };
    if params.is_empty() {
        return Err(Error::new_spanned(
            argument,
            format!(
                "the path \"{}\" has no parameters: write one as `{{name}}`",
                path.value()
            ),
        ));
    }
    match path_type(argument) {
        Some(Type::Tuple(tuple))
            if !tuple.elems.is_empty() && tuple.elems.len() != params.len() =>
        {
            Err(Error::new_spanned(
                tuple,
                format!(
                    "this takes {} parameters, but the path has {}: `{{{}}}`",
                    tuple.elems.len(),
                    params.len(),
                    params.join("}`, `{")
                ),
            ))
        }
        Some(ty) if params.len() > 1 && is_scalar(ty) => Err(Error::new_spanned(
            ty,
            format!(
                "this takes one parameter, but the path has {}: take a tuple, \
                 `Path(({})): Path<(…)>`",
                params.len(),
                params.join(", ")
            ),
        )),
        _ => Ok(()),
    }
}

/// The last name of a type's path: `Json` of `dunlin::extract::Json<T>`.
pub(crate) fn last_name(ty: &Type) -> Option<String> {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
        _ => None,
    }
}

/// The `T` of `Path<T>`.
fn path_type(ty: &Type) -> Option<&Type> {
    type_arguments(ty).first().copied()
}

/// The `T` and `E` of `Result<T, E>`.
pub(crate) fn type_arguments(ty: &Type) -> Vec<&Type> {
    let Type::Path(path) = ty else {
        return Vec::new();
    };
    let last = path.path.segments.last();
    let Some(syn::PathArguments::AngleBracketed(arguments)) = last.map(|last| &last.arguments)
    else {
        return Vec::new();
    };
    let types = arguments.args.iter().filter_map(|argument| match argument {
        syn::GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    types.collect()
}

pub(crate) fn is_scalar(ty: &Type) -> bool {
    const SCALARS: [&str; 17] = [
        "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize",
        "f32", "f64", "bool", "char", "String",
    ];
    last_name(ty).is_some_and(|name| SCALARS.contains(&name.as_str()))
}

/// Extracts every argument, so that one answer lists all that is wrong, then
/// calls the function.
fn call(kind: Kind, function: &ItemFn, inputs: &Inputs, protocols: &[LitStr]) -> TokenStream {
    // The span is where the compiler reports an answer that is none.
    let mut name = function.sig.ident.clone();
    let answer_span = match &function.sig.output {
        ReturnType::Default => name.span(),
        ReturnType::Type(_, ty) => ty.span(),
    };
    name.set_span(answer_span);
    let wait = function
        .sig
        .asyncness
        .map(|_| quote_spanned!(answer_span=> .await));
    let types = &inputs.extracted;
    let arguments = inputs.values();
    let values: Vec<_> = (0..types.len()).map(value_name).collect();
    let answer = match kind {
        Kind::Http(_) => quote_spanned! {answer_span=>
            ::dunlin::IntoResponse::into_response(#name(#(#arguments),*)#wait)
        },
        Kind::WebSocket => websocket::answer(function, protocols, &values, arguments),
    };
    let Some((last, parts)) = types.split_last() else {
        return quote! { let _: ::dunlin::Request = request; #answer };
    };
    let parts = parts.iter().zip(&values).map(|(ty, value)| {
        quote_spanned! {ty.span()=>
            let #value: ::core::option::Option<#ty> = extraction.part(&mut request).await;
        }
    });
    let last_value = &values[values.len() - 1];
    let last = quote_spanned! {last.span()=>
        let #last_value: ::core::option::Option<#last> = extraction.last(request).await;
    };
    let mutable = (types.len() > 1).then(|| quote!(let mut request = request;));
    quote! {
        #mutable
        let mut extraction = ::dunlin::__private::Extraction::new();
        #(#parts)*
        #last
        let (#(::core::option::Option::Some(#values),)*) = (#(#values,)*) else {
            return extraction.into_response();
        };
        #answer
    }
}

/// Describes every argument, and the answer: the compiler finds its type, which
/// may be an `impl IntoResponse`.
fn describe(function: &ItemFn, inputs: &Inputs) -> TokenStream {
    let types = &inputs.types;
    let name = &function.sig.ident;
    let values: Vec<_> = (0..types.len()).map(value_name).collect();
    let answer = match function.sig.asyncness {
        Some(_) => quote!(future_answer),
        None => quote!(answer),
    };
    let arguments = inputs.extracted.split_last().map(|(last, parts)| {
        quote! {
            #(<#parts as ::dunlin::extract::FromRequestParts>::describe(operation);)*
            ::dunlin::__private::last_argument::<#last, _>(operation);
        }
    });
    quote! {
        #arguments
        ::dunlin::__private::#answer(
            operation,
            |(#(#values,)*): (#(#types,)*)| #name(#(#values),*),
        );
    }
}

/// Summary and description: the doc comment's first paragraph and the rest.
/// Without a doc comment the summary is the function's name in words.
fn documentation(function: &ItemFn, name: &str) -> (String, String) {
    let lines: Vec<String> = function
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("doc"))
        .filter_map(|attribute| match &attribute.meta {
            Meta::NameValue(doc) => match &doc.value {
                syn::Expr::Lit(literal) => match &literal.lit {
                    syn::Lit::Str(text) => Some(text.value()),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        })
        .collect();
    let text = lines
        .iter()
        .flat_map(|line| line.split('\n'))
        .map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end())
        .collect::<Vec<_>>()
        .join("\n");
    match text.trim().split_once("\n\n") {
        Some((first, rest)) => (first.replace('\n', " "), rest.trim().to_owned()),
        None if text.trim().is_empty() => (in_words(name), String::new()),
        None => (text.trim().replace('\n', " "), String::new()),
    }
}

/// `read_item` becomes `Read Item`, as FastAPI has it.
fn in_words(name: &str) -> String {
    name.split('_')
        .filter(|word| !word.is_empty())
        .map(|word| {
            let (first, rest) = word.split_at(word.chars().next().map_or(0, char::len_utf8));
            first.to_uppercase() + rest
        })
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(source: &str) -> ItemFn {
        syn::parse_str(source).unwrap()
    }

    #[test]
    fn documentation_is_split_at_the_first_empty_line() {
        let function = parsed(
            "/// Reads\n/// one item.\n///\n/// At length.\n///\n/// And more.\nfn read_item() {}",
        );
        let (summary, description) = documentation(&function, "read_item");
        assert_eq!(summary, "Reads one item.");
        assert_eq!(description, "At length.\n\nAnd more.");
    }

    #[test]
    fn without_documentation_the_name_is_the_summary() {
        let (summary, description) = documentation(&parsed("fn read_item() {}"), "read_item");
        assert_eq!((summary.as_str(), description.as_str()), ("Read Item", ""));
    }
}
