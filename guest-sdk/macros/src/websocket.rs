//! What is different about `#[websocket("/path")]`.

use proc_macro2::{Ident, TokenStream};
use quote::quote_spanned;
use syn::spanned::Spanned;
use syn::{Error, ItemFn, LitStr, Result, ReturnType, Type};

use crate::arguments::Arguments;
use crate::inputs::Inputs;
use crate::route::last_name;

/// Refuses what a WebSocket's handler cannot be; the documentation, which knows
/// requests and answers, leaves it out.
///
/// # Errors
/// A message that names the remedy.
pub(crate) fn check(arguments: &mut Arguments, function: &ItemFn, inputs: &Inputs) -> Result<()> {
    let types = &inputs.types;
    if let Some(status) = &arguments.status {
        let message = "a WebSocket has no answer, and no status: leave it out";
        return Err(Error::new_spanned(status, message));
    }
    if function.sig.asyncness.is_none() {
        let message = "a WebSocket's handler waits for messages: make it an `async fn`";
        return Err(Error::new_spanned(function.sig.fn_token, message));
    }
    if !types.last().is_some_and(is_socket) {
        let message = "the last argument is the WebSocket: add `mut socket: WebSocket`";
        let place = match types.last() {
            Some(last) => last.span(),
            None => function.sig.ident.span(),
        };
        return Err(Error::new(place, message));
    }
    arguments.hidden = true;
    Ok(())
}

/// Refuses a WebSocket where none is opened.
///
/// # Errors
/// A message that names the remedy.
pub(crate) fn check_absent(arguments: &Arguments, inputs: &Inputs) -> Result<()> {
    if let Some(protocol) = arguments.protocols.first() {
        let message = "only a WebSocket has subprotocols: leave `protocols` out";
        return Err(Error::new_spanned(protocol, message));
    }
    match inputs.types.iter().find(|ty| is_socket(ty)) {
        Some(socket) => Err(Error::new_spanned(
            socket,
            "a request opens a WebSocket where `#[websocket(\"…\")]` stands: write that in place \
             of this attribute",
        )),
        None => Ok(()),
    }
}

fn is_socket(ty: &Type) -> bool {
    last_name(ty).as_deref() == Some("WebSocket")
}

/// Accepts, and has the function run.
pub(crate) fn answer(
    function: &ItemFn,
    protocols: &[LitStr],
    values: &[Ident],
    arguments: &[TokenStream],
) -> TokenStream {
    let mut name = function.sig.ident.clone();
    // Where the compiler reports what the function may not return.
    let span = match &function.sig.output {
        ReturnType::Default => name.span(),
        ReturnType::Type(_, ty) => ty.span(),
    };
    name.set_span(span);
    let socket = values.last();
    quote_spanned! {span=>
        {
            let (upgrade, #socket) = ::dunlin::__private::Upgrade::of(#socket, &[#(#protocols),*]);
            upgrade.run(#name(#(#arguments),*))
        }
    }
}
