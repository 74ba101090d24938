//! The documents are true: what they quote is in the source, what they tell to
//! type is understood, what they list is all there is.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use dunlin_host::registry::{Limits, Manifest};

/// A fenced block of a document.
struct Block {
    /// The document and the line of the fence, for messages.
    at: String,
    language: String,
    /// The `<!-- … -->` on the line before the fence.
    mark: Option<String>,
    text: String,
}

fn root() -> PathBuf {
    let host = Path::new(env!("CARGO_MANIFEST_DIR"));
    host.parent()
        .expect("the host is a folder of the workspace")
        .to_path_buf()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("`{path}`: {error}"))
}

/// The documents, relative to the workspace's root.
fn documents() -> Vec<String> {
    let mut found: Vec<String> = walkdir::WalkDir::new(root().join("docs"))
        .into_iter()
        .map(|entry| entry.expect("docs/ can be read").into_path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .map(|path| {
            let path = path.strip_prefix(root()).expect("is below the root");
            path.to_string_lossy().into_owned()
        })
        .collect();
    found.extend(
        [
            "README.md",
            "ARCHITECTURE.md",
            "CHANGELOG.md",
            "bench/README.md",
        ]
        .map(Into::into),
    );
    found.sort();
    assert!(found.len() > 6, "{found:?}");
    found
}

fn blocks() -> Vec<Block> {
    documents()
        .iter()
        .flat_map(|document| blocks_of(document))
        .collect()
}

fn blocks_of(document: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut before = String::new();
    let text = read(document);
    let mut lines = text.lines().zip(1..);
    while let Some((line, number)) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let inside = lines
                .by_ref()
                .map(|(line, _)| line)
                .take_while(|line| *line != "```");
            let mark = before
                .strip_prefix("<!-- ")
                .and_then(|mark| mark.strip_suffix(" -->"));
            blocks.push(Block {
                at: format!("{document}:{number}"),
                language: language.to_owned(),
                mark: mark.map(str::to_owned),
                text: inside.map(|line| format!("{line}\n")).collect(),
            });
        }
        before = line.to_owned();
    }
    blocks
}

/// The cells of every row of every table below the heading `heading`, without
/// the tables' own headings.
fn rows(document: &str, heading: &str) -> Vec<Vec<String>> {
    let text = read(document);
    let section = text.split_once(&format!("\n{heading}\n"));
    let (_, section) = section.unwrap_or_else(|| panic!("{document} has no `{heading}`"));
    let section = section
        .split_once("\n#")
        .map_or(section, |(section, _)| section);
    section
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix('|'))
        .map(|row| {
            row.split(" | ")
                .map(|cell| cell.trim().to_owned())
                .collect()
        })
        .collect()
}

/// What stands in backticks, if the cell is that and nothing else.
fn code(cell: &str) -> Option<&str> {
    cell.strip_prefix('`')?.strip_suffix('`')
}

#[test]
fn quoted_code_is_in_the_source() {
    let mut quoted = 0;
    for block in blocks() {
        let at = &block.at;
        if let Some(path) = block
            .mark
            .as_deref()
            .and_then(|mark| mark.strip_prefix("from "))
        {
            assert!(read(path).contains(&block.text), "{at} differs from {path}");
            quoted += 1;
        } else {
            assert_ne!(
                block.language, "rust",
                "{at} needs a mark: `<!-- from PATH -->`"
            );
        }
    }
    assert!(quoted >= 5, "only {quoted} blocks are quoted");
}

#[test]
fn toml_blocks_are_valid() {
    for Block {
        at,
        language,
        mark,
        text,
    } in blocks()
    {
        if language != "toml" {
            continue;
        }
        match mark.as_deref() {
            Some("Cargo.toml") => drop(text.parse::<toml::Table>().expect(&at)),
            // The samples' own manifests are whole files: tests deploy them.
            Some(mark) if mark.ends_with("dunlin.toml") => {
                let name = "shop".parse().expect("is a name");
                Manifest::from_toml(&text, Path::new(&at), Some(&name)).expect(&at);
            }
            // Only the command line reads it: its own tests try this block.
            Some("host.toml") => {}
            _ => panic!("{at} needs a mark: `<!-- dunlin.toml -->`, or `from PATH`"),
        }
    }
}

