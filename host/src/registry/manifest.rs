//! `dunlin.toml`: what a function is called, where it answers, and what it may
//! use.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::raw_manifest::RawManifest;
use super::{BuildSection, EgressSection, Isolation, Limits, OnDisconnect, TomlError, VarName};
use crate::names::{FunctionName, HostName, Mount};

/// A function's manifest, every setting decoded and defaulted.
///
/// ```toml
/// name = "shop"                   # default: the name of its folder
/// mount = "/shop"                 # default: `/NAME`, or `/` when `host` is set
/// host = "api.example.com"        # default: every host
/// isolation = "shared"            # or "serial", "fresh"; default: by lane and contract
/// on_disconnect = "cancel"        # or "finish": what becomes of an abandoned invocation
/// docs = true                     # or false: no `/docs`, `/redoc` and `/openapi.json`
/// secrets = ["API_KEY"]           # default: none
///
/// [build]
/// command = "make guest"          # or a list; default: cargo
/// component = "out/guest.wasm"    # default: where cargo puts it
/// profile = "release"             # default: the builder's choice
///
/// [vars]
/// GREETING = "hello"
///
/// [egress]
/// allow = ["https://api.example.com"]   # default: nothing
///
/// [limits]                        # defaults shown
/// memory = "128MiB"
/// cpu = "10s"
/// deadline = "30s"
/// request_body = "10MiB"
/// outgoing_requests = 50
/// concurrency = 1000
/// log_output = "256KiB"
/// ```
///
/// Unknown keys are errors. The JSON form, in the admin API and the store, has
/// the same keys and the same texts, with the defaults written out: a stored
/// version keeps the meaning it was deployed with when a default changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawManifest")]
pub struct Manifest {
    /// The function's name.
    pub name: FunctionName,
    /// The path below which the function answers.
    pub mount: Mount,
    /// The only host that the function answers for, if it has one of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<HostName>,
    /// Who shares an instance; without it, the lane and contract decide.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isolation: Option<Isolation>,
    /// What becomes of an invocation whose caller goes away.
    pub on_disconnect: OnDisconnect,
    /// Whether the host answers `/openapi.json`, `/docs` and `/redoc` below the
    /// mount, for components that describe themselves.
    pub docs: bool,
    /// Secrets that the guest reads as environment variables. Set apart, on the
    /// host: the manifest only names them.
    pub secrets: BTreeSet<VarName>,
    /// How the component is built from its folder.
    pub build: BuildSection,
    /// Configuration that the guest reads as environment variables.
    pub vars: BTreeMap<VarName, String>,
    /// What the guest may reach.
    pub egress: EgressSection,
    /// What the guest may use up.
    pub limits: Limits,
}

impl Manifest {
    /// The manifest of a component that came without one.
    pub fn named(name: FunctionName) -> Self {
        Self {
            mount: Mount::below_root(&name),
            name,
            host: None,
            isolation: None,
            on_disconnect: OnDisconnect::default(),
            docs: true,
            secrets: BTreeSet::new(),
            build: BuildSection::default(),
            vars: BTreeMap::new(),
            egress: EgressSection::default(),
            limits: Limits::default(),
        }
    }

    /// Reads a manifest. `origin` is only for messages: the path of the file
    /// that `text` came from. `fallback` is the name when the text has none.
    ///
    /// # Errors
    /// The first thing wrong, with its place, its key and what to write.
    pub fn from_toml(
        text: &str,
        origin: &Path,
        fallback: Option<&FunctionName>,
    ) -> Result<Self, TomlError> {
        let mut raw: RawManifest = super::from_toml(text, origin)?;
        raw.name = raw.name.or_else(|| fallback.cloned());
        raw.try_into()
            .map_err(|message: String| TomlError::lacks(text, origin, &message))
    }

    /// The same manifest for a function of another name, which also answers
    /// there unless the manifest says where.
    pub fn renamed(mut self, name: FunctionName) -> Self {
        if self.mount == Mount::below_root(&self.name) {
            self.mount = Mount::below_root(&name);
        }
        self.name = name;
        self
    }
}

impl JsonSchema for Manifest {
    fn schema_name() -> Cow<'static, str> {
        "Manifest".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        RawManifest::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::registry::{BuildCommand, ByteSize, EgressPolicy, TimeLimit};

    const FULL: &str = r#"
name = "shop"
mount = "/v1/shop"
host = "API.example.com"
isolation = "serial"
docs = false
secrets = ["API_KEY"]

[build]
command = ["make", "guest"]
component = "out/guest.wasm"
profile = "release"

[vars]
GREETING = "hello"

[egress]
allow = ["https://api.example.com", "10.0.0.0/8"]

[limits]
memory = "64MiB"
cpu = "5s"
deadline = "1m"
request_body = "1MiB"
outgoing_requests = 0
concurrency = 10
log_output = "1KiB"
"#;

