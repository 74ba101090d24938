//! What a function offers, below its mount: its OpenAPI document, and pages that
//! show it. Made from what was stored when it was deployed: no guest runs for
//! it, and nothing on a page comes from elsewhere.

mod assets;

use self::assets::Asset;
use super::account::Outgoing;
use super::error::GatewayError;
use crate::registry::DocsPage;
use crate::routing::{Docs, RouteError};
use ansi_to_html::Esc;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Request, Response, StatusCode};

/// What a page may do: run the host's scripts, and call the function that it
/// shows. Swagger UI and Redoc set styles from their scripts; Redoc searches in a
/// worker that it makes of a part of its script.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data:; font-src 'self'; connect-src 'self'; \
     worker-src blob:; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'self'";

/// Answers a request for one of the pages, or for a part of one.
///
/// # Errors
///
/// When the page has no such part.
pub(super) async fn answer<B>(
    request: &Request<B>,
    docs: &Docs,
) -> Result<Response<Outgoing>, GatewayError> {
    if docs.page() == DocsPage::Reference {
        assets::prepare_reference().await;
    }
    let nothing = || RouteError::NoRoute(docs.function().clone());
    let headers = request.headers();
    if let Some(part) = docs.part(request.uri()) {
        let mut parts = parts(docs.page()).iter();
        let part = parts.find(|it| it.name == part).ok_or_else(nothing)?;
        return Ok(part.answer(headers));
    }
    match docs.page() {
        DocsPage::Document => {
            let document = docs.document().ok_or_else(nothing)?;
            Ok(document_as(headers, &document.text, &document.etag))
        }
        page => Ok(html(docs, page)),
    }
}

/// What a page consists of.
fn parts(page: DocsPage) -> &'static [Asset] {
    match page {
        DocsPage::Document => &[],
        DocsPage::Explorer => assets::EXPLORER,
        DocsPage::Reference => &*assets::REFERENCE,
    }
}

/// The document, or 304 for who has it (RFC 9110, section 13.1.2).
fn document_as(asked: &HeaderMap, text: &Bytes, etag: &str) -> Response<Outgoing> {
    let mut known = asked.get_all(header::IF_NONE_MATCH).iter();
    let is_known = known.any(|line| {
        let tags = line.to_str().unwrap_or_default().split(',');
        let mut tags = tags.map(|tag| tag.trim().trim_start_matches("W/"));
        tags.any(|tag| tag == etag || tag == "*")
    });
    let body = if is_known { Bytes::new() } else { text.clone() };
    let mut response = Response::new(Outgoing::of_host(body));
    let headers = response.headers_mut();
    if !is_known {
        let json = HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, json);
    }
    if let Ok(etag) = HeaderValue::from_str(etag) {
        headers.insert(header::ETAG, etag);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    response
}

/// A page. Its links are relative: it works below any mount, and behind
/// proxies that serve the mount elsewhere.
fn html(docs: &Docs, page: DocsPage) -> Response<Outgoing> {
    let info = docs.info();
    let folder = page.path().trim_start_matches('/');
    let mut head = String::new();
    for part in parts(page) {
        let name = &part.name;
        head.push_str(&match name.ends_with(".css") {
            true => format!("<link rel=stylesheet href=\"{folder}/-/{name}\">\n"),
            false => format!("<script defer src=\"{folder}/-/{name}\"></script>\n"),
        });
    }
    let text = format!(
        "<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n\
         <meta name=viewport content=\"width=device-width, initial-scale=1\">\n\
         <title>{} {}</title>\n<link rel=icon href=\"data:,\">\n\
         <style>body {{ margin: 0 }}</style>\n{head}<div id=page></div>\n",
        Esc(&info.title),
        Esc(&info.version),
    );
    let mut response = Response::new(Outgoing::of_host(text.into()));
    let headers = response.headers_mut();
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    set(header::CONTENT_TYPE, "text/html; charset=utf-8");
    set(header::CACHE_CONTROL, "no-cache");
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    response
}
