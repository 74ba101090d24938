//! The servers under test as processes: started, watched through `/proc`, and
//! ended together with everything that they started.

use std::{
    fs,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use rustix::process::{Pid, Resource, Rlimit, Signal};

/// Time that a server has to stop on SIGTERM before it is killed.
const STOPS_WITHIN: Duration = Duration::from_secs(3);

/// A running server. Dropping it kills its process tree.
pub(crate) struct Server {
    child: Child,
    spawned_at: Instant,
    /// What it wrote to standard error, shown when it fails.
    errors: tempfile::NamedTempFile,
}

impl Server {
    pub(crate) fn spawn(mut command: Command) -> anyhow::Result<Self> {
        let errors = tempfile::NamedTempFile::new()?;
        let spawned_at = Instant::now();
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors.reopen()?)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        Ok(Self {
            child,
            spawned_at,
            errors,
        })
    }

    /// Time since just before the process was made.
    pub(crate) fn age(&self) -> Duration {
        self.spawned_at.elapsed()
    }

    /// Whether the server's first process is still there.
    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// CPU time, user and system, of the whole tree since it began. Counts in
    /// steps of a clock tick, 10 ms.
    pub(crate) fn cpu_time(&self) -> Duration {
        from_ticks(self.tree().filter_map(stat).map(|stat| stat.ticks).sum())
    }

    /// The same to the nanosecond, without threads and processes that are
    /// gone: for servers that have just started.
    pub(crate) fn cpu_time_of_live_threads(&self) -> Duration {
        Duration::from_nanos(self.tree().map(scheduled_nanoseconds).sum())
    }

    /// The sum of each process's own peak of resident memory, in MiB; pages
    /// that processes share count for each.
    pub(crate) fn peak_resident_mib(&self) -> f64 {
        let kib: u64 = self
            .tree()
            .filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/status")).ok())
            .filter_map(|status| peak_resident_kib(&status))
            .sum();
        kib as f64 / 1024.0
    }

    /// The last lines that the server wrote to standard error.
    pub(crate) fn last_words(&self) -> String {
        let text = fs::read(self.errors.path()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(8)..].join("\n")
    }

    /// Ends the tree: SIGTERM to the server, SIGKILL to what is left of it.
    pub(crate) fn stop(mut self) {
        let tree: Vec<_> = self.tree().collect();
        signal(self.child.id(), Signal::TERM);
        let deadline = Instant::now() + STOPS_WITHIN;
        while self.is_running() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(2));
        }
        // The first one is killed when `self` is dropped.
        for pid in tree.into_iter().filter(|&pid| pid != self.child.id()) {
            signal(pid, Signal::KILL);
        }
    }

    fn tree(&self) -> impl Iterator<Item = u32> {
        let root = self.child.id();
        std::iter::once(root).chain(descendants(root))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for pid in descendants(self.child.id()) {
            signal(pid, Signal::KILL);
        }
        // Both fail only when it is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ends the bench on SIGINT, SIGTERM and SIGHUP, and the servers with it.
pub(crate) fn stop_servers_on_signal() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal as on};
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                let kinds = [
                    SignalKind::interrupt(),
                    SignalKind::terminate(),
                    SignalKind::hangup(),
                ];
                let mut signals = kinds.into_iter().filter_map(|kind| on(kind).ok());
                let (Some(mut a), Some(mut b), Some(mut c)) =
                    (signals.next(), signals.next(), signals.next())
                else {
                    return;
                };
                tokio::select! { _ = a.recv() => {} _ = b.recv() => {} _ = c.recv() => {} }
                for pid in descendants(std::process::id()) {
                    signal(pid, Signal::KILL);
                }
                std::process::exit(130);
            });
        })?;
    Ok(())
}

/// 1,000 connections want more than the usual 1,024 open files; children
/// inherit the limit.
pub(crate) fn raise_open_file_limit() -> anyhow::Result<()> {
    let maximum = rustix::process::getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit {
        current: maximum,
        maximum,
    };
    rustix::process::setrlimit(Resource::Nofile, limit).context("cannot raise the open-file limit")
}

/// CPU time of all cores since the machine started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MachineTime {
    /// At work for some process, or taken away by the hypervisor. Without
    /// interrupts: the loopback's work, which is booked to no process.
    pub(crate) busy: Duration,
    pub(crate) all: Duration,
}

impl MachineTime {
    /// Zero where `/proc/stat` cannot be read.
    pub(crate) fn now() -> Self {
        let text = fs::read_to_string("/proc/stat").unwrap_or_default();
        let [busy, all] = machine_ticks(&text).unwrap_or_default().map(from_ticks);
        Self { busy, all }
    }
}

/// CPU time of the bench itself, without its servers.
pub(crate) fn own_cpu_time() -> Duration {
    from_ticks(stat(std::process::id()).map_or(0, |stat| stat.own_ticks))
}

