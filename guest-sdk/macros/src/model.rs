//! `#[model]`: all that a type needs to cross the wire.

use proc_macro2::TokenStream;
use quote::quote;
use syn::punctuated::Punctuated;
use syn::{DeriveInput, Error, Path, Result, Token, parse2};

/// The type with its derives, and its `Model`.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    match expand_model(arguments, item.clone()) {
        Ok(model) => model,
        Err(error) => {
            // The type stays, so that the rest of the file still compiles.
            let error = error.into_compile_error();
            quote!(#item #error)
        }
    }
}

fn expand_model(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    if !arguments.is_empty() {
        return Err(Error::new_spanned(
            arguments,
            "`#[model]` takes no arguments",
        ));
    }
    let input = parse2::<DeriveInput>(item)
        .map_err(|error| Error::new(error.span(), "`#[model]` stands above a struct or an enum"))?;
    let derived = derived(&input)?;
    let derive =
        |name: &str, path: TokenStream| (!derived.contains(&name.to_owned())).then_some(path);
    let derives = [
        derive("Debug", quote!(::core::fmt::Debug)),
        derive("Clone", quote!(::core::clone::Clone)),
        derive("Serialize", quote!(::dunlin::serde::Serialize)),
        derive("Deserialize", quote!(::dunlin::serde::Deserialize)),
        derive("JsonSchema", quote!(::dunlin::schemars::JsonSchema)),
    ];
    let derives = derives.into_iter().flatten();
    let name = &input.ident;
    let (impls, types, wheres) = input.generics.split_for_impl();
    Ok(quote! {
        #[derive(#(#derives),*)]
        #[serde(crate = "::dunlin::serde")]
        #[schemars(crate = "::dunlin::schemars")]
        #input

        impl #impls ::dunlin::Model for #name #types #wheres {
            fn schema(schemas: &mut ::dunlin::openapi::Schemas) -> ::dunlin::openapi::Schema {
                schemas.generate::<Self>()
            }

            fn properties(
                schemas: &mut ::dunlin::openapi::Schemas,
            ) -> ::std::vec::Vec<::dunlin::openapi::Property> {
                schemas.generate_properties::<Self>()
            }
        }
    })
}

/// The names of what the type derives already.
fn derived(input: &DeriveInput) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for attribute in &input.attrs {
        if attribute.path().is_ident("derive") {
            let paths =
                attribute.parse_args_with(Punctuated::<Path, Token![,]>::parse_terminated)?;
            let last = paths.iter().filter_map(|path| path.segments.last());
            names.extend(last.map(|last| last.ident.to_string()));
        }
    }
    Ok(names)
}
