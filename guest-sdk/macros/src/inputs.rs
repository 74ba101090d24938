//! A handler's arguments: extractors, and single values that name where they
//! come from: `id: u32` of the path, `#[query] limit: u32`.
//!
//! The values of one place become the fields of a model, which is extracted as
//! any other; so they have the same rules and the same problems.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Error, FnArg, Ident, ItemFn, Meta, Pat, PatType, Result, Type, parse_quote};

use crate::route::{is_scalar, last_name, type_arguments};

/// Where a single value comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Path,
    Query,
    Header,
    Cookie,
}

const SOURCES: [Source; 4] = [Source::Path, Source::Query, Source::Header, Source::Cookie];

impl Source {
    /// The attribute that names it, and its extractor.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Source::Path => ("path", "Path"),
            Source::Query => ("query", "Query"),
            Source::Header => ("header", "Header"),
            Source::Cookie => ("cookie", "Cookie"),
        }
    }
}

/// A handler's arguments, taken apart.
pub(crate) struct Inputs {
    /// The types of the function's arguments, as they are written.
    pub(crate) types: Vec<Type>,
    /// What is extracted: first the models of single values, then the rest.
    pub(crate) extracted: Vec<Type>,
    /// The definitions of those models.
    pub(crate) models: TokenStream,
    /// The names of the path's parameters that are taken by name.
    pub(crate) named: Vec<String>,
    /// Each argument, out of what was extracted: `argument_0.0.limit`.
    values: Vec<TokenStream>,
    /// How many of what is extracted are models of single values.
    groups: usize,
}

impl Inputs {
    /// Reads the arguments, and takes their attributes off.
    pub(crate) fn take(function: &mut ItemFn, params: &[String]) -> Result<Self> {
        if let Some(parameter) = function.sig.generics.params.first() {
            return Err(Error::new_spanned(
                parameter,
                "a handler cannot be generic: the host calls it, and would not know with which type",
            ));
        }
        let mut arguments = Vec::new();
        let mut error: Option<Error> = None;
        for argument in &mut function.sig.inputs {
            match Argument::take(argument, params) {
                Ok(argument) => arguments.push(argument),
                Err(wrong) => match &mut error {
                    Some(error) => error.combine(wrong),
                    None => error = Some(wrong),
                },
            }
        }
        match error {
            Some(error) => Err(error),
            None => Self::of(arguments, params),
        }
    }