/// `--help` after the arguments stops the command once they are understood.
#[test]
fn commands_are_understood() {
    let mut understood = 0;
    for block in blocks() {
        let lines: Vec<&str> = match block.language.as_str() {
            "sh" => block.text.lines().collect(),
            "console" => block
                .text
                .lines()
                .filter_map(|line| line.strip_prefix("$ "))
                .collect(),
            _ => continue,
        };
        for command in lines.iter().flat_map(|line| line.split(" && ")) {
            let typed = command.split(" #").next().unwrap_or_default();
            let typed = typed.split(" > ").next().unwrap_or_default();
            let words = typed
                .split_whitespace()
                .skip_while(|word| word.contains('='));
            let words: Vec<&str> = words.collect();
            let arguments = match words.as_slice() {
                ["dunlin", arguments @ ..] => arguments,
                ["cargo", "run", "--release", "--", arguments @ ..] => arguments,
                _ => continue,
            };
            let run = Command::new(env!("CARGO_BIN_EXE_dunlin"))
                .args(arguments)
                .arg("--help")
                .output()
                .expect("the binary starts");
            let refusal = String::from_utf8_lossy(&run.stderr);
            assert!(run.status.success(), "{}: `{command}`: {refusal}", block.at);
            understood += 1;
        }
    }
    assert!(understood >= 8, "only {understood} commands were found");
}

#[test]
fn every_failure_is_listed() {
    let source = read("host/src/gateway/error.rs");
    let (_, function) = source
        .split_once("pub fn code(")
        .expect("`code` names the failures");
    let (function, _) = function.split_once("\n    }\n").expect("it ends");
    let existing: BTreeSet<&str> = function.split('"').skip(1).step_by(2).collect();
    let rows = rows("docs/operating.md", "## Failures");
    let listed: BTreeSet<&str> = rows.iter().filter_map(|row| code(&row[0])).collect();
    assert_eq!(listed, existing);
    // Elsewhere a code stands behind its status: "502 `guest-trap`".
    for document in documents() {
        for (before, after) in read(&document)
            .split('`')
            .zip(read(&document).split('`').skip(1))
        {
            let status = before.rsplit([' ', '\n']).nth(1).unwrap_or_default();
            let is_status = status.len() == 3 && status.parse::<u16>().is_ok_and(|it| it >= 400);
            if is_status && before.ends_with(' ') {
                let row = rows.iter().find(|row| code(&row[0]) == Some(after));
                let row = row.unwrap_or_else(|| panic!("{document}: `{after}` is no failure"));
                assert_eq!(row[1], status, "{document}: `{after}`");
            }
        }
    }
}

#[test]
fn every_command_and_exit_code_is_listed() {
    let help = Command::new(env!("CARGO_BIN_EXE_dunlin"))
        .arg("--help")
        .output()
        .expect("the binary starts");
    let help = String::from_utf8(help.stdout).expect("is UTF-8");
    let section = |heading: &str| -> Vec<(String, String)> {
        let (_, section) = help.split_once(heading).expect("is in the help");
        let lines = section.lines().skip(1);
        let lines = lines.take_while(|line| line.starts_with("  "));
        let split = |line: &str| {
            let (first, rest) = line.trim().split_once(' ').unwrap_or((line, ""));
            (first.to_owned(), rest.trim().to_owned())
        };
        lines
            .map(split)
            .filter(|(first, _)| first != "help")
            .collect()
    };
    let listed = |heading: &str| -> Vec<(String, String)> {
        let rows = rows("docs/cli.md", heading);
        let cell = |row: &Vec<String>| Some((code(&row[0])?.to_owned(), row[1].clone()));
        rows.iter().filter_map(cell).collect()
    };
    let names = |of: Vec<(String, String)>| -> BTreeSet<String> {
        of.into_iter().map(|(name, _)| name).collect()
    };
    assert_eq!(names(listed("## Commands")), names(section("Commands:")));
    assert_eq!(listed("### Exit codes"), section("Exit codes:"));
}

