//! Puts the pages' scripts and styles into the binary, compressed: Swagger UI
//! and Redoc. Nothing is fetched.

use flate2::Compression;
use flate2::write::GzEncoder;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={PAGES}");
    println!("cargo:rerun-if-changed={REDOC}");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    let mut table = String::new();
    let mut add = |constant: &str, name: &str, gzip: Gzip| {
        let (stem, ending) = name.rsplit_once('.').expect("a name has an ending");
        let file = format!("{stem}.{:08x}.{ending}", gzip.crc);
        std::fs::write(out.join(&file), gzip.bytes).expect("OUT_DIR can be written");
        let media_type = match ending {
            "css" => "text/css; charset=utf-8",
            _ => "text/javascript; charset=utf-8",
        };
        writeln!(
            table,
            "const {constant}: Asset = Asset {{ name: {file:?}, \
             media_type: {media_type:?}, gzip: include_bytes!({:?}) }};",
            out.join(&file)
        )
        .expect("strings take all");
    };
    let zip = Zip(SWAGGER_UI_VENDORED);
    let of_zip = |name| {
        zip.entry(name)
            .unwrap_or_else(|| panic!("no `{name}` in the zip"))
    };
    let script = of_zip("/dist/swagger-ui-bundle.js");
    add("SWAGGER_UI_SCRIPT", "swagger-ui.js", script);
    add(
        "SWAGGER_UI_STYLE",
        "swagger-ui.css",
        of_zip("/dist/swagger-ui.css"),
    );
    let redoc = std::fs::read(REDOC).expect("is there");
    add("REDOC_SCRIPT", "redoc.js", Gzip::of_file(redoc));
    let own = |name: &str| std::fs::read(Path::new(PAGES).join(name)).expect("is there");
    add(
        "EXPLORER_SCRIPT",
        "explorer.js",
        Gzip::of(&own("explorer.js")),
    );
    add(
        "REFERENCE_SCRIPT",
        "reference.js",
        Gzip::of(&own("reference.js")),
    );
    std::fs::write(out.join("assets.rs"), table).expect("OUT_DIR can be written");
}

/// The pages' own scripts.
const PAGES: &str = "src/gateway/docs";

/// Redoc's script, compressed; `README.md` beside it says where it is from.
const REDOC: &str = "vendor/redoc/redoc.standalone.js.gz";

/// A file, compressed.
struct Gzip {
    bytes: Vec<u8>,
    /// Of what is compressed: it tells one content from the next.
    crc: u32,
}

impl Gzip {
    fn of(content: &[u8]) -> Self {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(content).expect("memory takes all");
        let mut crc = flate2::Crc::new();
        crc.update(content);
        Self {
            bytes: encoder.finish().expect("memory takes all"),
            crc: crc.sum(),
        }
    }

    /// A file that is compressed already: its checksum is near its end.
    fn of_file(bytes: Vec<u8>) -> Self {
        let crc = bytes.len() - 8;
        let crc = u32::from_le_bytes([0, 1, 2, 3].map(|i| bytes[crc + i]));
        Self { bytes, crc }
    }

    /// From what is deflated already (RFC 1952, section 2.2).
    fn of_deflated(deflated: &[u8], crc: u32, size: u32) -> Self {
        let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255];
        bytes.extend_from_slice(deflated);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes.extend_from_slice(&size.to_le_bytes());
        Self { bytes, crc }
    }
}

/// A ZIP archive (APPNOTE.TXT, sections 4.3.7 and 4.3.12).
struct Zip(&'static [u8]);

impl Zip {
    fn u16(&self, at: usize) -> usize {
        u16::from_le_bytes([self.0[at], self.0[at + 1]]).into()
    }

    fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes([0, 1, 2, 3].map(|i| self.0[at + i]))
    }

    /// The first file whose name ends so.
    fn entry(&self, ending: &str) -> Option<Gzip> {
        let end = self.0.windows(4).rposition(|it| it == b"PK\x05\x06")?;
        let mut at = self.u32(end + 16) as usize;
        while self.0[at..].starts_with(b"PK\x01\x02") {
            let name_len = self.u16(at + 28);
            let name = &self.0[at + 46..][..name_len];
            if name.ends_with(ending.as_bytes()) {
                assert_eq!(self.u16(at + 10), 8, "`{ending}` is deflated");
                let local = self.u32(at + 42) as usize;
                let data = local + 30 + self.u16(local + 26) + self.u16(local + 28);
                let deflated = &self.0[data..][..self.u32(at + 20) as usize];
                return Some(Gzip::of_deflated(
                    deflated,
                    self.u32(at + 16),
                    self.u32(at + 24),
                ));
            }
            at += 46 + name_len + self.u16(at + 30) + self.u16(at + 32);
        }
        None
    }
}