    fn parse(text: &str) -> Result<Manifest, TomlError> {
        Manifest::from_toml(text, Path::new("functions/shop/dunlin.toml"), None)
    }

    #[test]
    fn every_key_is_read() {
        let manifest = parse(FULL).unwrap();
        assert_eq!(manifest.name.as_str(), "shop");
        assert_eq!(manifest.mount.as_str(), "/v1/shop");
        assert_eq!(manifest.host.unwrap().as_str(), "api.example.com");
        assert_eq!(manifest.isolation, Some(Isolation::Serial));
        assert!(!manifest.docs);
        let secrets: Vec<_> = manifest.secrets.iter().map(VarName::as_str).collect();
        assert_eq!(secrets, ["API_KEY"]);
        assert_eq!(
            manifest.build.command,
            Some(BuildCommand::Program("make".into(), vec!["guest".into()]))
        );
        assert_eq!(
            manifest.build.component.unwrap(),
            Path::new("out/guest.wasm")
        );
        assert_eq!(manifest.build.profile.unwrap(), "release");
        assert_eq!(
            manifest.vars[&VarName::try_from("GREETING".to_owned()).unwrap()],
            "hello"
        );
        assert_eq!(manifest.egress.allow.entries().len(), 2);
        let limits = manifest.limits;
        assert_eq!(limits.memory.as_bytes(), 64 << 20);
        assert_eq!(limits.cpu.as_duration(), Duration::from_secs(5));
        assert_eq!(limits.deadline.as_duration(), Duration::from_secs(60));
        assert_eq!(limits.request_body.as_bytes(), 1 << 20);
        assert_eq!(limits.outgoing_requests, 0);
        assert_eq!(limits.concurrency.get(), 10);
        assert_eq!(limits.log_output.as_bytes(), 1 << 10);
    }

    #[test]
    fn a_name_is_enough() {
        let manifest = parse("name = \"shop\"").unwrap();
        assert_eq!(manifest, Manifest::named("shop".parse().unwrap()));
        assert_eq!(manifest.mount.as_str(), "/shop");
        assert_eq!(manifest.egress.allow, EgressPolicy::default());
        // The table of design.md, section 6.
        let json = serde_json::to_value(&manifest.limits).unwrap();
        let defaults = serde_json::json!({
            "memory": "128MiB", "cpu": "10s", "deadline": "30s", "request_body": "10MiB",
            "outgoing_requests": 50, "concurrency": 1000, "log_output": "256KiB",
        });
        assert_eq!(json, defaults);
    }

    #[test]
    fn a_host_of_its_own_is_mounted_whole() {
        let manifest = parse("name = \"shop\"\nhost = \"api.example.com\"").unwrap();
        assert!(manifest.mount.is_root());
    }

