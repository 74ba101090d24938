using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "bench", worker = .bench),
    # What `fetch` reaches; the upstream of the fan-out is on loopback.
    (name = "internet", network = (allow = ["private"])),
  ],
  # The address is given on the command line.
  sockets = [(name = "http", http = (), service = "bench")],
);

const bench :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js")],
  compatibilityDate = "2026-11-01",
);
