//! The `dunlin` command where it needs no function: mistakes, and how they are
//! told. (What it does with functions is tested in `tests/e2e`.)

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, outside of test functions"
)]

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The smallest component: it exports nothing.
const EMPTY_COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// The smallest core module.
const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// Runs `dunlin` in `folder`; the arguments hold no spaces.
fn dunlin(folder: &Path, arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dunlin"))
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .env_remove("DUNLIN_CONFIG")
        .env_remove("DUNLIN_HOST")
        .env_remove("DUNLIN_TOKEN")
        .stdin(Stdio::null())
        .output()
        .expect("the binary is built for this test")
}

/// Asserts the exit code, that nothing went to standard output, and that
/// standard error holds each of `parts`.
#[track_caller]
fn fails(output: &Output, code: i32, parts: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{said}");
    for part in parts {
        assert!(said.contains(part), "`{part}` is not in:\n{said}");
    }
    assert!(said.lines().count() < 50, "not on one screen:\n{said}");
    assert!(!said.contains('\x1b'), "colours, but no terminal: {said:?}");
}

/// A function named `shop` with this manifest and component.
fn shop(manifest: &str, component: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("shop")).unwrap();
    fs::write(folder.path().join("shop/dunlin.toml"), manifest).unwrap();
    fs::write(folder.path().join("shop/shop.wasm"), component).unwrap();
    folder
}

#[test]
fn without_a_command_the_help_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    fails(
        &dunlin(folder.path(), ""),
        2,
        &["Usage: dunlin", "deploy", "serve", "up"],
    );
    let help = dunlin(folder.path(), "--help");
    assert_eq!(help.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&help.stdout).contains("Exit codes:"));
    fails(&dunlin(folder.path(), "serv"), 2, &["serv", "serve"]);
}

#[test]
fn a_busy_port_names_the_flag() {
    let folder = tempfile::tempdir().unwrap();
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = busy.local_addr().unwrap();
    let port = format!("port {} on 127.0.0.1 is in use", address.port());
    let public = dunlin(
        folder.path(),
        &format!("serve --listen {address} --admin 127.0.0.1:0"),
    );
    fails(&public, 1, &[&port, "`--listen`", "port 0"]);
    let admin = dunlin(
        folder.path(),
        &format!("serve --admin {address} --listen 127.0.0.1:0"),
    );
    fails(&admin, 1, &[&port, "`--admin`", "port 0"]);
    // Nothing was begun.
    assert!(!folder.path().join(".dunlin").exists());
}

#[test]
fn an_address_of_another_machine_names_the_flag() {
    let folder = tempfile::tempdir().unwrap();
    // For documentation only (RFC 5737): no machine has it.
    let elsewhere = dunlin(
        folder.path(),
        "serve --listen 192.0.2.1:0 --admin 127.0.0.1:0",
    );
    fails(&elsewhere, 1, &["192.0.2.1", "`--listen`", "because: "]);
}

#[test]
fn a_data_directory_that_is_none_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let flags = "--listen 127.0.0.1:0 --admin 127.0.0.1:0 --data-dir file";
    fails(
        &dunlin(folder.path(), &format!("serve {flags}")),
        1,
        &["file"],
    );
}

