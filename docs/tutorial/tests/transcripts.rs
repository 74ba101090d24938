//! What the chapters show is what happens: each `$ curl …` is sent to the app
//! of the chapter's module, and must be answered as the chapter says.
//!
//! `DUNLIN_BLESS=1 cargo test -p dunlin-tutorial` writes the answers anew. That
//! the code in the chapters is the modules' is tested in host/tests/docs.rs.

use std::fs;
use std::path::{Path, PathBuf};

use dunlin::App;
use dunlin::http::Method;
use dunlin::testing::{TestClient, TestRequest, TestResponse};
use serde_json::Value;

/// Where the function answers in all chapters.
const MOUNT: &str = "localhost:8080/shop";

macro_rules! chapters {
    ($($module:ident)*) => {
        /// The app of each chapter that has code, by its file's name.
        fn chapters() -> Vec<(String, fn() -> App)> {
            vec![$((stringify!($module).replace('_', "-"), dunlin_tutorial::$module::app)),*]
        }
    };
}

chapters! {
    async_or_not
    first_steps
    path_parameters
    query_parameters
    bodies
    validation
    headers_and_cookies
    forms_and_files
    responses
    errors
    streaming
    dependencies
    middleware
    bigger_applications
    security
    state
    waiting_and_calling
    testing
}

/// Those whose code is not called by curl.
const WITHOUT_APP: [&str; 3] = ["README", "websockets", "deploying"];

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What lies where the reader calls curl.
fn read(file: &str) -> Vec<u8> {
    let path = folder().join("files").join(file);
    fs::read(path).unwrap_or_else(|error| panic!("{file}: {error}"))
}

#[test]
fn every_chapter_is_looked_at_and_listed() {
    let files = fs::read_dir(folder()).expect("the folder can be read");
    let files = files.map(|entry| entry.expect("an entry").path());
    let mut written: Vec<PathBuf> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    written.sort();
    let known: Vec<String> = chapters().into_iter().map(|(name, _)| name).collect();
    let contents = fs::read_to_string(folder().join("README.md")).expect("the table of contents");
    for path in written {
        let name = path.file_stem().expect("a name").to_string_lossy();
        let text = fs::read_to_string(&path).expect("a chapter");
        if WITHOUT_APP.contains(&&*name) {
            assert!(!text.contains("$ curl"), "{name}: nobody calls this");
        } else {
            assert!(
                known.iter().any(|known| *known == name),
                "{name} is no chapter"
            );
            assert!(text.contains("$ curl"), "{name} shows no call");
        }
        let link = format!("]({name}.md)");
        assert!(
            name == "README" || contents.contains(&link),
            "{name} is not in README.md"
        );
    }
}

#[test]
fn answers_are_as_shown() {
    for (name, app) in chapters() {
        let path = folder().join(format!("{name}.md"));
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut told = String::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once("```console\n") {
            let (block, after) = after.split_once("```").expect("a block ends");
            told += before;
            told += "```console\n";
            let client = TestClient::native(app());
            client.set_var("TOKEN", "tea-for-two");
            told += &played(block, &client);
            told += "```";
            rest = after;
        }
        told += rest;
        if std::env::var_os("DUNLIN_BLESS").is_some() {
            fs::write(&path, told).expect("is writable");
        } else {
            assert!(told == text, "{name}.md: it should be\n{told}");
        }
    }
}

/// The block, with the answers as they are; one that is as shown stays so.
fn played(block: &str, client: &TestClient) -> String {
    let mut told = String::new();
    let mut lines = block.lines().peekable();
    while let Some(line) = lines.next() {
        let mut command = line.to_owned();
        while command.ends_with('\\') {
            command.push('\n');
            command += lines.next().expect("a command ends");
        }
        let mut shown = String::new();
        while let Some(line) = lines.next_if(|line| !line.starts_with("$ ")) {
            shown += line;
            shown.push('\n');
        }
        told += &command;
        told.push('\n');
        told += &match command.strip_prefix("$ curl ") {
            Some(arguments) => answer(arguments, &shown, client),
            None => shown,
        };
    }
    told
}

