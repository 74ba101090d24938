//! Failures as pages, for the author of a function who has it open in a
//! browser. Only under `dunlin up`; nothing on a page comes from elsewhere.

use super::account::Outgoing;
use super::builds::Builds;
use super::error::{Detail, GatewayError};
use crate::routing::Route;
use crate::runtime::{Failure, Origin, Trap};
use crate::telemetry::{LogLine, Logs, RequestId, Source};
use ansi_to_html::{Converter, Esc};
use anstream::adapter::strip_str;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

/// A page asks by it whether it is still true; the answer carries it too. In
/// both it is the number of [`Builds`].
const PAGE_HEADER: HeaderName = HeaderName::from_static("dunlin-page");

/// Longest that such a question waits for a change.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// Lines of the function's log that a page shows: the last of its request.
const SHOWN_LINES: usize = 50;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// What a page may do: show itself, and ask whether it is still true.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src \
     'self'; base-uri 'none'; frame-ancestors 'self'",
);

/// The page that a browser gets where others get a problem in JSON.
pub(super) struct Page {
    /// Of what the page shows: [`Builds::number`] before the request was handled.
    number: u64,
    /// `GET /path`, as it was asked for.
    asked: String,
    /// Whether the page looks again by itself: a form is not sent twice.
    refreshes: bool,
}

impl Page {
    /// The page for this request, if a browser goes to it and pages are made.
    /// Boxed, as every request's future has room for it.
    pub(super) fn wanted<B>(request: &Request<B>, detail: &Detail) -> Option<Box<Self>> {
        let Detail::Development(builds) = detail else {
            return None;
        };
        let method = request.method();
        is_navigation(request.headers()).then(|| {
            Box::new(Self {
                number: builds.number(),
                asked: format!("{method} {}", request.uri().path()),
                refreshes: [Method::GET, Method::HEAD].contains(method),
            })
        })
    }

    /// Turns the answer that others would get into one that shows the failure.
    pub(super) fn show(
        &self,
        response: &mut Response<Outgoing>,
        error: &GatewayError,
        route: Option<&Route>,
        id: &RequestId,
        logs: &Logs,
    ) {
        if let GatewayError::Build(_) = error {
            // Nothing is missing for a while: something is wrong.
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response.headers_mut().remove(header::RETRY_AFTER);
        }
        let html = self.html(error, route, id, logs);
        *response.body_mut() = Outgoing::of_host(Bytes::from(html));
        let headers = response.headers_mut();
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, html);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    }

    fn html(
        &self,
        error: &GatewayError,
        route: Option<&Route>,
        id: &RequestId,
        logs: &Logs,
    ) -> String {
        let mut body = String::new();
        match error {
            GatewayError::Build(concerned) => {
                message(&mut body, &concerned.failed.message);
                if concerned.is_served {
                    body.push_str("<p>Other clients still get the last version that was built.");
                }
            }
            GatewayError::Failed(failed) => {
                if let Some(route) = route {
                    let (lines, _) = logs.read(route.function(), usize::MAX);
                    written(&mut body, &lines, id);
                }
                match &failed.failure {
                    Failure::Trap(trap) => backtrace(&mut body, trap),
                    failure => paragraph(&mut body, &failure.to_string()),
                }
            }
            _ => {}
        }
        let title = match error {
            GatewayError::Build(concerned) => concerned.failed.summary.clone(),
            error => error.title(),
        };
        let of = route.map_or_else(String::new, |route| format!(" · {}", route.version().id));
        let script = match self.refreshes {
            true => format!("<script>{SCRIPT}</script>"),
            false => String::new(),
        };
        let foot = match self.refreshes {
            true => "This page looks again when something was saved and built.",
            false => "Go back to try again: a form is not sent twice by itself.",
        };
        format!(
            "<!doctype html>\n<html lang=en data-number={number}>\n<meta charset=utf-8>\n\
             <meta name=viewport content=\"width=device-width\">\n<title>{title}</title>\n\
             <style>{STYLE}</style>\n<main>\n<p class=code>{code}</p>\n<h1>{title}</h1>\n\
             <p class=quiet>{asked}{of} · {id}</p>\n{body}\n<footer>{foot}</footer>\n</main>\n{script}\n",
            number = self.number,
            title = Esc(&title),
            code = error.code(),
            asked = Esc(&self.asked),
            of = Esc(&of),
            id = Esc(id.as_str()),
        )
    }
}