#[test]
fn a_host_configuration_that_is_wrong_stops_the_start() {
    let check = |text: &str, parts: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("host.toml"), text).unwrap();
        let flags = "--listen 127.0.0.1:0 --admin 127.0.0.1:0 --config host.toml";
        for command in ["serve", "up"] {
            fs::create_dir_all(folder.path().join("functions/a")).unwrap();
            let prebuilt = "[build]\ncomponent = \"a.wasm\"\n";
            fs::write(folder.path().join("functions/a/dunlin.toml"), prebuilt).unwrap();
            let refused = dunlin(folder.path(), &format!("{command} {flags}"));
            fails(&refused, 1, parts);
        }
        // Nothing was begun.
        assert!(!folder.path().join(".dunlin").exists());
    };
    check(
        "[limits]\nmemroy = \"1GiB\"\n",
        &[
            "host.toml:2:1: ",
            "`limits.memroy`",
            "unknown field",
            "`memory`",
            "2 | memroy = ",
        ],
    );
    check(
        "[host]\nmax_wait = \"soon\"\n",
        &["host.toml:2:12: ", "`host.max_wait`", "\"30s\""],
    );
    check(
        "[host]\ninstances = 10\nmax_exclusive = 20\n",
        &[
            "`host.max_exclusive` is 20 (host.toml): ",
            "lower it or raise `host.instances`, which is 10",
        ],
    );
    let folder = tempfile::tempdir().unwrap();
    let missing = dunlin(folder.path(), "serve --config none.toml");
    fails(
        &missing,
        1,
        &["`none.toml` (`--config`) cannot be read", "because: "],
    );
}

#[test]
fn no_host_is_an_exit_code_of_its_own() {
    let folder = shop("[build]\ncomponent = \"shop.wasm\"\n", EMPTY_COMPONENT);
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let host = format!("--host http://{gone}");
    let parts = [
        &*format!("no host answers at http://{gone}"),
        "`dunlin serve`",
        "`--host`",
    ];
    for command in ["ls", "logs shop", "deploy shop"] {
        fails(
            &dunlin(folder.path(), &format!("{command} {host}")),
            4,
            &parts,
        );
    }
    // The doctor tells what it can.
    let mut doctor = dunlin(folder.path(), &format!("doctor --json {host}"));
    let report: serde_json::Value = serde_json::from_slice(&doctor.stdout).unwrap();
    let named = |name: &str| {
        let checks = report["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["name"] == name);
        check.unwrap_or_else(|| panic!("no {name}: {report}"))
    };
    assert_eq!(named("host")["status"], "failed");
    assert!(named("host")["remedy"].is_string(), "{report}");
    assert!(named("rust")["status"].is_string(), "{report}");
    doctor.stdout.clear();
    fails(&doctor, 4, &parts);
}

#[test]
fn a_broken_manifest_points_at_line_and_key() {
    let check = |manifest: &str, parts: &[&str]| {
        let folder = shop(manifest, EMPTY_COMPONENT);
        for command in ["build shop", "deploy shop", "build"] {
            fails(&dunlin(folder.path(), command), 1, parts);
        }
    };
    check(
        "name = \"shop\"\n\n[limits]\nmemory = \"lots\"\n",
        &[
            "shop/dunlin.toml:4:10: ",
            "`limits.memory`",
            "4 | memory = \"lots\"",
            "^^^^^^",
        ],
    );
    check(
        "mount = /shop\n",
        &["shop/dunlin.toml:1:9: ", "1 | mount = /shop"],
    );
    check(
        "[egress]\nalow = [\"example.com\"]\n",
        &["shop/dunlin.toml:2:1: ", "unknown field `alow`", "`allow`"],
    );
    check(
        "nam = \"shop\"\n",
        &["shop/dunlin.toml:1:1: ", "unknown field `nam`", "`name`"],
    );
    check(
        "[vars]\n1st = \"x\"\n",
        &["shop/dunlin.toml:2:", "1st", "such as `API_URL`"],
    );
}

#[test]
fn what_is_no_function_is_told_with_what_was_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    fs::write(folder.path().join("readme.txt"), "").unwrap();
    fails(
        &dunlin(folder.path(), "deploy empty"),
        1,
        &["no function in `empty`", "`dunlin.toml`"],
    );
    fails(
        &dunlin(folder.path(), "deploy missing"),
        1,
        &["`missing` cannot be opened"],
    );
    fails(
        &dunlin(folder.path(), "deploy readme.txt"),
        1,
        &["neither a folder nor a `.wasm` file"],
    );
    fails(
        &dunlin(folder.path(), "up empty"),
        1,
        &["no function in `empty`"],
    );
}

