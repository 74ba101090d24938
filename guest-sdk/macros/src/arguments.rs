//! What a route's attribute says: `("/items", status = 201, tags = ["items"])`.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::{Error, Expr, Ident, LitInt, LitStr, Result, Token, Type, bracketed};

use crate::template;

/// What the attribute says.
pub(crate) struct Arguments {
    pub(crate) path: LitStr,
    pub(crate) status: Option<LitInt>,
    pub(crate) tags: Vec<LitStr>,
    pub(crate) deprecated: bool,
    pub(crate) hidden: bool,
    pub(crate) middleware: Vec<Expr>,
    /// Of a WebSocket: the subprotocols that it speaks.
    pub(crate) protocols: Vec<LitStr>,
    /// Types that the request must bring, though the handler takes no value.
    pub(crate) dependencies: Vec<Type>,
}

const KNOWN: &str = "`status = 201`, `tags = [\"…\"]`, `dependencies = [Dep<Admin>]`, \
                     `middleware = [timing]`, `deprecated` and `hidden`";

/// Reads the arguments of `#[attribute(…)]`.
///
/// # Errors
/// A message that names the remedy, where it is wrong.
pub(crate) fn parse(attribute: &str, arguments: TokenStream) -> Result<Arguments> {
    let example = format!("write `#[{attribute}(\"/items/{{id}}\")]`");
    if arguments.is_empty() {
        return Err(template::at_attribute(&format!("which path? {example}")));
    }
    let mut parts = arguments.into_iter();
    let first: TokenStream = parts.by_ref().take(1).collect();
    let path = syn::parse2::<LitStr>(first)
        .map_err(|error| Error::new(error.span(), format!("the path is a string: {example}")))?;
    let mut read = Arguments {
        path,
        status: None,
        tags: Vec::new(),
        deprecated: false,
        hidden: false,
        middleware: Vec::new(),
        protocols: Vec::new(),
        dependencies: Vec::new(),
    };
    let rest: TokenStream = parts.collect();
    for option in syn::parse2::<Settings>(rest)?.0 {
        read.take(option)?;
    }
    Ok(read)
}

impl Arguments {
    fn take(&mut self, option: Setting) -> Result<()> {
        let Setting { name, value } = option;
        match (name.to_string().as_str(), value) {
            ("status", Some(Value::Status(status))) => {
                self.status = Some(checked_status(status)?);
            }
            ("tags", Some(Value::Texts(tags))) => self.tags = tags,
            ("protocols", Some(Value::Texts(protocols))) => {
                for protocol in &protocols {
                    check_protocol(protocol)?;
                }
                self.protocols = protocols;
            }
            ("middleware", Some(Value::Middleware(list))) => self.middleware = list,
            ("dependencies", Some(Value::Dependencies(list))) => self.dependencies = list,
            ("middleware", _) => {
                return Err(Error::new_spanned(name, "write `middleware = [timing]`"));
            }
            ("dependencies", _) => {
                return Err(Error::new_spanned(
                    name,
                    "write `dependencies = [Dep<Admin>]`",
                ));
            }
            ("protocols", _) => {
                return Err(Error::new_spanned(name, "write `protocols = [\"chat\"]`"));
            }
            ("deprecated", None) => self.deprecated = true,
            ("hidden", None) => self.hidden = true,
            ("status", _) => return Err(Error::new_spanned(name, "write `status = 201`")),
            ("tags", _) => return Err(Error::new_spanned(name, "write `tags = [\"items\"]`")),
            ("deprecated" | "hidden", _) => {
                let message = format!("`{name}` stands alone: leave out its value");
                return Err(Error::new_spanned(name, message));
            }
            _ => {
                let message =
                    format!("unknown argument `{name}`: after the path may stand {KNOWN}");
                return Err(Error::new_spanned(name, message));
            }
        }
        Ok(())
    }
}

impl Arguments {
    /// What stands around the handler, the outermost first.
    pub(crate) fn layers(&self) -> Vec<TokenStream> {
        let middleware = self.middleware.iter();
        let middleware = middleware.map(|layer| quote_spanned!(layer.span()=> &#layer));
        let dependencies = self.dependencies.iter().map(|dependency| {
            quote_spanned! {dependency.span()=>
                &::dunlin::middleware::require::<#dependency>()
            }
        });
        middleware.chain(dependencies).collect()
    }
}

/// A status that a successful answer may have.
pub(crate) fn checked_status(status: LitInt) -> Result<LitInt> {
    match status.base10_parse::<u16>() {
        Ok(200..=399) => Ok(status),
        _ => Err(Error::new_spanned(
            status,
            "the status of an answer that went well is 200 to 399; for others answer an error",
        )),
    }
}

/// A subprotocol's name is a token (RFC 6455, section 4.1).
fn check_protocol(protocol: &LitStr) -> Result<()> {
    let name = protocol.value();
    let is_token = |c: char| c.is_ascii_graphic() && !"()<>@,;:\\\"/[]?={}".contains(c);
    if !name.is_empty() && name.chars().all(is_token) {
        return Ok(());
    }
    let message =
        "a subprotocol's name has no spaces, commas, slashes or the like: write `\"chat.v2\"`";
    Err(Error::new_spanned(protocol, message))
}

/// `, option, option`.
struct Settings(Vec<Setting>);

/// `name` or `name = value`.
struct Setting {
    name: Ident,
    value: Option<Value>,
}

enum Value {
    Status(LitInt),
    Texts(Vec<LitStr>),
    Middleware(Vec<Expr>),
    Dependencies(Vec<Type>),
    Other,
}

impl Parse for Settings {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut options = Vec::new();
        while !input.is_empty() {
            input
                .parse::<Token![,]>()
                .map_err(|error| Error::new(error.span(), "a comma stands after the path"))?;
            if input.is_empty() {
                break;
            }
            options.push(input.parse()?);
        }
        Ok(Settings(options))
    }
}

impl Parse for Setting {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let name = input.parse::<Ident>().map_err(|error| {
            Error::new(error.span(), format!("after the path may stand {KNOWN}"))
        })?;
        if input.parse::<Option<Token![=]>>()?.is_none() {
            return Ok(Setting { name, value: None });
        }
        let value = if input.peek(LitInt) {
            Value::Status(input.parse()?)
        } else if input.peek(syn::token::Bracket) {
            let content;
            bracketed!(content in input);
            match name.to_string().as_str() {
                "middleware" => Value::Middleware(list(&content)?),
                "dependencies" => Value::Dependencies(list(&content)?),
                _ => Value::Texts(list(&content)?),
            }
        } else {
            input.parse::<syn::Expr>()?;
            Value::Other
        };
        Ok(Setting {
            name,
            value: Some(value),
        })
    }
}

fn list<T: Parse>(input: ParseStream<'_>) -> Result<Vec<T>> {
    let list = Punctuated::<T, Token![,]>::parse_terminated(input)?;
    Ok(list.into_iter().collect())
}

/// The fields of a route that the arguments set.
impl ToTokens for Arguments {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Arguments {
            path,
            tags,
            deprecated,
            hidden,
            ..
        } = self;
        let status = match &self.status {
            Some(status) => quote!(::core::option::Option::Some(#status)),
            None => quote!(::core::option::Option::None),
        };
        tokens.extend(quote! {
            path: #path,
            tags: &[#(#tags),*],
            status: #status,
            deprecated: #deprecated,
            hidden: #hidden,
        });
    }
}
