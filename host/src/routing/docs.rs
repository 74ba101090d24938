//! What the host itself answers below a function's mount: the pages about what
//! the function offers.

use super::deployed::Deployed;
use crate::names::FunctionName;
use crate::registry::{DocsPage, Info, OpenApi};
use bytes::Bytes;
use http::Uri;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::sync::Arc;

/// A document as it is served, made when it is first asked for.
#[derive(Clone, Debug)]
pub struct ServedDocument {
    /// JSON, with `servers`.
    pub text: Bytes,
    /// Changes when the text does.
    pub etag: String,
}

impl ServedDocument {
    pub(super) fn new(document: &OpenApi, mount: &str) -> Self {
        let text = document.at(mount);
        let mut etag = String::from("\"");
        for byte in &Sha256::digest(&text)[..16] {
            let _ = write!(etag, "{byte:02x}");
        }
        etag.push('"');
        Self {
            text: text.into(),
            etag,
        }
    }
}

/// A page that one request is for.
#[derive(Clone, Debug)]
pub struct Docs {
    pub(super) deployed: Arc<Deployed>,
    page: DocsPage,
    /// Bytes of the request's path before the name of the page's part.
    part_at: Option<usize>,
}

impl Docs {
    /// The page at `uri`, if the host answers there.
    pub(super) fn find(
        deployed: &Arc<Deployed>,
        method: &str,
        uri: &Uri,
        mount_len: usize,
    ) -> Option<Self> {
        if !matches!(method, "GET" | "HEAD") {
            return None;
        }
        let path = uri.path();
        let (page, part) = DocsPage::at(&path[mount_len..])?;
        deployed.version.documented(page)?;
        Some(Self {
            deployed: deployed.clone(),
            page,
            part_at: part.map(|part| path.len() - part.len()),
        })
    }

    /// Which page.
    pub fn page(&self) -> DocsPage {
        self.page
    }

    /// The part of the page that the request is for, by its name.
    pub fn part<'a>(&self, uri: &'a Uri) -> Option<&'a str> {
        uri.path().get(self.part_at?..)
    }

    /// Whose page.
    pub fn function(&self) -> &FunctionName {
        self.deployed.version.id.function()
    }

    /// The document that the page shows.
    pub fn document(&self) -> Option<&ServedDocument> {
        self.deployed.document()
    }

    /// What the document is about.
    pub fn info(&self) -> Info {
        let document = self.deployed.version.description.openapi.as_ref();
        document.map(OpenApi::info).unwrap_or_default()
    }
}