    fn of(arguments: Vec<Argument>, params: &[String]) -> Result<Self> {
        let named = |source| {
            let of = move |argument: &&Argument| argument.source == Some(source);
            arguments.iter().filter(of)
        };
        let extractor = arguments.iter().find(|argument| {
            argument.source.is_none() && last_name(&argument.ty).as_deref() == Some("Path")
        });
        if let (Some(extractor), Some(_)) = (extractor, named(Source::Path).next()) {
            return Err(Error::new_spanned(
                &extractor.ty,
                "take the path's parameters either all by name or all by `Path`",
            ));
        }
        let sources = SOURCES.into_iter();
        let groups: Vec<_> = sources
            .filter(|source| named(*source).next().is_some())
            .collect();
        let mut models = TokenStream::new();
        let mut extracted: Vec<Type> = Vec::new();
        let plain = plain_path(&arguments, params);
        for source in &groups {
            if let (Source::Path, Some(members)) = (source, &plain) {
                let types = members.iter().map(|member| &member.ty);
                extracted.push(match members.as_slice() {
                    [one] => {
                        let ty = &one.ty;
                        parse_quote!(::dunlin::extract::Path<#ty>)
                    }
                    _ => parse_quote!(::dunlin::extract::Path<(#(#types),*)>),
                });
                continue;
            }
            let (_, extractor) = source.names();
            let model = format_ident!("{extractor}Values");
            let extractor = format_ident!("{extractor}");
            let fields = named(*source).map(|argument| &argument.field);
            let kebab =
                (*source == Source::Header).then(|| quote!(#[serde(rename_all = "kebab-case")]));
            models.extend(quote! {
                #[::dunlin::model]
                #kebab
                struct #model { #(#fields),* }
            });
            extracted.push(parse_quote!(::dunlin::extract::#extractor<#model>));
        }
        let mut values = Vec::new();
        for argument in &arguments {
            values.push(match argument.source {
                Some(source) => {
                    let group = groups.iter().position(|group| *group == source);
                    let value = value_name(group.unwrap_or_default());
                    match (source, &plain) {
                        (Source::Path, Some(members)) if members.len() == 1 => quote!(#value.0),
                        (Source::Path, Some(members)) => {
                            let same = |member: &&Argument| member.name == argument.name;
                            let place = members.iter().position(same).unwrap_or_default();
                            let place = syn::Index::from(place);
                            quote!(#value.0.#place)
                        }
                        _ => {
                            let name = &argument.name;
                            quote!(#value.0.#name)
                        }
                    }
                }
                None => {
                    extracted.push(argument.ty.clone());
                    value_name(extracted.len() - 1).into_token_stream()
                }
            });
        }
        Ok(Inputs {
            named: named(Source::Path)
                .filter_map(|argument| argument.name.as_ref().map(ToString::to_string))
                .collect(),
            groups: groups.len(),
            types: arguments.into_iter().map(|argument| argument.ty).collect(),
            extracted,
            models,
            values,
        })
    }

    /// The types that are arguments as they are, not single values.
    pub(crate) fn extractors(&self) -> Vec<&Type> {
        self.extracted.iter().skip(self.groups).collect()
    }

    /// The arguments of the call.
    pub(crate) fn values(&self) -> &[TokenStream] {
        &self.values
    }
}

/// The path's values in its own order, if all of them are taken and none has
/// rules: then no model is needed, which would be most of a small component.
fn plain_path<'a>(arguments: &'a [Argument], params: &[String]) -> Option<Vec<&'a Argument>> {
    let of_path = |argument: &&Argument| argument.source == Some(Source::Path);
    if arguments.iter().filter(of_path).any(|one| one.has_rules) {
        return None;
    }
    let named = |param: &String| {
        let mut of_path = arguments.iter().filter(of_path);
        of_path.find(|one| one.name.as_ref().is_some_and(|name| name == param))
    };
    params.iter().map(named).collect()
}

/// The variable that holds what was extracted.
pub(crate) fn value_name(index: usize) -> Ident {
    format_ident!("argument_{index}")
}

/// One argument.
struct Argument {
    /// None: it is an extractor.
    source: Option<Source>,
    /// Of a single value.
    name: Option<Ident>,
    ty: Type,
    /// The field that a single value becomes.
    field: TokenStream,
    /// Whether more is said of it than its type.
    has_rules: bool,
}

impl Argument {
    fn take(argument: &mut FnArg, params: &[String]) -> Result<Self> {
        let argument = match argument {
            FnArg::Typed(argument) => argument,
            FnArg::Receiver(receiver) => {
                return Err(Error::new_spanned(
                    receiver,
                    "a handler is a free function: move it out of the `impl` block",
                ));
            }
        };
        let (sources, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut argument.attrs)
            .into_iter()
            .partition(|attribute| source_of(attribute).is_some());
        let (docs, other): (Vec<_>, Vec<_>) = rest
            .into_iter()
            .partition(|attribute| attribute.path().is_ident("doc"));
        if let Some(field) = other.iter().find(|one| one.path().is_ident("field")) {
            return Err(Error::new_spanned(
                field,
                "say where the value comes from: `#[query(…)]`, `#[header(…)]`, `#[cookie(…)]` or \
                 `#[path(…)]` take the same rules",
            ));
        }
        argument.attrs = other;
        let name = match &*argument.pat {
            Pat::Ident(pattern) => Some(pattern.ident.clone()),
            _ => None,
        };
        let ty = (*argument.ty).clone();
        if let Type::Reference(_) = ty {
            return Err(Error::new_spanned(
                ty,
                "a handler owns its arguments: write `String` for `&str`, `T` for `&T`",
            ));
        }
        let source = match sources.as_slice() {
            [] => in_path(argument, name.as_ref(), params)?.then_some(Source::Path),
            [one] => source_of(one),
            [_, second, ..] => {
                return Err(Error::new_spanned(
                    second,
                    "a value comes from one place: leave out one of these attributes",
                ));
            }
        };
        let Some(kind) = source else {
            return Ok(Argument {
                source,
                name,
                ty,
                field: TokenStream::new(),
                has_rules: false,
            });
        };
        let Some(name) = name else {
            return Err(Error::new_spanned(
                &argument.pat,
                "a single value has a plain name: write `#[query] limit: u32`",
            ));
        };
        if kind == Source::Path && !params.contains(&name.to_string()) {
            let message = format!("the path has no `{{{name}}}`{}", instead(params));
            return Err(Error::new_spanned(name, message));
        }
        let rules = sources.first().map(rules_of).transpose()?;
        let has_rules = !docs.is_empty() || rules.as_ref().is_some_and(|rules| !rules.is_empty());
        let field = quote_spanned!(name.span()=> #(#docs)* #rules #name: #ty);
        Ok(Argument {
            source,
            name: Some(name),
            ty,
            field,
            has_rules,
        })
    }
}

/// Whether an argument without an attribute is a parameter of the path. What is
/// neither that nor an extractor is a mistake.
fn in_path(argument: &PatType, name: Option<&Ident>, params: &[String]) -> Result<bool> {
    let ty = &*argument.ty;
    let Some(name) = name else { return Ok(false) };
    // `String` may be the body.
    let single = |ty: &Type| is_scalar(ty) && last_name(ty).as_deref() != Some("String");
    let optional = last_name(ty).as_deref() == Some("Option")
        && type_arguments(ty).first().is_some_and(|ty| is_scalar(ty));
    if params.contains(&name.to_string()) {
        return Ok(is_scalar(ty) || type_arguments(ty).is_empty());
    }
    if single(ty) || optional {
        let ty = ty.to_token_stream().to_string().replace(' ', "");
        let instead = instead(params);
        let message = format!(
            "where does `{name}` come from? Write `#[query] {name}: {ty}` (or `#[header]`, \
             `#[cookie]`); the path has no `{{{name}}}`{instead}"
        );
        return Err(Error::new_spanned(&argument.pat, message));
    }
    Ok(false)
}

fn instead(params: &[String]) -> String {
    match params {
        [] => String::new(),
        all => format!(": it has `{{{}}}`", all.join("}`, `{")),
    }
}

fn source_of(attribute: &Attribute) -> Option<Source> {
    SOURCES
        .into_iter()
        .find(|source| attribute.path().is_ident(source.names().0))
}

/// `#[query(le = 100)]` has the rules of `#[field(le = 100)]`.
fn rules_of(attribute: &Attribute) -> Result<TokenStream> {
    match &attribute.meta {
        Meta::Path(_) => Ok(TokenStream::new()),
        Meta::List(list) => {
            let rules = &list.tokens;
            Ok(quote_spanned!(attribute.span()=> #[field(#rules)]))
        }
        Meta::NameValue(value) => Err(Error::new_spanned(
            value,
            "write its rules in parentheses: `#[query(le = 100)]`",
        )),
    }
}
