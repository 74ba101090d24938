//! `#[dependency]`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Error, Ident, ItemFn, Path, Result, ReturnType, Token, Type, parse2};

use crate::inputs::{Inputs, value_name};
use crate::route::{last_name, type_arguments};

/// The function, without its arguments' attributes, and beside it `Dependency` for what it answers.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let original = item.clone();
    let mut function = match parse2::<ItemFn>(item) {
        Ok(function) => function,
        Err(error) => {
            let error = Error::new(error.span(), "#[dependency] stands above a function");
            let error = error.into_compile_error();
            return quote!(#original #error);
        }
    };
    let dependency = expand_dependency(arguments, &mut function)
        // The function stays, so that the rest of the file still compiles.
        .unwrap_or_else(Error::into_compile_error);
    quote!(#function #dependency)
}

fn expand_dependency(arguments: TokenStream, function: &mut ItemFn) -> Result<TokenStream> {
    if let Some(parameter) = function.sig.generics.params.first() {
        return Err(Error::new_spanned(
            parameter,
            "a provider cannot be generic: write one function for each type",
        ));
    }
    // Whatever is wrong besides: the arguments' attributes must come off. The
    // path is that of each route which asks; so nothing is taken of it by name.
    let inputs = Inputs::take(function, &[]);
    let Settings { teardown } = parse2(arguments)?;
    let inputs = inputs?;
    inputs
        .extractors()
        .into_iter()
        .try_for_each(check_argument)?;
    let (types, models) = (&inputs.extracted, &inputs.models);
    let Answer { value, error } = answer(function)?;

    let name = &function.sig.ident;
    let wait = function.sig.asyncness.map(|_| quote!(.await));
    let arguments = inputs.values();
    let values: Vec<_> = (0..types.len()).map(value_name).collect();
    let taken = types.iter().zip(&values).map(|(ty, value)| {
        quote_spanned! {ty.span()=>
            let #value: ::core::option::Option<#ty> = extraction.head(parts).await;
        }
    });
    let take = (!types.is_empty()).then(|| {
        quote! {
            let mut extraction = ::dunlin::__private::Extraction::new();
            #(#taken)*
            let (#(::core::option::Option::Some(#values),)*) = (#(#values,)*) else {
                return ::core::result::Result::Err(extraction.into_rejection());
            };
        }
    });
    let provided = match error {
        Some(error) => quote_spanned! {error.span()=>
            #name(#(#arguments),*)#wait.map_err(::dunlin::__private::rejection)
        },
        None => quote!(::core::result::Result::Ok(#name(#(#arguments),*)#wait)),
    };
    let describe_arguments = types.iter().map(|ty| {
        quote_spanned! {ty.span()=>
            <#ty as ::dunlin::extract::FromRequestParts>::describe(operation);
        }
    });
    let describe_error = error.map(|error| {
        quote_spanned! {error.span()=>
            <#error as ::dunlin::IntoResponse>::describe(operation);
        }
    });
    let teardown = teardown.map(|teardown| {
        quote_spanned! {teardown.span()=>
            async fn teardown(self) {
                #teardown(self).await
            }
        }
    });

    Ok(quote! {
        const _: () = {
        #models

        impl ::dunlin::Dependency for #value {
            type Rejection = ::dunlin::extract::Rejection;

            async fn provide(
                parts: &mut ::dunlin::Parts,
            ) -> ::core::result::Result<Self, ::dunlin::extract::Rejection> {
                let _ = &parts;
                #take
                #provided
            }

            #teardown

            fn describe(operation: &mut ::dunlin::openapi::Operation) {
                let _ = &operation;
                #(#describe_arguments)*
                #describe_error
            }
        }
        };
    })
}

/// Refuses what takes the body.
fn check_argument(ty: &Type) -> Result<()> {
    let takes_the_body = [
        "Json",
        "Form",
        "Multipart",
        "MultipartForm",
        "Body",
        "String",
        "Vec",
        "Request",
    ];
    match last_name(ty) {
        Some(name) if takes_the_body.contains(&name.as_str()) => Err(Error::new_spanned(
            ty,
            format!(
                "a dependency sees the request's head only: take `{name}` in the handler, and \
                 hand it on"
            ),
        )),
        _ => Ok(()),
    }
}

/// What the function answers.
struct Answer<'f> {
    value: &'f Type,
    /// Of a `Result`.
    error: Option<&'f Type>,
}

fn answer(function: &ItemFn) -> Result<Answer<'_>> {
    let ReturnType::Type(_, answer) = &function.sig.output else {
        return Err(Error::new_spanned(
            &function.sig,
            "what does it provide? write `-> User` or `-> Result<User, HttpError>`",
        ));
    };
    let answer = match last_name(answer).as_deref() {
        Some("Result") => match type_arguments(answer).as_slice() {
            [value, error] => Answer {
                value,
                error: Some(error),
            },
            _ => {
                return Err(Error::new_spanned(
                    answer,
                    "write the error too: `Result<User, HttpError>`",
                ));
            }
        },
        _ => Answer {
            value: answer,
            error: None,
        },
    };
    let foreign = match answer.value {
        Type::Path(path) => last_name(answer.value).is_some_and(|name| {
            const FOREIGN: [&str; 10] = [
                "String", "Vec", "Option", "Rc", "Arc", "Box", "HashMap", "BTreeMap", "bool", "str",
            ];
            let number = name.len() <= 5
                && name.starts_with(['u', 'i', 'f'])
                && name[1..].parse::<u8>().is_ok();
            path.qself.is_none() && (number || FOREIGN.contains(&name.as_str()))
        }),
        _ => true,
    };
    if foreign {
        return Err(Error::new_spanned(
            answer.value,
            "a dependency is found by its type, so it needs one of its own: wrap this in a struct",
        ));
    }
    Ok(answer)
}

/// What the attribute says.
struct Settings {
    teardown: Option<Path>,
}

impl Parse for Settings {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        if input.is_empty() {
            return Ok(Settings { teardown: None });
        }
        let name: Ident = input.parse()?;
        if name != "teardown" {
            let message = format!("unknown argument `{name}`: it may be `teardown = close`");
            return Err(Error::new_spanned(name, message));
        }
        let usage = "write `teardown = close`, the path of an `async fn` that takes the value";
        let teardown = input
            .parse::<Token![=]>()
            .and_then(|_| input.parse::<Path>())
            .map_err(|error| Error::new(error.span(), usage))?;
        if input.is_empty() {
            return Ok(Settings {
                teardown: Some(teardown),
            });
        }
        Err(input.error(usage))
    }
}
