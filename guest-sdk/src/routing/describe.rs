//! What the host reads at deploy; its form is in `wit/function.wit`.

use super::{Kind, Lane, Route};
use crate::json::{push, push_string};
use crate::middleware::Around;
use crate::openapi::{self, Info};

pub(super) fn describe(
    info: &Info,
    routes: &'static [Route],
    around: Option<&'static Around>,
) -> String {
    let mut out = String::from("{\"sdk\":");
    push_string(&mut out, concat!("dunlin ", env!("CARGO_PKG_VERSION")));
    push(&mut out, ",\"routes\":[");
    for (index, route) in routes.iter().enumerate() {
        if index > 0 {
            push(&mut out, ",");
        }
        let lane = match route.lane {
            Lane::Async => "async",
            Lane::Blocking => "blocking",
        };
        let fields = [
            ("{\"method\":", route.method),
            (",\"path\":", route.path),
            (",\"lane\":", lane),
            (",\"name\":", route.name),
            (",\"summary\":", route.summary),
        ];
        for (name, value) in fields {
            push(&mut out, name);
            push_string(&mut out, value);
        }
        if route.kind == Kind::WebSocket {
            push(&mut out, ",\"kind\":\"websocket\"");
        }
        push(&mut out, "}");
    }
    if let Some(around) = around {
        around.list(routes, &mut out);
    }
    push(&mut out, "],\"openapi\":");
    push(&mut out, &openapi::document(info, routes, around));
    push(&mut out, "}");
    out
}
