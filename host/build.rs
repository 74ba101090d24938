//! Puts the pages' scripts and styles into the binary, compressed.
//! Nothing is fetched.

use flate2::Compression;
use flate2::write::GzEncoder;
use std::fmt::Write as _;
use std::io::{Cursor, Read as _, Write as _};
use std::path::{Path, PathBuf};
use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;
use zip::ZipArchive;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={PAGES}");
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
            "const {constant}: Asset = Asset {{ name: Cow::Borrowed({file:?}), \
             media_type: {media_type:?}, gzip: Cow::Borrowed(include_bytes!({:?})) }};",
            out.join(&file)
        )
        .expect("strings take all");
    };
    let swagger_ui = |ending| Gzip::of(&of_zip(ending));
    let script = swagger_ui("/dist/swagger-ui-bundle.js");
    add("SWAGGER_UI_SCRIPT", "swagger-ui.js", script);
    let style = swagger_ui("/dist/swagger-ui.css");
    add("SWAGGER_UI_STYLE", "swagger-ui.css", style);
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

/// The file of Swagger UI whose name ends so.
fn of_zip(ending: &str) -> Vec<u8> {
    let mut zip = ZipArchive::new(Cursor::new(SWAGGER_UI_VENDORED)).expect("is a zip");
    let name = zip.file_names().find(|name| name.ends_with(ending));
    let name = name.expect("Swagger UI has it").to_owned();
    let mut content = Vec::new();
    let mut file = zip.by_name(&name).expect("was just listed");
    file.read_to_end(&mut content).expect("is whole");
    content
}

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
}
