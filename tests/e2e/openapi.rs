//! The admin API's OpenAPI document: as reviewed, valid, and true of what a
//! running host answers.

use std::collections::BTreeSet;
use std::fs;

use boon::{Compiler, SchemaIndex, Schemas};
use http::{Method, StatusCode};
use reqwest::{Body, Client};
use serde_json::{Value, json};

use crate::harness::{Host, OpenApi, component, function_folder, is_as_reviewed};

/// The methods that an item of `paths` may have.
const METHODS: [&str; 5] = ["get", "head", "post", "put", "delete"];

/// Set `DUNLIN_BLESS=1` to write the file anew, then review the change.
#[tokio::test]
async fn the_document_is_as_reviewed_and_valid() {
    let host = Host::start().await;
    let printed = host.run(["openapi"]).await.succeeded().stdout;
    is_as_reviewed("docs/admin.openapi.json", &printed);
    let document: Value = printed.parse().expect("is JSON");

    let standard = OpenApi::standard();
    assert_eq!(standard.objection(&document), None);
    let own = document["components"]["schemas"].as_object();
    let own = own.expect("is an object");
    assert!(own.len() > 30, "{own:?}");
    let mut odd = document.clone();
    odd["components"]["schemas"]["Split"] = json!({ "type": "objekt" });
    assert!(standard.objection(&odd).is_some());
    let mut broken = document.clone();
    broken["paths"]["/v1/host"]["get"]["responses"]["200"] = json!({ "content": 3 });
    assert!(standard.objection(&broken).is_some());
}

/// The document, and which of its operations were tried.
struct Api {
    host: Host,
    client: Client,
    token: String,
    document: Value,
    tried: BTreeSet<String>,
}

impl Api {
    async fn of(host: Host) -> Self {
        let token = fs::read_to_string(host.data_dir().join("token")).expect("is there");
        let document = host.run(["openapi", "--json"]).await.succeeded().json();
        Self {
            client: Client::builder().no_proxy().build().expect("is sound"),
            token: token.trim().to_owned(),
            document: document.into_iter().next().expect("is one line"),
            tried: BTreeSet::new(),
            host,
        }
    }

    /// Sends a request for an operation; its answer must be as the document
    /// says. Returns the body.
    async fn answers(
        &mut self,
        operation: &str,
        path: &str,
        body: impl Into<Body>,
        status: StatusCode,
    ) -> String {
        let (method, template) = operation.split_once(' ').expect("`METHOD PATH`");
        let url = format!("http://{}{path}", self.host.admin);
        let method: Method = method.parse().expect("is one");
        let request = self.client.request(method.clone(), url).body(body);
        let answer = request.bearer_auth(&self.token).send().await;
        let answer = answer.expect("an answer");
        let given = answer.status();
        let media_type = answer.headers().get("content-type");
        let media_type = media_type.map(|it| it.to_str().expect("is text").to_owned());
        let body = answer.text().await.expect("a whole answer");
        assert_eq!(given, status, "{operation}: {body}");

        let key = method.as_str().to_lowercase();
        let documented = &self.document["paths"][template][&key]["responses"];
        let (kind, response) = match &documented[given.as_str()] {
            Value::Null => ("default", &documented["default"]),
            own => (given.as_str(), own),
        };
        assert!(
            response.is_object(),
            "{operation}: {given} is not in the document"
        );
        if response["content"].is_null() {
            assert_eq!(body, "", "{operation}");
        } else {
            let media_type = media_type.expect("the body has a type");
            let content = response["content"].as_object().expect("is an object");
            let essence = |text: &str| text.split(';').next().unwrap_or_default().to_owned();
            let found = content
                .keys()
                .find(|it| essence(it) == essence(&media_type));
            let found = found.unwrap_or_else(|| panic!("{operation}: {media_type}"));
            let place = [
                "paths",
                template,
                &key,
                "responses",
                kind,
                "content",
                found,
                "schema",
            ];
            if content[found].get("schema").is_some() && essence(found) != "text/plain" {
                self.check(&place, operation, &body);
            }
        }
        self.tried.insert(operation.to_owned());
        body
    }

