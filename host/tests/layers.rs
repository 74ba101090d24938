//! Imports in `host/src` go down the layers, never up or sideways.

use std::fs;
use std::path::Path;

/// The layers, top first. Modules of one layer are strangers to each other.
const LAYERS: [&[&str]; 8] = [
    &["main", "cli"],
    &["gateway", "admin"],
    &["runtime"],
    &["scheduling", "capabilities"],
    &["routing"],
    &["registry"],
    &["telemetry", "contract"],
    &["arriving", "names", "failpoint"],
];

/// Only these speak the guests' language; the rest is none of their business.
const CONTRACT_USERS: [&str; 3] = ["capabilities", "runtime", "gateway"];

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// Why a file at `path`, relative to `src`, may not import the top-level module
/// `imported`.
fn objection(path: &Path, imported: &str) -> Option<String> {
    let module = top_module(path);
    if module == imported {
        return None;
    }
    let Some(below) = layer(imported) else {
        return Some(format!(
            "`{imported}` has no layer: give it one in {}",
            file!()
        ));
    };
    match layer(&module) {
        None => Some(format!(
            "`{module}` has no layer: give it one in {}",
            file!()
        )),
        Some(own) if below <= own => Some(format!("`{module}` stands no higher than `{imported}`")),
        Some(_) if imported == "contract" && !CONTRACT_USERS.contains(&module.as_str()) => {
            Some(format!("`{module}` has nothing to say to guests"))
        }
        Some(_) => None,
    }
}

/// `gateway` for `gateway/request.rs`, `names` for `names.rs`.
fn top_module(path: &Path) -> String {
    let first = path.iter().next().expect("a file's path has a component");
    let first = Path::new(first).with_extension("");
    first.to_string_lossy().into_owned()
}

/// How many modules the file's own is below the crate's root.
fn depth(path: &Path) -> usize {
    let folders = path.components().count() - 1;
    folders + usize::from(!path.ends_with("mod.rs"))
}

/// The top-level modules that `code` names, each with its line.
fn imports(path: &Path, code: &str) -> Vec<(usize, String)> {
    let to_root = "super::".repeat(depth(path));
    let mut found = Vec::new();
    // Without comments, whose links may point up.
    let lines: Vec<&str> = code
        .lines()
        .map(|line| line.split("//").next().unwrap_or(""))
        .collect();
    for (number, line) in lines.iter().enumerate() {
        for root in ["crate::", &to_root] {
            for (at, _) in line.match_indices(root) {
                let before = line[..at].chars().next_back();
                // `my_crate::`, `$crate::`, or a longer way up to somewhere else.
                if before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '$' | ':')) {
                    continue;
                }
                let rest = &line[at + root.len()..];
                let names = match rest.strip_prefix('{') {
                    // A group may go on for lines.
                    Some(first) => {
                        group(std::iter::once(first).chain(lines[number + 1..].iter().copied()))
                    }
                    None => vec![identifier(rest)],
                };
                let names = names.into_iter().filter(|name| {
                    // The crate's root holds modules only; `super::*` in a test
                    // module does not reach it.
                    !name.is_empty() && (root == "crate::" || layer(name).is_some())
                });
                found.extend(names.map(|name| (number + 1, name)));
            }
        }
    }
    found
}

/// The first name of each path in a group of imports, whose `{` was read.
fn group<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut names = vec![String::new()];
    let mut nested = 0;
    for c in lines.flat_map(|line| line.chars().chain([' '])) {
        match c {
            '{' => nested += 1,
            '}' if nested == 0 => break,
            '}' => nested -= 1,
            ',' if nested == 0 => names.push(String::new()),
            c => names.last_mut().expect("there is always one").push(c),
        }
    }
    names.iter().map(|name| identifier(name.trim())).collect()
}

fn identifier(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

#[test]
fn imports_go_down() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut objections = Vec::new();
    let mut files = 0;
    for entry in walkdir::WalkDir::new(&source).sort_by_file_name() {
        let entry = entry.unwrap();
        let path = entry.path().strip_prefix(&source).unwrap();
        if path.extension().is_none_or(|extension| extension != "rs") || path == "lib.rs" {
            continue;
        }
        files += 1;
        let code = fs::read_to_string(entry.path()).unwrap();
        for (line, imported) in imports(path, &code) {
            if let Some(objection) = objection(path, &imported) {
                objections.push(format!("host/src/{}:{line}: {objection}", path.display()));
            }
        }
    }
    assert!(files > 50, "only {files} files in {}", source.display());
    assert!(objections.is_empty(), "{}", objections.join("\n"));
}

#[test]
fn every_module_has_a_layer_and_every_layer_its_modules() {
    let root = include_str!("../src/lib.rs");
    let declared = root
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let mut declared: Vec<_> = declared.chain(["main"]).collect();
    let mut listed = LAYERS.concat();
    declared.sort_unstable();
    listed.sort_unstable();
    assert_eq!(declared, listed);
}

#[test]
fn what_climbs_is_found() {
    let objections = |path: &str, code: &str| -> Vec<String> {
        let path = Path::new(path);
        let all = imports(path, code).into_iter();
        all.filter_map(|(line, imported)| Some(format!("{line}: {}", objection(path, &imported)?)))
            .collect()
    };
    let climbs = |path: &str, code: &str, expected: &str| {
        assert_eq!(objections(path, code), [expected], "{path}: {code}");
    };
    climbs(
        "routing/table.rs",
        "\nuse crate::runtime::Engine;",
        "2: `routing` stands no higher than `runtime`",
    );
    climbs(
        "names.rs",
        "let x = crate::registry::Lane::Async;",
        "1: `names` stands no higher than `registry`",
    );
    climbs(
        "admin/api.rs",
        "use crate::gateway::Detail;",
        "1: `admin` stands no higher than `gateway`",
    );
    climbs(
        "capabilities/fetch.rs",
        "use crate::scheduling::Lanes;",
        "1: `capabilities` stands no higher than `scheduling`",
    );
    climbs(
        "registry/store.rs",
        "use crate::contract::Body;",
        "1: `registry` has nothing to say to guests",
    );
    climbs(
        "telemetry/mod.rs",
        "use super::cli::Output;",
        "1: `telemetry` stands no higher than `cli`",
    );
    climbs(
        "runtime/call.rs",
        "use super::super::gateway;",
        "1: `runtime` stands no higher than `gateway`",
    );
    climbs(
        "routing/mod.rs",
        "use crate::{\n    names::FunctionName,\n    registry::{Lane, cli},\n    gateway::Gateway,\n};",
        "1: `routing` stands no higher than `gateway`",
    );
    climbs(
        "cli/up.rs",
        "use crate::novelty::New;",
        &format!("1: `novelty` has no layer: give it one in {}", file!()),
    );

    for (path, fine) in [
        ("cli/up.rs", "use crate::gateway::Detail;"),
        ("cli/build/cargo.rs", "use super::super::output::Progress;"),
        (
            "runtime/call.rs",
            "use super::instance::Status;\nuse crate::contract::{Body, Function};",
        ),
        (
            "routing/table.rs",
            "use crate::routing::Route; use my_crate::cli;",
        ),
        (
            "registry/mod.rs",
            "//! See [`crate::gateway`].\n// or crate::cli",
        ),
        ("names.rs", "mod tests {\n    use super::*;\n}"),
    ] {
        assert_eq!(objections(path, fine), [] as [&str; 0], "{path}: {fine}");
    }
}