/// Busy and all ticks, from the first line of `/proc/stat`.
fn machine_ticks(text: &str) -> Option<[u64; 2]> {
    let fields = text.lines().next()?.strip_prefix("cpu ")?;
    // The guests' time, fields 9 and 10, is part of user and nice.
    let ticks: Vec<u64> = fields
        .split_ascii_whitespace()
        .take(8)
        .map_while(|field| field.parse().ok())
        .collect();
    let all: u64 = ticks.iter().sum();
    let [user, nice, system, _idle, _waiting, _irq, _softirq, steal] = ticks[..] else {
        return None;
    };
    Some([user + nice + system + steal, all])
}

fn from_ticks(ticks: u64) -> Duration {
    let tick = 1.0 / rustix::param::clock_ticks_per_second() as f64;
    Duration::from_secs_f64(ticks as f64 * tick)
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // Fails only when the process is gone.
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// Children of `root`, their children, and so on.
fn descendants(root: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, stat(pid)?.parent)))
        .collect();
    descendants_among(root, &parents)
}

fn descendants_among(root: u32, parents: &[(u32, u32)]) -> Vec<u32> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(
            parents
                .iter()
                .filter(|(_, of)| *of == parent)
                .map(|(pid, _)| *pid),
        );
        next += 1;
    }
    found.split_off(1)
}

#[derive(Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    own_ticks: u64,
    /// Of the process and of those of its children that it has waited for, so
    /// that the sum over a tree does not shrink when one of it ends.
    ticks: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Reads `/proc/PID/stat` as proc(5) describes it.
fn parse_stat(text: &str) -> Option<Stat> {
    // The second field is the command in parentheses; it may hold anything.
    let after_command = text.get(text.rfind(')')? + 1..)?;
    let fields: Vec<&str> = after_command.split_ascii_whitespace().collect();
    // Field 3, the state, is the first here.
    let field = |number: usize| fields.get(number - 3);
    let ticks = |number| field(number)?.parse::<u64>().ok();
    let own_ticks = ticks(14)? + ticks(15)?;
    Some(Stat {
        parent: field(4)?.parse().ok()?,
        own_ticks,
        ticks: own_ticks + ticks(16)? + ticks(17)?,
    })
}

fn peak_resident_kib(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

fn scheduled_nanoseconds(pid: u32) -> u64 {
    fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .filter_map(|task| fs::read_to_string(task.ok()?.path().join("schedstat")).ok())
        .filter_map(|text| text.split(' ').next()?.parse::<u64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_past_a_command_with_spaces_and_parentheses() {
        let text = "77 (a b) c) S 12 77 77 0 -1 4194560 9 8 7 6 100 20 3 4 20 0 5 0 1 2 3";
        let stat = Stat {
            parent: 12,
            own_ticks: 120,
            ticks: 127,
        };
        assert_eq!(parse_stat(text), Some(stat));
        assert_eq!(parse_stat("77 (cut"), None);
    }

    #[test]
    fn waiting_and_interrupts_are_not_being_busy() {
        let text = "cpu  100 1 20 500 40 2 3 4 9 9\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
        assert_eq!(machine_ticks(text), Some([125, 670]));
        assert_eq!(machine_ticks("intr 5\n"), None);
    }

    #[test]
    fn peak_memory_is_read_from_status() {
        let status = "Name:\tdunlin\nVmPeak:\t  999 kB\nVmHWM:\t   24576 kB\nVmRSS:\t 1 kB\n";
        assert_eq!(peak_resident_kib(status), Some(24_576));
        assert_eq!(peak_resident_kib("Name:\tkthreadd\n"), None);
    }

    #[test]
    fn a_tree_holds_grandchildren_and_no_strangers() {
        let parents = [(2, 1), (3, 2), (4, 3), (5, 1), (6, 9)];
        assert_eq!(descendants_among(2, &parents), [3, 4]);
        assert_eq!(descendants_among(1, &parents), [2, 5, 3, 4]);
        assert!(descendants_among(6, &parents).is_empty());
    }

    #[test]
    fn a_server_is_measured_and_ended_with_its_children() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 100 & while :; do :; done"]);
        let server = Server::spawn(command).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while server.cpu_time() < Duration::from_millis(50) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        assert!(server.cpu_time() >= Duration::from_millis(50));
        assert!(server.cpu_time_of_live_threads() >= Duration::from_millis(40));
        assert!(server.peak_resident_mib() > 0.1);
        let tree: Vec<_> = server.tree().collect();
        assert_eq!(tree.len(), 2, "the shell and its sleep");
        server.stop();
        let gone = |pid: &u32| {
            fs::read_to_string(format!("/proc/{pid}/stat"))
                .map_or(true, |text| text.contains(") Z "))
        };
        while !tree.iter().all(gone) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        assert!(tree.iter().all(gone));
    }
}
