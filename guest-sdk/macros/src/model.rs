//! `#[model]`: all that a type needs to cross the wire.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, Expr, Fields, Ident, Lit, Path, Result, Token, parse2};

use crate::field::{Fallback, ModelArguments, Rules, literal};
use crate::names::{Case, Names};

/// The type with its derives, and its `Model`.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    match expand_model(arguments, item.clone()) {
        Ok(model) => model,
        Err(error) => {
            // A type of that name stays, so that the error is told alone.
            let error = error.into_compile_error();
            match parse2::<DeriveInput>(item) {
                Ok(input) => {
                    let plain = without_rules(input);
                    quote!(#plain #error)
                }
                Err(_) => error,
            }
        }
    }
}

/// The derives alone: errors of the rules are not told twice.
fn without_rules(mut input: DeriveInput) -> TokenStream {
    each_field(&mut input.data, |field| {
        field
            .attrs
            .retain(|attribute| !attribute.path().is_ident("field"));
    });
    expand_input(ModelArguments::default(), input).unwrap_or_default()
}

fn each_field(data: &mut Data, mut change: impl FnMut(&mut syn::Field)) {
    match data {
        Data::Struct(data) => data.fields.iter_mut().for_each(change),
        Data::Enum(data) => {
            for variant in &mut data.variants {
                variant.fields.iter_mut().for_each(&mut change);
            }
        }
        Data::Union(_) => {}
    }
}

fn expand_model(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let arguments = parse2::<ModelArguments>(arguments)?;
    let input = parse2::<DeriveInput>(item)
        .map_err(|error| Error::new(error.span(), "`#[model]` stands above a struct or an enum"))?;
    expand_input(arguments, input)
}

fn expand_input(arguments: ModelArguments, mut input: DeriveInput) -> Result<TokenStream> {
    let derived = derived(&input)?;
    let derive = |name: &str, path| (!derived.iter().any(|known| known == name)).then_some(path);
    let derives = [
        derive("Debug", quote!(::core::fmt::Debug)),
        derive("Clone", quote!(::core::clone::Clone)),
        derive("Serialize", quote!(::dunlin::serde::Serialize)),
        derive("Deserialize", quote!(::dunlin::serde::Deserialize)),
        derive("JsonSchema", quote!(::dunlin::schemars::JsonSchema)),
    ];
    let derives = derives.into_iter().flatten();
    let mut expansion = Expansion {
        name: input.ident.clone(),
        names: Names::of(&input.attrs)?,
        defaults: Vec::new(),
    };
    let checks = match &mut input.data {
        Data::Struct(data) => expansion.struct_checks(&mut data.fields)?,
        Data::Enum(data) => expansion.enum_checks(&mut data.variants)?,
        Data::Union(data) => {
            return Err(Error::new_spanned(
                data.union_token,
                "a union is no model: write a struct or an enum",
            ));
        }
    };
    let whole = arguments.checks;
    let defaults = expansion.defaults;
    let name = &input.ident;
    let mut generics = input.generics.clone();
    for parameter in generics.type_params_mut() {
        parameter.bounds.push(syn::parse_quote!(::dunlin::Model));
        parameter
            .bounds
            .push(syn::parse_quote!(::dunlin::schemars::JsonSchema));
    }
    let (impls, types, wheres) = generics.split_for_impl();
    let defaults = (!defaults.is_empty()).then(|| {
        quote! {
            #[doc(hidden)]
            impl #impls #name #types #wheres { #(#defaults)* }
        }
    });
    Ok(quote! {
        #[derive(#(#derives),*)]
        #[serde(crate = "::dunlin::serde")]
        #[schemars(crate = "::dunlin::schemars")]
        #input

        #defaults

        impl #impls ::dunlin::Model for #name #types #wheres {
            fn schema(schemas: &mut ::dunlin::openapi::Schemas) -> ::dunlin::openapi::Schema {
                schemas.generate::<Self>()
            }

            fn properties(
                schemas: &mut ::dunlin::openapi::Schemas,
            ) -> ::std::vec::Vec<::dunlin::openapi::Property> {
                schemas.generate_properties::<Self>()
            }

            #[inline]
            #[allow(unused_variables, unused_imports, clippy::borrowed_box)]
            fn validate(&self, check: &::dunlin::model::Check<'_>) {
                use ::dunlin::__private::{IsModel as _, IsNoModel as _};
                #checks
                #(check.result(#whole(self));)*
            }
        }
    })
}

/// What is collected on the way through a type.
struct Expansion {
    name: Ident,
    names: Names,
    /// Functions that make what stands for a missing value.
    defaults: Vec<TokenStream>,
}

