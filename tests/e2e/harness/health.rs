//! How the host is while somebody attacks it.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{Host, Wire};

const MIB: u64 = 1024 * 1024;

/// A host with these settings, and `misc` deployed with this manifest.
pub(crate) async fn attacked(settings: &str, manifest: &str) -> Host {
    raise_open_file_limit();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("host.toml");
    fs::write(&file, settings).expect("can be written");
    let file = file.display().to_string();
    let host = Host::start_with(&["--config", &file]).await;
    host.deploy("misc", manifest).await;
    host
}

/// What the host was like before the attack.
pub(crate) struct Health {
    resident: u64,
}

impl Health {
    /// Looks at the host.
    pub(crate) async fn of(host: &Host) -> Self {
        // What the first requests need for good is not the attack's.
        for _ in 0..3 {
            is_served(host).await;
        }
        let (resident, _) = host.resident_bytes();
        Self { resident }
    }

    /// The memory that the host has taken since, in bytes.
    pub(crate) fn taken(&self, host: &Host) -> u64 {
        host.resident_bytes().0.saturating_sub(self.resident)
    }

    /// Asserts that others are served, and that the host has taken no more than
    /// so many MiB.
    pub(crate) async fn is_good(&self, host: &Host, mebibytes: u64) {
        is_served(host).await;
        let taken = self.taken(host);
        assert!(
            taken <= mebibytes * MIB,
            "{} MiB taken, {mebibytes} allowed",
            taken / MIB
        );
    }
}

/// Somebody else is answered, on a connection of their own.
async fn is_served(host: &Host) {
    let mut wire = Wire::connect(host.listen).await;
    wire.send("GET /misc/method HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")
        .await;
    let (head, body) = wire.response().await;
    assert_eq!((head.status(), &*body), (200, "get"));
}

/// Connections are open files here, too.
fn raise_open_file_limit() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, raised).expect("up to the maximum it is allowed");
}
