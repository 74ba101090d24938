//! Tells components from what is none, before anybody tries to compile one.

use std::path::Path;

use tokio::io::AsyncReadExt;

use super::BuildFailure;

/// Magic, then version 13 of layer 1: the component model's binary format.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
/// Magic, then version 1 of layer 0.
const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// Checks that `path` begins as a component does.
pub(super) async fn check(path: &Path) -> Result<(), BuildFailure> {
    let shown = path.display();
    let mut head = Vec::with_capacity(COMPONENT.len());
    let read = async {
        let file = tokio::fs::File::open(path).await?;
        file.take(COMPONENT.len() as u64)
            .read_to_end(&mut head)
            .await
    };
    read.await.map_err(|error| {
        BuildFailure::new(format!("the component `{shown}` cannot be read: {error}"))
    })?;
    match head.as_slice() {
        COMPONENT => Ok(()),
        CORE_MODULE => Err(BuildFailure::new(format!(
            "`{shown}` is a core module, not a component: build it for wasm32-wasip2, with \
             `[lib] crate-type = [\"cdylib\"]`"
        ))),
        _ => Err(BuildFailure::new(format!(
            "`{shown}` is no wasm file: name the component that the build leaves"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::Folder;
    use super::*;

    #[tokio::test]
    async fn only_a_component_is_one() {
        let folder = Folder::new();
        folder.write("c.wasm", COMPONENT);
        folder.write("m.wasm", [CORE_MODULE, b"more"].concat());
        folder.write("short.wasm", b"\0asm");
        let check = async |name: &str| check(&folder.path(name)).await.map_err(|e| e.summary);
        assert_eq!(check("c.wasm").await, Ok(()));
        let module = check("m.wasm").await.expect_err("a module");
        assert!(module.contains("core module"), "{module}");
        let short = check("short.wasm").await.expect_err("nothing");
        assert!(short.contains("no wasm file"), "{short}");
        let missing = check("missing.wasm").await.expect_err("missing");
        assert!(missing.contains("cannot be read"), "{missing}");
    }
}