impl Expansion {
    fn struct_checks(&mut self, fields: &mut Fields) -> Result<TokenStream> {
        let newtype = fields.len() == 1 && matches!(fields, Fields::Unnamed(_));
        let case = self.names.fields;
        let mut all = TokenStream::new();
        for (index, field) in fields.iter_mut().enumerate() {
            let access = match &field.ident {
                Some(name) => quote!(&self.#name),
                None => {
                    let index = syn::Index::from(index);
                    quote!(&self.#index)
                }
            };
            let place = if newtype {
                Place::Same
            } else {
                Place::At(index)
            };
            all.extend(self.field_checks(field, case, place, &access)?);
        }
        Ok(all)
    }

    fn enum_checks(
        &mut self,
        variants: &mut Punctuated<syn::Variant, Token![,]>,
    ) -> Result<TokenStream> {
        let mut arms = Vec::new();
        for variant in variants {
            let own = Names::of(&variant.attrs)?;
            if variant.fields.is_empty() || own.skipped {
                continue;
            }
            let name = &variant.ident;
            let case = own.fields.or(self.names.variant_fields);
            let newtype = variant.fields.len() == 1 && matches!(variant.fields, Fields::Unnamed(_));
            let mut bindings = Vec::new();
            let mut checks = TokenStream::new();
            for (index, field) in variant.fields.iter_mut().enumerate() {
                let binding = format_ident!("field_{index}");
                let member = match &field.ident {
                    Some(name) => quote!(#name),
                    None => {
                        let index = syn::Index::from(index);
                        quote!(#index)
                    }
                };
                bindings.push(quote!(#member: #binding));
                let place = if newtype {
                    Place::Same
                } else {
                    Place::At(index)
                };
                checks.extend(self.field_checks(field, case, place, &quote!(#binding))?);
            }
            // serde writes the variant around its content, unless told otherwise.
            let inside = (!self.names.tagged).then(|| {
                let tag = own
                    .renamed
                    .unwrap_or_else(|| self.names.fields.variant(&name.to_string()));
                quote!(let check = &check.field(#tag);)
            });
            arms.push(quote!(Self::#name { #(#bindings),* } => { #inside #checks }));
        }
        if arms.is_empty() {
            return Ok(TokenStream::new());
        }
        Ok(quote! {
            #[allow(unreachable_patterns)]
            match self { #(#arms)* _ => {} }
        })
    }

    /// The checks of a field, and its attributes as serde and schemars want them.
    fn field_checks(
        &mut self,
        field: &mut syn::Field,
        case: Case,
        place: Place,
        access: &TokenStream,
    ) -> Result<TokenStream> {
        let rules = Rules::take(&mut field.attrs)?;
        let names = Names::of(&field.attrs)?;
        for attribute in &rules.attributes {
            field.attrs.push(syn::parse_quote!(#attribute));
        }
        if let Some(fallback) = &rules.default {
            let attribute = match fallback {
                Fallback::OfType => quote!(#[serde(default)]),
                Fallback::Value(value) => self.default_attribute(&field.ty, value),
            };
            field.attrs.push(syn::parse_quote!(#attribute));
        }
        if let Some(alias) = &rules.alias {
            field
                .attrs
                .push(syn::parse_quote!(#[serde(rename = #alias)]));
        }
        if names.skipped {
            return Ok(TokenStream::new());
        }
        let inside = match (&field.ident, place) {
            _ if names.flattened => quote!(check),
            (Some(name), _) => {
                let name = match (&rules.alias, names.renamed) {
                    (Some(alias), _) => alias.value(),
                    (None, Some(renamed)) => renamed,
                    (None, None) => {
                        let name = name.to_string();
                        case.field(name.strip_prefix("r#").unwrap_or(&name))
                    }
                };
                quote!(&check.field(#name))
            }
            (None, Place::Same) => quote!(check),
            (None, Place::At(index)) => quote!(&check.item(#index)),
        };
        let checks = rules.checks;
        let ty = &field.ty;
        Ok(quote_spanned! {ty.span()=> {
            let value: &#ty = #access;
            let check = #inside;
            (&::dunlin::__private::Field(value)).validate(check);
            #(#checks)*
        }})
    }

    /// A function that makes the value: serde and the schema both call it.
    fn default_attribute(&mut self, ty: &syn::Type, value: &Expr) -> TokenStream {
        let function = format_ident!("__default_{}", self.defaults.len());
        let value = match literal(value) {
            Some(Lit::Str(_)) => quote!(::core::convert::Into::into(#value)),
            _ => quote!(#value),
        };
        self.defaults.push(quote_spanned! {value.span()=>
            fn #function() -> #ty { #value }
        });
        let path = format!("{}::{function}", self.name);
        let path = syn::LitStr::new(&path, Span::call_site());
        quote!(#[serde(default = #path)])
    }
}

/// Where an unnamed field is.
#[derive(Clone, Copy)]
enum Place {
    /// The only one: it stands for the whole.
    Same,
    At(usize),
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
