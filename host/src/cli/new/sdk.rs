//! Where a new function finds the SDK, the crate `dunlin`. It is not in a
//! registry, so it is a folder: one that is named, that of the workspace, or
//! the one that this command was built beside.

use std::path::{Path, PathBuf};

use anyhow::bail;

use super::super::project::CARGO_MANIFEST;
use super::workspace::Surroundings;

/// The SDK in the source that this command was built from.
const BUILT_BESIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../guest-sdk");

/// The line of `[dependencies]` for a function in `folder`.
///
/// # Errors
/// When there is no SDK.
pub(super) fn dependency(
    named: Option<&Path>,
    around: &Surroundings,
    folder: &Path,
) -> anyhow::Result<String> {
    let Some(named) = named else {
        return match around {
            Surroundings::Member(_, manifest) if inherits(manifest) => {
                Ok("dunlin.workspace = true".to_owned())
            }
            _ => match sdk_in(Path::new(BUILT_BESIDE)) {
                Some(sdk) => Ok(path_dependency(&sdk, folder)),
                None => bail!(
                    "the SDK is not where this command was built (`{BUILT_BESIDE}`), and it is in \
                     no registry: name its folder with `--sdk DIR`, or do without it: \
                     `--template wasi-http`"
                ),
            },
        };
    };
    match sdk_in(named) {
        Some(sdk) => Ok(path_dependency(&sdk, folder)),
        None => bail!(
            "`{}` is not the SDK: name the folder with the `{CARGO_MANIFEST}` of the crate \
             `dunlin`, which is `guest-sdk` in Dunlin's source",
            named.display()
        ),
    }
}

/// Whether members of the workspace can say `dunlin.workspace = true`.
fn inherits(manifest: &toml::Table) -> bool {
    let workspace = manifest.get("workspace");
    let dependencies = workspace.and_then(|workspace| workspace.get("dependencies"));
    dependencies.is_some_and(|dependencies| dependencies.get("dunlin").is_some())
}

/// `folder` without links, if it holds the SDK.
fn sdk_in(folder: &Path) -> Option<PathBuf> {
    let folder = folder.canonicalize().ok()?;
    let text = std::fs::read_to_string(folder.join(CARGO_MANIFEST)).ok()?;
    let manifest: toml::Table = text.parse().ok()?;
    let name = manifest.get("package")?.get("name")?.as_str()?;
    (name == "dunlin").then_some(folder)
}

fn path_dependency(sdk: &Path, function: &Path) -> String {
    // Beside each other in one source, they move together.
    let source = sdk.parent().expect("the SDK is no root");
    let path = match function.strip_prefix(source) {
        Ok(below) => {
            let up: PathBuf = below.iter().map(|_| "..").collect();
            up.join(sdk.file_name().expect("the SDK is no root"))
        }
        Err(_) => sdk.to_owned(),
    };
    let path = toml::Value::from(path.to_string_lossy().into_owned());
    format!("dunlin = {{ path = {path} }}")
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::Folder;
    use super::*;

    #[test]
    fn the_sdk_is_named_inherited_or_built_beside() {
        let folder = Folder::new();
        folder.write("src/guest-sdk/Cargo.toml", "[package]\nname = \"dunlin\"\n");
        folder.write("other/Cargo.toml", "[package]\nname = \"other\"\n");
        let sdk = folder.path("src/guest-sdk");
        let named = |sdk: &str, function: &str| {
            let sdk = folder.path(sdk);
            dependency(
                Some(&sdk),
                &Surroundings::None,
                &folder.path("").join(function),
            )
        };
        assert_eq!(
            named("src/guest-sdk", "src/functions/a").expect("is found"),
            "dunlin = { path = \"../../guest-sdk\" }"
        );
        assert_eq!(
            named("src/guest-sdk", "elsewhere/a").expect("is found"),
            format!("dunlin = {{ path = \"{}\" }}", sdk.display())
        );
        for wrong in ["other", "src"] {
            let error = named(wrong, "a").expect_err("is none").to_string();
            assert!(error.contains("`guest-sdk`"), "{error}");
        }

        let workspace = "[workspace.dependencies]\ndunlin = { path = \"x\" }\n";
        let workspace = workspace.parse().expect("is TOML");
        let member = Surroundings::Member(folder.path(""), workspace);
        let inherited = dependency(None, &member, &folder.path("")).expect("is inherited");
        assert_eq!(inherited, "dunlin.workspace = true");
        let own = dependency(None, &Surroundings::None, Path::new("/a")).expect("is built beside");
        assert!(own.ends_with("/guest-sdk\" }"), "{own}");
    }
}
