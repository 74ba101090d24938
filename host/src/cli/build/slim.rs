//! Takes out of a component what nobody reads there: half of a small one.
//!
//! Names are for backtraces. Those of the function's own code and its packages
//! stay, as their author wrote them; those of the standard library and of the
//! bindings go, and so do the names of the component's inner parts.

use std::borrow::Cow;
use std::path::Path;

use anyhow::Context;
use tokio::task::spawn_blocking;
use wasm_encoder::{Component, Module, NameMap, NameSection, RawSection};
use wasmparser::{BinaryReader, Name, NameSectionReader, Parser, Payload};

/// Whose names go: the first step of a function's path.
const UNREAD: [&str; 10] = [
    "__rustc",
    "core",
    "alloc",
    "std",
    "wit_bindgen",
    "wasip2",
    "wasip3",
    "dlmalloc",
    "hashbrown",
    "futures_util",
];

/// Made by `wit_bindgen` as well, in the SDK's name.
const BINDINGS: &str = "dunlin::wasm::bindings::";

const MODULE: u8 = 1;
const CUSTOM: u8 = 0;

/// Slims the component at `path`, in its place.
///
/// # Errors
/// If it cannot be read, parsed or written; it is as it was then.
pub(super) async fn slim(path: &Path) -> anyhow::Result<()> {
    let path = path.to_owned();
    let work = move || {
        let shown = path.display();
        let whole = std::fs::read(&path).with_context(|| format!("cannot read `{shown}`"))?;
        let slim = component(&whole).with_context(|| format!("`{shown}` is no component"))?;
        // Another file: cargo's own may be the same as this one by a hard link.
        let beside = path.with_extension("slim");
        std::fs::write(&beside, slim)
            .and_then(|()| std::fs::rename(&beside, &path))
            .with_context(|| format!("cannot write `{shown}`"))
    };
    spawn_blocking(work).await?
}

fn component(whole: &[u8]) -> wasmparser::Result<Vec<u8>> {
    let mut slim = Component::new();
    for (id, data) in sections(whole)? {
        match id {
            CUSTOM => {}
            MODULE => {
                let module = module(data)?;
                slim.section(&RawSection { id, data: &module });
            }
            _ => {
                slim.section(&RawSection { id, data });
            }
        }
    }
    Ok(slim.finish())
}

fn module(whole: &[u8]) -> wasmparser::Result<Vec<u8>> {
    let mut slim = Module::new();
    for (id, data) in sections(whole)? {
        match (id, custom_name(id, data)?) {
            (CUSTOM, Some("name")) => {
                slim.section(&names(data)?);
            }
            // How it was made: `producers` and `target_features`.
            (CUSTOM, _) => {}
            _ => {
                slim.section(&RawSection { id, data });
            }
        }
    }
    Ok(slim.finish())
}

/// The sections of a module or a component, not of those inside it.
fn sections(whole: &[u8]) -> wasmparser::Result<Vec<(u8, &[u8])>> {
    let mut sections = Vec::new();
    let mut inside = 0;
    for payload in Parser::new(0).parse_all(whole) {
        let payload = payload?;
        if inside == 0
            && let Some((id, range)) = payload.as_section()
        {
            sections.push((id, &whole[range]));
        }
        match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => inside += 1,
            Payload::End(_) if inside > 0 => inside -= 1,
            _ => {}
        }
    }
    Ok(sections)
}

fn custom_name(id: u8, data: &[u8]) -> wasmparser::Result<Option<&str>> {
    match id {
        CUSTOM => BinaryReader::new(data, 0).read_string().map(Some),
        _ => Ok(None),
    }
}

/// The names that are kept.
fn names(section: &[u8]) -> wasmparser::Result<NameSection> {
    let mut reader = BinaryReader::new(section, 0);
    reader.read_string()?;
    let mut kept = NameMap::new();
    for subsection in NameSectionReader::new(reader) {
        let Name::Function(functions) = subsection? else {
            continue;
        };
        for function in functions {
            let function = function?;
            if let Some(name) = kept_name(function.name) {
                kept.append(function.index, &name);
            }
        }
    }
    let mut names = NameSection::new();
    names.functions(&kept);
    Ok(names)
}

/// The name as its author wrote it, or none if nobody reads it.
fn kept_name(mangled: &str) -> Option<Cow<'_, str>> {
    let Ok(demangled) = rustc_demangle::try_demangle(mangled) else {
        // Of the linker or of C, but not of an export: `dlmalloc`, `memcpy`.
        return None;
    };
    let name = format!("{demangled:#}");
    let path = name.trim_start_matches(['<', '&', '(']);
    // Of `u8 as core::fmt::Display`, the trait's.
    let first = path.split("::").next().unwrap_or_default();
    let first = first.rsplit(' ').next().unwrap_or_default();
    let is_unread = UNREAD.contains(&first) || path.starts_with(BINDINGS);
    (!is_unread).then_some(Cow::Owned(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_own_code_are_kept() {
        let kept = |mangled| kept_name(mangled).map(Cow::into_owned);
        assert_eq!(
            kept("_ZN5hello4work17h9b3ebbef1b60ac24E").as_deref(),
            Some("hello::work")
        );
        assert_eq!(kept("_ZN4core3fmt5write17h9b3ebbef1b60ac24E"), None);
        assert_eq!(kept("_RNvNtCs9pv848UzQwQ_4core3fmt5write"), None);
        // <u8 as core::fmt::Display>::fmt
        assert_eq!(
            kept("_RNvXs5_NtNtNtCs9pv848UzQwQ_4core3fmt3num3imphNtB9_7Display3fmt"),
            None
        );
        let bindings = "_ZN6dunlin4wasm8bindings10wit_future7vtable05lower17h22b8a111fcf22f63E";
        assert_eq!(kept(bindings), None);
        assert_eq!(kept("memcpy"), None);
    }

    #[test]
    fn a_component_is_the_same_without_its_customs() {
        let text = r#"(component
            (core module (@custom "producers" "x") (func $f (export "run")))
            (core instance $i (instantiate 0))
            (func (export "run") (canon lift (core func $i "run"))))"#;
        let whole = wat::parse_str(text).expect("a component");
        let slim = component(&whole).expect("a component");
        assert!(slim.len() < whole.len());
        wasmparser::validate(&slim).expect("is valid");
        assert_eq!(component(&slim).expect("a component"), slim);
        assert!(component(b"\0asm").is_err());
    }
}