#[test]
fn a_core_module_is_told_from_a_component() {
    let folder = shop("[build]\ncomponent = \"shop.wasm\"\n", CORE_MODULE);
    for path in ["shop", "shop/shop.wasm"] {
        let refused = dunlin(folder.path(), &format!("deploy {path}"));
        fails(
            &refused,
            3,
            &["is a core module, not a component", "wasm32-wasip2"],
        );
    }
    fs::write(folder.path().join("shop/shop.wasm"), "<html>").unwrap();
    fails(
        &dunlin(folder.path(), "build shop"),
        3,
        &["is no wasm file"],
    );
}

#[test]
fn a_package_that_makes_no_component_is_told_what_to_add() {
    let folder = tempfile::tempdir().unwrap();
    let package =
        "[package]\nname = \"shop\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n";
    fs::create_dir_all(folder.path().join("shop/src")).unwrap();
    fs::write(folder.path().join("shop/Cargo.toml"), package).unwrap();
    fs::write(folder.path().join("shop/dunlin.toml"), "").unwrap();
    fs::write(folder.path().join("shop/src/lib.rs"), "").unwrap();
    let refused = dunlin(folder.path(), "build shop");
    fails(
        &refused,
        3,
        &["makes no component", "`[lib] crate-type = [\"cdylib\"]`"],
    );
}

#[test]
fn a_build_command_that_fails_is_quoted() {
    let manifest =
        "[build]\ncommand = \"echo the reason >&2; exit 7\"\ncomponent = \"shop.wasm\"\n";
    let folder = shop(manifest, EMPTY_COMPONENT);
    let failed = dunlin(folder.path(), "build shop");
    fails(
        &failed,
        3,
        &["the reason", "`shop` was not built", "exit status: 7"],
    );
}

#[test]
fn a_new_function_writes_over_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let full = folder.path().join("full");
    fs::create_dir(&full).unwrap();
    fs::write(full.join("thesis.txt"), "").unwrap();
    let made = |arguments: &str| dunlin(folder.path(), arguments);
    fails(&made("new full"), 1, &["`full` is not empty", "`--path`"]);
    fails(&made("new a --path full"), 1, &["`full` is not empty"]);
    fails(
        &made("new a --path full/thesis.txt"),
        1,
        &["is not a folder to fill"],
    );
    fails(&made("new Shop"), 2, &["`Shop`", "`shop-api`"]);
    fails(&made("new a --template go"), 2, &["rust-cpu", "wasi-http"]);
    fails(&made("new a --sdk full"), 1, &["`full` is not the SDK"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(fs::read_dir(&full).unwrap().count(), 1);
}

#[test]
fn a_new_function_fits_its_workspace() {
    let folder = tempfile::tempdir().unwrap();
    let workspace = "[workspace]\nmembers = [\"functions/*\"]\n\
                     [workspace.dependencies]\ndunlin = { path = \"sdk\" }\n";
    fs::write(folder.path().join("Cargo.toml"), workspace).unwrap();
    let made = |arguments: &str| {
        let made = dunlin(folder.path(), arguments);
        assert_eq!(made.status.code(), Some(0), "{made:?}");
        let made: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
        let cargo = Path::new(made["folder"].as_str().unwrap()).join("Cargo.toml");
        fs::read_to_string(cargo).unwrap()
    };
    let listed = made("new a --path functions/a --json");
    assert!(listed.contains("\ndunlin.workspace = true\n"), "{listed}");
    assert!(!listed.contains("[workspace]"), "{listed}");
    // Not listed, it would not build without a workspace of its own.
    let strange = made("new b --json");
    assert!(strange.ends_with("\n[workspace]\n"), "{strange}");
    assert!(strange.contains("guest-sdk\" }\n"), "{strange}");
}
