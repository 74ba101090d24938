//! The OpenAPI document that a component brings, and the pages that the host
//! makes of it.

use super::{ByteSize, DescriptionError, Version};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most bytes of a document. It is kept in memory for as long as its version
/// gets traffic.
const MAX_DOCUMENT: u64 = 1 << 20;

/// An OpenAPI 3.1 document without `servers`, as the component wrote it: in
/// its order, which is the author's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenApi(Arc<str>);

/// What every document has (OpenAPI 3.1.1, section 4.8.1), as far as the host
/// looks: tools read the rest.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Head {
    openapi: String,
    #[serde(rename = "info")]
    _info: Info,
    #[serde(default)]
    paths: BTreeMap<String, de::IgnoredAny>,
    servers: Option<de::IgnoredAny>,
}

/// What the document is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(expecting = "an object")]
pub struct Info {
    /// The API's name.
    pub title: String,
    /// The API's version, in its author's words.
    pub version: String,
}

impl OpenApi {
    /// Checks a document that a component brought.
    ///
    /// # Errors
    ///
    /// When it is too large, or nothing that tools could read.
    pub(super) fn from_guest(text: &str) -> Result<Self, DescriptionError> {
        let size = text.len() as u64;
        if size > MAX_DOCUMENT {
            let (size, limit) = (ByteSize::bytes(size), ByteSize::bytes(MAX_DOCUMENT));
            return Err(DescriptionError::DocumentTooLarge { size, limit });
        }
        let refuse = |reason: String| Err(DescriptionError::Document(reason));
        // An array could pass for a `Head`.
        if !text.starts_with('{') {
            return refuse("it is no object".to_owned());
        }
        let head: Head = match serde_json::from_str(text) {
            Ok(head) => head,
            Err(error) => return refuse(error.to_string()),
        };
        if !head.openapi.starts_with("3.1.") {
            return refuse(format!("it is one of version `{}`", head.openapi));
        }
        if head.servers.is_some() {
            return refuse("it has `servers`, which are the host's to tell".to_owned());
        }
        if let Some(path) = head.paths.keys().find(|it| !it.starts_with('/')) {
            return refuse(format!("the path `{path}` does not begin with `/`"));
        }
        Ok(Self(text.into()))
    }

    /// The document of a function at `mount`. The server is told as a path:
    /// readers complete it with the address that they have the document from,
    /// whatever proxy is in between.
    pub fn at(&self, mount: &str) -> String {
        let server = serde_json::json!([{ "url": mount }]);
        let rest = self.0.strip_prefix('{').unwrap_or_default();
        format!("{{\"servers\":{server},{rest}")
    }

    /// What it is about.
    pub fn info(&self) -> Info {
        #[derive(Deserialize)]
        struct Head {
            info: Info,
        }
        let head = serde_json::from_str::<Head>(&self.0);
        head.map(|head| head.info).unwrap_or_default()
    }
}

impl Serialize for OpenApi {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

/// As it was stored: it was checked before.
impl<'de> Deserialize<'de> for OpenApi {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Ok(Self(raw.get().into()))
    }
}

/// Where the parts of a page are, below it: no function has its own paths
/// there.
const PARTS: &str = "/-/";

/// A page that the host answers below a function's mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocsPage {
    /// The document itself.
    Document,
    /// Operations to try out.
    Explorer,
    /// Operations to read about.
    Reference,
}

impl DocsPage {
    /// Where it is, below the mount.
    pub fn path(self) -> &'static str {
        match self {
            Self::Document => "/openapi.json",
            Self::Explorer => "/docs",
            Self::Reference => "/redoc",
        }
    }

    /// The page at `path`, or whose part is there: then with the part's name.
    pub fn at(path: &str) -> Option<(Self, Option<&str>)> {
        let of = |page: Self| match path.strip_prefix(page.path())? {
            "" => Some((page, None)),
            below if page != Self::Document => Some((page, Some(below.strip_prefix(PARTS)?))),
            _ => None,
        };
        of(Self::Document)
            .or_else(|| of(Self::Explorer))
            .or_else(|| of(Self::Reference))
    }
}

impl Version {
    /// Its document, if the host answers `page` below its mount. A route of the
    /// function at the same path comes first; one that is there by a parameter
    /// does not.
    pub fn documented(&self, page: DocsPage) -> Option<&OpenApi> {
        let document = self.description.openapi.as_ref();
        let mut routes = self.description.routes.iter();
        document.filter(|_| self.manifest.docs && !routes.any(|it| it.path == page.path()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_kept_as_it_is_and_told_where_it_is() {
        let text = r#"{"openapi":"3.1.0","info":{"title":"Shop","version":"2"},"paths":{"/":{}}}"#;
        let document = OpenApi::from_guest(text).unwrap();
        let stored = serde_json::to_string(&document).unwrap();
        assert_eq!(stored, text);
        assert_eq!(serde_json::from_str::<OpenApi>(&stored).unwrap(), document);
        let at = document.at("/shop");
        let at: serde_json::Value = at.parse().unwrap();
        assert_eq!(at["servers"][0]["url"], "/shop");
        assert_eq!(at["paths"]["/"], serde_json::json!({}));
        assert_eq!(document.info().title, "Shop");
    }

    #[test]
    fn what_no_tool_could_read_is_refused() {
        let refusal = |text: &str| OpenApi::from_guest(text).unwrap_err().to_string();
        for (text, part) in [
            ("[]", "no object"),
            ("3", "no object"),
            ("{}", "missing field `openapi`"),
            (r#"{"openapi":"3.1.0"}"#, "missing field `info`"),
            (
                r#"{"openapi":"3.0.3","info":{"title":"","version":""}}"#,
                "version `3.0.3`",
            ),
            (
                r#"{"openapi":"3.1.0","info":{"title":"","version":""},"servers":[]}"#,
                "`servers`",
            ),
            (
                r#"{"openapi":"3.1.0","info":{"title":"","version":""},"paths":{"a":{}}}"#,
                "the path `a`",
            ),
        ] {
            let refusal = refusal(text);
            assert!(refusal.contains(part), "{text}: {refusal}");
        }
        let long = format!("{{\"x\":\"{}\"}}", "x".repeat(1 << 20));
        assert!(refusal(&long).contains("limit 1MiB"), "{}", refusal(&long));
    }

    #[test]
    fn pages_and_their_parts_have_paths() {
        use DocsPage::{Document, Explorer, Reference};
        for (path, page) in [
            ("/openapi.json", Some((Document, None))),
            ("/docs", Some((Explorer, None))),
            ("/docs/-/a.js", Some((Explorer, Some("a.js")))),
            ("/redoc", Some((Reference, None))),
            ("/redoc/-/", Some((Reference, Some("")))),
            ("/redoc/a", None),
            ("/openapi.json/a", None),
            ("/docsy", None),
            ("/", None),
        ] {
            assert_eq!(DocsPage::at(path), page, "{path}");
        }
    }
}