/// Answers a page's question, if the request is one: waits until what the page
/// shows is no longer true, or for so long.
pub(super) async fn answer_question<B>(
    request: &Request<B>,
    builds: &Arc<Builds>,
    stopping: impl Future<Output = ()>,
) -> Option<Response<Outgoing>> {
    let seen = request.headers().get(PAGE_HEADER)?.to_str().ok()?;
    let seen = seen.parse().ok()?;
    tokio::select! {
        () = builds.changed_since(seen) => {}
        () = tokio::time::sleep(LONGEST_WAIT) => {}
        () = stopping => {}
    }
    let mut response = Response::new(Outgoing::of_host(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(PAGE_HEADER, HeaderValue::from(builds.number()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Some(response)
}

/// Whether a browser asks for a page of its own, rather than a script on one or
/// another program (W3C, Fetch Metadata). Older browsers, and pages without TLS
/// off localhost, send no such header: they want HTML first.
pub(super) fn is_navigation(headers: &HeaderMap) -> bool {
    if let Some(mode) = headers.get("sec-fetch-mode") {
        return mode == "navigate";
    }
    let accept = headers.get(header::ACCEPT).map(HeaderValue::as_bytes);
    accept.is_some_and(|accept| accept.starts_with(b"text/html"))
}

/// What a compiler said, in its colours.
fn message(body: &mut String, text: &str) {
    if text.is_empty() {
        return;
    }
    let colours = Converter::new().four_bit_var_prefix(Some("dunlin-".to_owned()));
    let html = match colours.convert(text) {
        Ok(html) if !html.contains('\x1b') => html,
        // A sequence that is none, or none of colour: plain is readable too.
        _ => Esc(&strip_str(text).to_string()).to_string(),
    };
    let _ = write!(body, "<pre>{}</pre>", html.trim_end());
}

fn paragraph(body: &mut String, text: &str) {
    let _ = write!(body, "<p>{}", Esc(text));
}

/// What the function wrote during the request: a panic's words among it.
fn written(body: &mut String, lines: &[LogLine], id: &RequestId) {
    let of_guest = |line: &&LogLine| {
        line.request_id.as_deref() == Some(id.as_str())
            && line.source != Source::Host
            // What follows is better than what it advises.
            && !line.message.starts_with("note: run with `RUST_BACKTRACE")
    };
    let lines: Vec<_> = lines.iter().filter(of_guest).collect();
    if lines.is_empty() {
        return;
    }
    body.push_str("<h2>The function wrote</h2>");
    let shown = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
    let text: Vec<_> = shown.iter().map(|line| line.message.as_str()).collect();
    message(body, &text.join("\n"));
}

/// The author's own frames first, the others folded away.
fn backtrace(body: &mut String, trap: &Trap) {
    paragraph(body, &trap.message);
    let list = |body: &mut String, origin: &dyn Fn(Origin) -> bool| {
        body.push_str("<ol>");
        for frame in trap.frames.iter().filter(|frame| origin(frame.origin)) {
            let function = Esc(&frame.function);
            let _ = match &frame.place {
                Some(place) => write!(
                    body,
                    "<li><b>{}</b> <span class=quiet>in</span> {function}",
                    Esc(place)
                ),
                None => write!(body, "<li>{function}"),
            };
        }
        body.push_str("</ol>");
    };
    let own = |origin| origin == Origin::Own;
    let count = trap.frames.iter().filter(|frame| own(frame.origin)).count();
    if count > 0 {
        body.push_str("<h2>Your code, innermost call first</h2>");
        list(body, &own);
    }
    if count < trap.frames.len() {
        let open = if count == 0 { " open" } else { "" };
        let calls = trap.frames.len();
        let _ = write!(body, "<details{open}><summary>All {calls} calls</summary>");
        list(body, &|_| true);
        body.push_str("</details>");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browsers_navigation_is_told_from_scripts_and_programs() {
        let is = |fields: &[(&'static str, &'static str)]| {
            let fields = fields.iter().map(|(name, value)| {
                let name = HeaderName::from_static(name);
                (name, HeaderValue::from_static(value))
            });
            is_navigation(&fields.collect())
        };
        let html = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
        assert!(is(&[("sec-fetch-mode", "navigate"), html]));
        assert!(!is(&[("sec-fetch-mode", "cors"), html]));
        assert!(is(&[html]));
        assert!(!is(&[("accept", "*/*")]));
        assert!(!is(&[("accept", "application/json, text/html")]));
        assert!(!is(&[]));
    }

    #[test]
    fn what_a_compiler_or_a_guest_says_is_text_on_the_page() {
        let mut body = String::new();
        message(&mut body, "\x1b[31m<script>alert(1)</script>\x1b[0m");
        paragraph(&mut body, "<img src=x>");
        assert!(body.contains("var(--dunlin-red"), "{body}");
        assert!(body.contains("&lt;script&gt;"), "{body}");
        assert!(
            !body.contains("<script") && !body.contains("<img"),
            "{body}"
        );
    }

    #[test]
    fn sequences_that_are_no_colours_are_left_out() {
        let mut body = String::new();
        message(&mut body, "\x1b[2Ka < b\x1b[?25l");
        assert_eq!(body, "<pre>a &lt; b</pre>");
    }
}