    /// Holds each line, or the whole, against the schema at `place`.
    fn check(&self, place: &[&str], operation: &str, body: &str) {
        let name = "file:///admin.openapi.json";
        let pointer = place
            .iter()
            .map(|part| part.replace('~', "~0").replace('/', "~1"))
            .collect::<Vec<_>>()
            .join("/")
            .replace('{', "%7B")
            .replace('}', "%7D");
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        let document = self.document.clone();
        compiler.add_resource(name, document).expect("is JSON");
        let index: SchemaIndex = compiler
            .compile(&format!("{name}#/{pointer}"), &mut schemas)
            .unwrap_or_else(|error| panic!("{operation}: {error}"));
        let whole: Vec<&str> = match place.contains(&"application/x-ndjson") {
            true => body.lines().collect(),
            false => vec![body],
        };
        assert!(!whole.is_empty(), "{operation}: nothing to look at");
        for json in whole {
            let value: Value = json.parse().unwrap_or_else(|_| panic!("not JSON: {json}"));
            if let Err(error) = schemas.validate(&value, index) {
                panic!("{operation}: {error:#}\n{value:#}");
            }
            // A schema that allows everything says nothing.
            assert!(
                schemas.validate(&json!([null]), index).is_err(),
                "{operation}"
            );
        }
    }
}