/// What curl prints.
fn answer(arguments: &str, shown: &str, client: &TestClient) -> String {
    let call = Call::parse(arguments);
    let answer = call.request(client).send();
    let (shown_head, shown_body) = match call.head {
        true => shown.split_once("\n\n").unwrap_or((shown, "")),
        false => ("", shown),
    };
    let mut told = String::new();
    if call.head {
        told += &head(&answer, shown_head);
        told.push('\n');
    }
    told += &body(&answer.text(), shown_body);
    told
}

/// The status line, and of the header fields those that are shown.
fn head(answer: &TestResponse, shown: &str) -> String {
    let mut head = format!("HTTP/1.1 {}\n", answer.status());
    for line in shown.lines().skip(1) {
        let name = line.split(':').next().unwrap_or_default();
        let value = answer.header(name).unwrap_or_default();
        head += &format!("{name}: {value}\n");
    }
    head
}

fn body(sent: &str, shown: &str) -> String {
    let json = |text| serde_json::from_str::<Value>(text).ok();
    if json(sent).is_some_and(|sent| json(shown) == Some(sent)) {
        return shown.to_owned();
    }
    // As curl prints it, but a problem a line.
    let mut told = sent
        .replace("{\"detail\":[{", "{\"detail\":[\n  {")
        .replace("},{\"type\":", "},\n  {\"type\":");
    if told != sent {
        told = told.replace("}]}", "}\n]}");
    }
    if !told.is_empty() && !told.ends_with('\n') {
        told.push('\n');
    }
    told
}

/// The curl that is understood here.
#[derive(Default)]
struct Call {
    method: Option<String>,
    target: String,
    headers: Vec<(String, String)>,
    data: Option<String>,
    parts: Vec<(String, String)>,
    /// With `-i`.
    head: bool,
}

impl Call {
    fn parse(arguments: &str) -> Self {
        let mut call = Call::default();
        call.header("user-agent: curl/8.14.1");
        call.header("accept: */*");
        let words = shlex::split(arguments).expect("a line for the shell");
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().expect("a value");
            match word.as_str() {
                "-i" => call.head = true,
                "-N" => {}
                "-X" => call.method = Some(value()),
                "-H" => call.header(&value()),
                "-b" => call.header(&format!("cookie: {}", value())),
                "-d" => {
                    call.header("content-type: application/x-www-form-urlencoded");
                    call.data = Some(value());
                }
                "--data-binary" => {
                    call.header("content-type: application/x-www-form-urlencoded");
                    let file = value();
                    let file = file.strip_prefix('@').expect("@FILE");
                    call.data = Some(String::from_utf8(read(file)).expect("a text"));
                }
                "--json" => {
                    call.header("content-type: application/json");
                    call.data = Some(value());
                }
                "-F" => {
                    let part = value();
                    let (name, value) = part.split_once('=').expect("name=value");
                    call.parts.push((name.to_owned(), value.to_owned()));
                }
                url => {
                    let target = url.strip_prefix(MOUNT);
                    let target = target.unwrap_or_else(|| panic!("`{url}` is not understood"));
                    call.target = target.to_owned();
                }
            }
        }
        call
    }

    /// The last of a name counts.
    fn header(&mut self, line: &str) {
        let (name, value) = line.split_once(':').expect("name: value");
        self.headers
            .retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self.headers
            .push((name.to_owned(), value.trim().to_owned()));
    }

    fn request<'c>(&self, client: &'c TestClient) -> TestRequest<'c> {
        let sends = self.data.is_some() || !self.parts.is_empty();
        let method = self.method.as_deref();
        let method = method.unwrap_or(if sends { "POST" } else { "GET" });
        let method: Method = method.parse().expect("a method");
        let mut request = client.request(method, &self.target);
        for (name, value) in &self.headers {
            request = request.header(name, value.as_str());
        }
        for (name, value) in &self.parts {
            request = match value.strip_prefix('@') {
                Some(file) => request.file(name, file, "text/plain", read(file)),
                None => request.part(name, value),
            };
        }
        match &self.data {
            Some(data) => request.body(data.as_str()),
            None => request,
        }
    }
}