#[test]
fn every_admin_endpoint_is_listed() {
    // Routes of this kind are in the document; others would not be.
    let source = read("host/src/admin/api.rs");
    assert!(!source.contains(".route("), "use `api_route`");
    let document: serde_json::Value = read("docs/admin.openapi.json").parse().expect("is JSON");
    let mut existing = BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("is an object") {
        for method in item.as_object().expect("is an object").keys() {
            existing.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    let rows = rows("docs/operating.md", "## Admin API");
    let listed = rows
        .iter()
        .filter_map(|row| code(&row[0]).map(str::to_owned))
        .collect();
    assert_eq!(existing, listed);
}

#[test]
fn every_limit_is_listed_with_its_default() {
    let limits = serde_json::to_value(Limits::default()).expect("limits are JSON");
    let limits = limits.as_object().expect("limits are an object");
    let existing: BTreeSet<(String, String)> = limits
        .iter()
        .map(|(key, default)| (key.clone(), default.to_string()))
        .collect();
    let rows = rows("docs/functions.md", "### `[limits]`");
    let listed: BTreeSet<(String, String)> = rows
        .iter()
        .filter_map(|row| Some((code(&row[0])?.to_owned(), code(&row[1])?.to_owned())))
        .collect();
    assert_eq!(listed, existing);
}

#[test]
fn every_other_key_is_listed() {
    let text = "name = 'a'\nhost = 'b.test'\nisolation = 'serial'\n\
                [build]\ncommand = 'c'\ncomponent = 'd'\nprofile = 'e'";
    let manifest = Manifest::from_toml(text, Path::new("dunlin.toml"), None).expect("is valid");
    let manifest = serde_json::to_value(manifest).expect("manifests are JSON");
    let listed = |heading: &str| -> BTreeSet<String> {
        let rows = rows("docs/functions.md", heading);
        rows.iter()
            .filter_map(|row| code(&row[0]).map(str::to_owned))
            .collect()
    };
    let sections = ["build", "vars", "egress", "limits"];
    let keys = |value: &serde_json::Value| -> BTreeSet<String> {
        let object = value.as_object().expect("is an object");
        object
            .keys()
            .filter(|key| !sections.contains(&key.as_str()))
            .cloned()
            .collect()
    };
    assert_eq!(listed("## dunlin.toml"), keys(&manifest));
    assert_eq!(listed("### `[build]`"), keys(&manifest["build"]));
    let egress = keys(&manifest["egress"]);
    assert!(egress.is_subset(&listed("### `[egress]`")), "{egress:?}");
    for section in sections {
        rows("docs/functions.md", &format!("### `[{section}]`"));
    }
}

#[test]
fn links_lead_somewhere() {
    for document in documents() {
        let text = read(&document);
        let folder = Path::new(&document).parent().expect("is a file");
        for link in text.split("](").skip(1) {
            let link = link.split(')').next().unwrap_or_default();
            if link.starts_with("http") {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => root().join(&document),
                path => root().join(folder).join(path),
            };
            assert!(target.exists(), "{document}: `{link}` leads nowhere");
            if !anchor.is_empty() {
                let target = fs::read_to_string(&target).expect("a link to a heading is to a text");
                let found = target
                    .lines()
                    .any(|line| slug(line).as_deref() == Some(anchor));
                assert!(found, "{document}: `{link}`: no such heading");
            }
        }
        // Files that are only named.
        for named in text.split('`').skip(1).step_by(2) {
            let is_path = named.starts_with("host/") || named.starts_with("wit/");
            if is_path && !named.contains(' ') {
                assert!(
                    root().join(named).exists(),
                    "{document}: there is no `{named}`"
                );
            }
        }
    }
}

/// The anchor of a heading, as GitHub makes it.
fn slug(line: &str) -> Option<String> {
    let heading = line
        .trim_start_matches('#')
        .strip_prefix(' ')
        .filter(|_| line.starts_with('#'))?;
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    Some(kept.collect::<String>().to_lowercase().replace(' ', "-"))
}
