//! What editors and shells ask for: the schema of dunlin.toml, completions.

use std::fs;
use std::path::{Path, PathBuf};

use boon::{Compiler, Draft, SchemaIndex, Schemas};
use serde_json::Value;

use crate::harness::{dunlin, is_as_reviewed, repository, run};

/// The schema that the command prints.
struct Schema {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Schema {
    async fn load() -> Self {
        let printed = run(dunlin().arg("schema")).await.succeeded().stdout;
        let schema: Value = printed.parse().expect("is JSON");
        let mut schemas = Schemas::new();
        let mut compiler = Compiler::new();
        compiler.set_default_draft(Draft::V7);
        let name = "file:///dunlin.schema.json";
        compiler.add_resource(name, schema).expect("is a schema");
        let index = compiler.compile(name, &mut schemas).expect("is sound");
        Self { schemas, index }
    }

    /// Why a manifest is not valid.
    fn objection(&self, toml: &str) -> Option<String> {
        let value: toml::Value = toml::from_str(toml).expect("is TOML");
        let value = serde_json::to_value(value).expect("has no dates");
        let refused = self.schemas.validate(&value, self.index);
        refused.err().map(|error| error.to_string())
    }
}

/// Set `DUNLIN_BLESS=1` to write the file anew, then review the change.
#[tokio::test]
async fn the_schema_is_as_reviewed() {
    let printed = run(dunlin().arg("schema")).await.succeeded().stdout;
    is_as_reviewed("docs/dunlin.schema.json", &printed);
    let schema: Value = printed.parse().expect("is JSON");
    let mut keys = 0;
    let own = [&schema];
    let sections = schema["definitions"].as_object().expect("are there");
    for object in own.into_iter().chain(sections.values()) {
        for (key, what) in object["properties"].as_object().into_iter().flatten() {
            let text = what["description"].as_str().unwrap_or_default();
            assert!(text.len() > 10, "`{key}` is not described");
            keys += 1;
        }
    }
    assert!(keys >= 20, "only {keys} keys");
}

/// The manifests below `folder`, without those in build output.
fn manifests(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("is a folder") {
        let path = entry.expect("can be read").path();
        let name = path.file_name().expect("has a name").to_string_lossy();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            manifests(&path, found);
        } else if name == "dunlin.toml" {
            found.push(path);
        }
    }
}

#[tokio::test]
async fn every_manifest_here_is_valid() {
    let schema = Schema::load().await;
    let mut found = Vec::new();
    manifests(repository(), &mut found);
    assert!(found.len() >= 9, "{found:?}");
    for path in found {
        let text = fs::read_to_string(&path).expect("can be read");
        let text = text.replace("{{name}}", "shop");
        assert_eq!(schema.objection(&text), None, "{}", path.display());
    }
    for document in ["docs/functions.md", "docs/operating.md"] {
        let text = fs::read_to_string(repository().join(document)).expect("is there");
        for block in text.split("<!-- dunlin.toml -->\n```toml\n").skip(1) {
            let (block, _) = block.split_once("\n```").expect("ends");
            assert_eq!(schema.objection(block), None, "{document}: {block}");
        }
    }
}

/// What the schema says is what the host says.
#[tokio::test]
async fn what_the_schema_refuses_is_refused() {
    let schema = Schema::load().await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let function = folder.path().join("shop");
    fs::create_dir(&function).expect("can be made");
    let accepted = "mount = \"/v1/shop\"\nhost = \"API.example.com\"\nisolation = \"serial\"\n\
                    [build]\ncommand = [\"make\", \"guest\"]\ncomponent = \"a.wasm\"\n\
                    [vars]\nA_1 = \"x\"\n[limits]\nmemory = \"1 mib\"\ncpu = \"1m 30s\"\n\
                    outgoing_requests = 0\n\
                    [egress]\nallow = [\"*\", \"*.a.test:80\", \"10.0.0.0/8\", \"[::1]:1\", \"HTTPS://a\"]";
    assert_eq!(schema.objection(accepted), None);
    for refused in [
        "nmae = \"shop\"",
        "name = \"Shop\"",
        "name = 3",
        "mount = \"shop\"",
        "mount = \"/a/\"",
        "host = \"a b\"",
        "isolation = \"none\"",
        "on_disconnect = true",
        "[build]\ncommand = []",
        "[build]\ncommand = \" \"",
        "[vars]\nA = 3",
        "[vars]\n2A = \"x\"",
        "[egress]\nallow = [\"ftp://a\"]",
        "[egress]\nallow = \"a.test\"",
        "[limits]\nmemory = 128",
        "[limits]\nmemory = \"128 potatoes\"",
        "[limits]\ndeadline = \"soon\"",
        "[limits]\nconcurrency = 0",
        "[limits]\noutgoing_requests = -1",
        "[limits]\nmemroy = \"1MiB\"",
    ] {
        assert!(schema.objection(refused).is_some(), "{refused}");
        fs::write(function.join("dunlin.toml"), refused).expect("can be written");
        let build = run(dunlin().arg("build").arg(&function)).await;
        assert_eq!(build.code(), 1, "{refused}: {build:#?}");
        assert!(build.stderr.contains("dunlin.toml:"), "{build:#?}");
    }
}

#[tokio::test]
async fn bash_completes_commands_and_flags() {
    let script = run(dunlin().args(["completions", "bash"]))
        .await
        .succeeded();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("dunlin.bash");
    fs::write(&file, script.stdout).expect("can be written");
    for (typed, expected) in [
        ("dunlin dep", "deploy"),
        ("dunlin deploy --can", "--canary"),
        ("dunlin new shop --template rust-", "rust-cpu"),
        ("dunlin completions fi", "fish"),
    ] {
        let words: Vec<_> = typed.split(' ').collect();
        let last = words.len() - 1;
        let complete = format!(
            "source {}; COMP_WORDS=({typed}); COMP_CWORD={last}; \
             _dunlin dunlin {} {}; echo \"${{COMPREPLY[@]}}\"",
            file.display(),
            words[last],
            words[last - 1]
        );
        let mut bash = tokio::process::Command::new("bash");
        let completed = run(bash.args(["--norc", "-c", &complete]))
            .await
            .succeeded();
        assert_eq!(completed.stdout.trim(), expected, "{typed}: {completed:#?}");
    }
}

#[tokio::test]
async fn other_shells_have_scripts_of_their_own() {
    for (shell, part) in [("zsh", "#compdef dunlin"), ("fish", "complete -c dunlin")] {
        let script = run(dunlin().args(["completions", shell])).await.succeeded();
        assert!(script.stdout.contains(part), "{script:#?}");
        assert!(script.stdout.contains("rollback"), "{script:#?}");
    }
    let json = run(dunlin().args(["completions", "bash", "--json"])).await;
    assert_eq!(json.succeeded().json()[0]["shell"], "bash");
}
