//! The cargo workspace that a new function comes to lie in.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::super::project::CARGO_MANIFEST;

/// What cargo will think of a package in a folder.
#[derive(Debug, PartialEq)]
pub(super) enum Surroundings {
    /// It is a member of the workspace with this manifest.
    Member(PathBuf, toml::Table),
    /// It lies below a workspace that does not list it.
    Strange,
    /// There is no workspace around it.
    None,
}

/// Looks at the folders around `folder`, which need not exist.
///
/// # Errors
/// When a `Cargo.toml` around it cannot be read.
pub(super) fn around(folder: &Path) -> anyhow::Result<Surroundings> {
    for above in folder.ancestors().skip(1) {
        let file = above.join(CARGO_MANIFEST);
        if !file.is_file() {
            continue;
        }
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("`{}` cannot be read", file.display()))?;
        let manifest: toml::Table = text
            .parse()
            .with_context(|| format!("`{}` is broken", file.display()))?;
        let Some(workspace) = manifest.get("workspace") else {
            // Of a package: the workspace may be further up.
            continue;
        };
        let below = folder.strip_prefix(above).expect("is an ancestor");
        let lists = |key: &str, matches: fn(&str, &Path) -> bool| {
            let patterns = workspace.get(key).and_then(toml::Value::as_array);
            let patterns = patterns.into_iter().flatten();
            patterns
                .filter_map(toml::Value::as_str)
                .any(|it| matches(it, below))
        };
        if lists("exclude", |excluded, path| path.starts_with(excluded)) {
            return Ok(Surroundings::None);
        }
        return Ok(if lists("members", matches) {
            Surroundings::Member(above.to_owned(), manifest)
        } else {
            Surroundings::Strange
        });
    }
    Ok(Surroundings::None)
}

/// Whether a pattern of `members`, such as `functions/*`, matches the path.
fn matches(pattern: &str, path: &Path) -> bool {
    let mut segments = path.iter();
    let all = Path::new(pattern).iter().all(|wanted| {
        let wanted = wanted.to_string_lossy();
        segments
            .next()
            .is_some_and(|it| match wanted.split_once('*') {
                None => it == &*wanted,
                Some((before, after)) => {
                    let it = it.to_string_lossy();
                    it.len() >= before.len() + after.len()
                        && it.starts_with(before)
                        && it.ends_with(after)
                }
            })
    });
    all && segments.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::Folder;
    use super::*;

    #[test]
    fn a_function_belongs_to_the_workspace_that_lists_it() {
        let folder = Folder::new();
        folder.write(
            "ws/Cargo.toml",
            "[workspace]\nmembers = [\"functions/*\", \"one\"]\nexclude = [\"out\"]\n",
        );
        folder.write("ws/one/Cargo.toml", "[package]\nname = \"one\"\n");
        let at = |path: &str| around(&folder.path("").join(path)).expect("can be read");
        for listed in ["ws/functions/shop", "ws/one"] {
            assert!(
                matches!(at(listed), Surroundings::Member(root, _) if root == folder.path("ws")),
                "{listed}"
            );
        }
        for strange in ["ws/shop", "ws/functions/a/b", "ws/one/inner"] {
            assert_eq!(at(strange), Surroundings::Strange, "{strange}");
        }
        for alone in ["ws/out/shop", "shop"] {
            assert_eq!(at(alone), Surroundings::None, "{alone}");
        }
    }
}