#[tokio::test]
async fn every_operation_answers_as_documented() {
    const NONE: &str = "";
    let host = Host::start().await;
    host.deploy("misc", "").await;
    host.deploy("misc", "[limits]\ndeadline = \"10h\"").await;
    host.get("/misc/print/word").await.ok();
    // Three times, and the route is learned.
    for _ in 0..4 {
        host.get("/misc/compute/50").await;
    }
    let hello = function_folder("hello", "").await;
    let deployed = host
        .run(["deploy".as_ref(), hello.path.as_os_str(), "--json".as_ref()])
        .await;
    let deployed = deployed.succeeded().json();
    let digest = deployed[0]["component"].as_str().expect("is a text");
    let mut api = Api::of(host).await;
    let ok = StatusCode::OK;
    api.answers("GET /healthz", "/healthz", NONE, ok).await;
    api.answers("GET /readyz", "/readyz", NONE, ok).await;
    api.answers("GET /metrics", "/metrics", NONE, ok).await;
    api.answers("GET /v1/host", "/v1/host", NONE, ok).await;
    let list = "GET /v1/functions";
    api.answers(list, "/v1/functions", NONE, ok).await;
    let function = "/v1/functions/{name}";
    let misc = "/v1/functions/misc";
    api.answers(&format!("GET {function}"), misc, NONE, ok)
        .await;
    for (operation, path) in [
        ("versions", "versions"),
        ("deployment", "deployment"),
        ("deployments", "deployments"),
        ("logs", "logs?tail=5"),
        ("openapi.json", "openapi.json?version=1"),
    ] {
        let operation = format!("GET {function}/{operation}");
        api.answers(&operation, &format!("{misc}/{path}"), NONE, ok)
            .await;
    }

    let hello = component("hello").await;
    let path = format!("/v1/components/{digest}");
    let has = "HEAD /v1/components/{digest}";
    let unknown = format!("/v1/components/{}", "0".repeat(64));
    api.answers(has, &path, NONE, StatusCode::NO_CONTENT).await;
    api.answers(has, &unknown, NONE, StatusCode::NOT_FOUND)
        .await;
    let put = "PUT /v1/components/{digest}";
    api.answers(put, &path, hello, StatusCode::CREATED).await;
    let deploy = format!("POST {function}/versions");
    let version = |digest: &str| {
        let manifest = json!({ "name": "misc", "limits": { "memory": "2GiB" } });
        json!({ "component": digest, "manifest": manifest, "canary": { "share": "10%" } })
            .to_string()
    };
    let versions = format!("{misc}/versions");
    api.answers(&deploy, &versions, version(digest), StatusCode::CREATED)
        .await;
    let missing = version(&"0".repeat(64));
    let answer = StatusCode::PRECONDITION_FAILED;
    api.answers(&deploy, &versions, missing, answer).await;
    let split = format!("PUT {function}/deployment");
    let weights = json!({ "split": { "2": 90, "3": 10 } }).to_string();
    api.answers(&split, &format!("{misc}/deployment"), weights, ok)
        .await;
    let back = format!("POST {function}/rollback");
    api.answers(&back, &format!("{misc}/rollback"), NONE, ok)
        .await;

    let secrets = "/v1/functions/{name}/secrets";
    let key = format!("{misc}/secrets/API_KEY");
    let value = json!({ "value": "s3cret" }).to_string();
    let gone = StatusCode::NO_CONTENT;
    let set = format!("PUT {secrets}/{{key}}");
    api.answers(&set, &key, value, gone).await;
    let listed = format!("GET {secrets}");
    api.answers(&listed, &format!("{misc}/secrets"), NONE, ok)
        .await;
    let unset = format!("DELETE {secrets}/{{key}}");
    api.answers(&unset, &key, NONE, gone).await;
    api.answers(&unset, &key, NONE, StatusCode::NOT_FOUND).await;
    let refused = api.answers(
        &set,
        &key,
        "{\"value\": [\"s3cret\"]}",
        StatusCode::BAD_REQUEST,
    );
    assert!(!refused.await.contains("s3cret"));

    let wanted = json!({ "name": "ci", "scope": "deploy", "expires_in": "1h" }).to_string();
    let make = "POST /v1/tokens";
    let made = api
        .answers(make, "/v1/tokens", wanted, StatusCode::CREATED)
        .await;
    let made: Value = made.parse().expect("is JSON");
    api.answers("GET /v1/tokens", "/v1/tokens", NONE, ok).await;
    let token = format!("/v1/tokens/{}", made["id"]);
    let remove = "DELETE /v1/tokens/{id}";
    api.answers(remove, &token, NONE, gone).await;
    let nobody = StatusCode::NOT_FOUND;
    api.answers(remove, "/v1/tokens/none", NONE, nobody).await;
    api.answers("GET /v1/audit", "/v1/audit?tail=20", NONE, ok)
        .await;

    // Refusals have their form too, whoever refuses.
    let bad = StatusCode::BAD_REQUEST;
    api.answers(&deploy, &versions, "{", bad).await;
    let logs = format!("GET {function}/logs");
    api.answers(&logs, &format!("{misc}/logs?tail=all"), NONE, bad)
        .await;
    api.answers(&logs, "/v1/functions/Misc/logs", NONE, bad)
        .await;
    api.answers(put, "/v1/components/xyz", NONE, bad).await;
    let remove = format!("DELETE {function}");
    api.answers(&remove, misc, NONE, StatusCode::NO_CONTENT)
        .await;
    api.answers(&remove, misc, NONE, StatusCode::NOT_FOUND)
        .await;
    let token = std::mem::replace(&mut api.token, "wrong".to_owned());
    api.answers(list, "/v1/functions", NONE, StatusCode::UNAUTHORIZED)
        .await;
    api.token = token;
    let own = "GET /v1/openapi.json";
    let answer = api.answers(own, "/v1/openapi.json", NONE, ok).await;
    assert_eq!(answer.parse::<Value>().expect("is JSON"), api.document);

    let paths = api.document["paths"].as_object().expect("is an object");
    let documented: BTreeSet<String> = paths
        .iter()
        .flat_map(|(path, item)| {
            let methods = METHODS.iter().filter(|it| item.get(it).is_some());
            methods.map(move |it| format!("{} {path}", it.to_uppercase()))
        })
        .collect();
    assert_eq!(api.tried, documented);
}
