//! What the host reads at deploy; its form is in `wit/function.wit`.

use super::{Lane, Route};
use crate::json::push_string;

pub(super) fn describe(routes: &[Route]) -> String {
    let mut out = String::from("{\"sdk\":");
    push_string(&mut out, concat!("dunlin ", env!("CARGO_PKG_VERSION")));
    out.push_str(",\"routes\":[");
    for (index, route) in routes.iter().enumerate() {
        if index > 0 {
            out.push(',');
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
            out.push_str(name);
            push_string(&mut out, value);
        }
        if !route.description.is_empty() {
            out.push_str(",\"description\":");
            push_string(&mut out, route.description);
        }
        out.push('}');
    }
    out.push_str("]}");
    out
}
