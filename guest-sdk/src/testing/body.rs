//! The body of a test's request.

use serde::Serialize;

use crate::body::Body;

/// Between the parts of a multipart body; no test sends this by chance.
const BOUNDARY: &str = "dunlin-test-boundary-7MA4YWxkTrZu0gW";

#[derive(Debug, Default)]
pub(super) enum TestBody {
    #[default]
    Empty,
    Whole {
        content_type: Option<String>,
        body: Body,
    },
    /// `multipart/form-data`, without its last line.
    Parts(Vec<u8>),
}

impl TestBody {
    pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> Self {
        let text = serde_json::to_vec(value).unwrap_or_else(|error| {
            panic!("the value given to `json` cannot be written as JSON: {error}")
        });
        TestBody::Whole {
            content_type: Some("application/json".to_owned()),
            body: text.into(),
        }
    }

    pub(super) fn form<T: Serialize + ?Sized>(value: &T) -> Self {
        TestBody::Whole {
            content_type: Some("application/x-www-form-urlencoded".to_owned()),
            body: encoded("form", value).into(),
        }
    }

    /// Adds a part of a multipart body.
    pub(super) fn push_part(&mut self, name: &str, file: Option<(&str, &str)>, content: &[u8]) {
        if !matches!(self, TestBody::Parts(_)) {
            *self = TestBody::Parts(Vec::new());
        }
        let TestBody::Parts(out) = self else { return };
        let mut head = format!(
            "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{}\"",
            quoted(name)
        );
        if let Some((file_name, content_type)) = file {
            head += &format!(
                "; filename=\"{}\"\r\ncontent-type: {content_type}",
                quoted(file_name)
            );
        }
        out.extend(head.bytes());
        out.extend(b"\r\n\r\n");
        out.extend(content);
        out.extend(b"\r\n");
    }

    /// The body, and the `content-type` that belongs to it.
    pub(super) fn finish(self) -> (Option<String>, Body) {
        match self {
            TestBody::Empty => (None, Body::empty()),
            TestBody::Whole { content_type, body } => (content_type, body),
            TestBody::Parts(mut parts) => {
                parts.extend(format!("--{BOUNDARY}--\r\n").bytes());
                let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
                (Some(content_type), parts.into())
            }
        }
    }
}

/// As HTML's forms escape names.
fn quoted(name: &str) -> String {
    name.replace('"', "%22")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// Pairs or a struct, as in a query; a list gives its name several times.
pub(super) fn encoded<T: Serialize + ?Sized>(method: &str, value: &T) -> String {
    serde_html_form::to_string(value).unwrap_or_else(|error| {
        panic!("`{method}` takes pairs, a map or a struct of plain values: {error}")
    })
}