    #[test]
    fn json_has_the_same_keys_and_texts() {
        let manifest = parse(FULL).unwrap();
        let json = serde_json::to_string(&manifest).unwrap();
        assert_eq!(serde_json::from_str::<Manifest>(&json).unwrap(), manifest);
        assert!(json.contains(r#""memory":"64MiB""#), "{json}");
        assert!(
            json.contains(r#""allow":["https://api.example.com","10.0.0.0/8"]"#),
            "{json}"
        );
        assert!(json.contains(r#""command":["make","guest"]"#), "{json}");
        let text = toml::to_string(&manifest).unwrap();
        assert_eq!(parse(&text).unwrap(), manifest);
        let sparse: Manifest = serde_json::from_str(r#"{"name":"shop"}"#).unwrap();
        assert_eq!(sparse, Manifest::named("shop".parse().unwrap()));
    }

    /// Asserts where an error points and that it says each of `parts`.
    #[track_caller]
    fn refused(text: &str, place: (usize, usize), key: &str, parts: &[&str]) {
        let error = parse(text).unwrap_err();
        let shown = error.to_string();
        assert_eq!((error.line(), error.column()), place, "{shown}");
        assert_eq!(error.key().unwrap_or(""), key, "{shown}");
        let (line, column) = place;
        let place = format!("functions/shop/dunlin.toml:{line}:{column}: ");
        assert!(shown.starts_with(&place), "{shown}");
        for part in parts {
            assert!(shown.contains(part), "no {part:?} in: {shown}");
        }
        assert!(shown.lines().count() <= 5, "{shown}");
    }

    #[test]
    fn errors_show_place_key_line_and_remedy() {
        let error = parse("name = \"shop\"\n\n[limits]\nmemory = \"128 potatoes\"\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "functions/shop/dunlin.toml:4:10: `limits.memory`: `128 potatoes` is not a size: \
             write a whole number and its unit, such as \"128MiB\"\n   |\n 4 | memory = \"128 \
             potatoes\"\n   |          ^^^^^^^^^^^^^^"
        );
    }

    #[test]
    fn each_mistake_is_named() {
        let below = |rest: &str| format!("name = \"shop\"\n{rest}");
        refused("", (1, 1), "", &["add `name = \"my-function\"`"]);
        refused(
            "name = \"Shop\"",
            (1, 8),
            "name",
            &["`Shop`", "such as `shop-api`"],
        );
        refused("name = 3", (1, 8), "name", &["integer `3`"]);
        refused("name = \"shop", (1, 13), "", &["name = \"shop"]);
        refused(&below("name = \"b\""), (2, 1), "", &["duplicate key"]);
        refused(
            &below("nmae = \"b\""),
            (2, 1),
            "nmae",
            &["unknown field `nmae`", "`mount`"],
        );
        refused(
            &below("mount = \"/a/\""),
            (2, 9),
            "mount",
            &["trailing `/`"],
        );
        refused(
            &below("host = \"10.0.0.1\""),
            (2, 8),
            "host",
            &["`10.0.0.1` is not a host name"],
        );
        refused(
            &below("isolation = \"none\""),
            (2, 13),
            "isolation",
            &["`shared`, `serial`, `fresh`"],
        );
        refused(
            &below("[limits]\nmemroy = \"1MiB\""),
            (3, 1),
            "limits.memroy",
            &["`memory`"],
        );
        refused(
            &below("[limits]\nmemory = 128"),
            (3, 10),
            "limits.memory",
            &["\"128MiB\""],
        );
        refused(
            &below("[limits]\ndeadline = \"0s\""),
            (3, 12),
            "limits.deadline",
            &["more than zero"],
        );
        refused(
            &below("[limits]\nconcurrency = 0"),
            (3, 15),
            "limits.concurrency",
            &["nonzero"],
        );
        refused(
            &below("[limits]\nconcurrency = -1"),
            (3, 15),
            "limits.concurrency",
            &["-1"],
        );
        refused(
            &below("[build]\ncommand = []"),
            (3, 11),
            "build.command",
            &["the command is empty"],
        );
        refused(
            &below("[build]\ncommand = 3"),
            (3, 11),
            "build.command",
            &["[\"make\", \"guest\"]"],
        );
        refused(
            &below("[egress]\nallow = [\"a\", \"b c\"]"),
            (3, 9),
            "egress.allow[1]",
            &["`b c`", "`*.example.com`"],
        );
        refused(
            &below("[vars]\n\"2A\" = \"x\""),
            (3, 1),
            "vars.2A",
            &["`2A`", "`API_URL`"],
        );
        refused(&below("[vars]\nA = 3"), (3, 5), "vars.A", &["integer `3`"]);
    }

    #[test]
    fn long_and_odd_lines_stay_on_one_screen() {
        let long = format!("name = \"{}\"", "x".repeat(5_000));
        let shown = parse(&long).unwrap_err().to_string();
        assert!(
            shown.lines().skip(1).all(|line| line.len() < 120),
            "{shown}"
        );
        let far = format!("vars = {{ A = \"{}ä\", B = 3 }}", "ü".repeat(500));
        let shown = parse(&format!("name = \"a\"\n{far}"))
            .unwrap_err()
            .to_string();
        assert!(
            shown.contains("`vars.B`") && shown.contains("B = 3"),
            "{shown}"
        );
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "\\PC{0,80}") {
            let _ = parse(&text).map_err(|e| e.to_string());
        }

        #[test]
        fn near_manifests_never_panic(
            key in "[a-z_.]{0,12}", value in "(\"[a-zä0-9/*:. ]{0,12}\"|[0-9a-z.-]{0,8}|\\[[\", a]{0,6}\\])",
            table in "(|\\[limits\\]|\\[vars\\]|\\[build\\]|\\[egress\\])", cut in 0usize..60,
        ) {
            let mut text = format!("name = \"shop\"\r\n{table}\r\n{key} = {value}\n");
            text.truncate(text.floor_char_boundary(text.len().saturating_sub(cut / 4)));
            let _ = parse(&text).map_err(|e| e.to_string());
        }

        #[test]
        fn manifests_round_trip(
            name in "[a-z][a-z0-9]{0,8}", var in "[A-Z_]{1,5}", value in "\\PC{0,12}",
            memory: u64, seconds in 1u32.., concurrency in 1u32.., line in proptest::option::of("[a-z]{1,9}"),
        ) {
            let mut manifest = Manifest::named(name.parse().unwrap());
            manifest.vars.insert(VarName::try_from(var).unwrap(), value);
            manifest.limits.memory = ByteSize::bytes(memory);
            manifest.limits.deadline = TimeLimit::seconds(seconds);
            manifest.limits.concurrency = concurrency.try_into().unwrap();
            manifest.build.command = line.map(BuildCommand::Shell);
            manifest.egress.allow = EgressPolicy::parse(["*.a.test"]).unwrap();
            let json = serde_json::to_string(&manifest).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Manifest>(&json).unwrap(), &manifest);
            let text = toml::to_string(&manifest).unwrap();
            prop_assert_eq!(&parse(&text).unwrap(), &manifest);
        }
    }
}
