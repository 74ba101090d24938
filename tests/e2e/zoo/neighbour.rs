//! A well-behaved function on the host that the others attack, and how long
//! its callers wait.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::harness::{Host, PATIENCE, component, folder_of};

/// How much longer than on an idle host a caller may wait: in the median, and
/// times the idle median.
const MOST_TIMES: u32 = 5;

/// An idle median below this counts as this. On a machine with nothing to
/// spare, any thread waits a few milliseconds for its turn. An event loop that
/// guests block shows: its median is 85 ms and more.
const WAITING_FLOOR: Duration = Duration::from_millis(4);

/// The same for the route that computes. The threads of the blocking lane step
/// back for the async lane: where guests take all cores by crashing there as
/// fast as they can, a slice may take some tens of milliseconds to begin.
const COMPUTING_FLOOR: Duration = Duration::from_millis(40);

/// The blocking lane is a fair queue: the route that computes waits for a slice
/// of each guest that computes on the same thread, and has a right to no more.
/// What it waits by that alone counts as idle.
const SLICE: Duration = Duration::from_millis(10);

/// Time between an answer and the next request: a modest caller.
const PAUSE: Duration = Duration::from_millis(2);

/// The paths of the neighbour's routes.
const WAITING: &str = "/neighbour/sleep/1";
const COMPUTING: &str = "/neighbour-fn/20000";

/// Deploys the neighbour: a route that waits, on the async lane, and one that
/// computes, on the blocking lane.
pub(crate) async fn deploy(host: &Host) {
    for (name, guest) in [("neighbour", "misc"), ("neighbour-fn", "primes")] {
        let folder = folder_of(name, component(guest).await, "");
        host.run(["deploy".as_ref(), folder.path.as_os_str()])
            .await
            .succeeded();
    }
}

/// Calls the neighbour from two threads, a route each. Threads rather than
/// tasks: what the attackers do to the test's own event loop is not measured.
pub(crate) struct Callers {
    phase: Arc<Phase>,
    /// Answers that make a median, of each route.
    wanted: (usize, usize),
    waiting: Caller,
    computing: Caller,
}

/// What the callers do.
#[derive(Default)]
struct Phase {
    /// Their waits count no longer, only their failures: those who attack may
    /// be done already.
    seen_enough: AtomicBool,
    stop: AtomicBool,
}

impl Callers {
    /// Callers for a median over so many times the least that makes one.
    pub(crate) fn start(host: &Host, times: usize) -> Self {
        let phase = Arc::new(Phase::default());
        Self {
            waiting: Caller::start(host.listen, WAITING, phase.clone()),
            computing: Caller::start(host.listen, COMPUTING, phase.clone()),
            phase,
            wanted: (30 * times, 12 * times),
        }
    }

    /// Whether both routes have answered often enough for a median.
    pub(crate) fn have_seen_enough(&self) -> bool {
        let (waiting, computing) = self.wanted;
        let enough = self.waiting.served() >= waiting && self.computing.served() >= computing;
        if enough {
            self.phase.seen_enough.store(true, Ordering::Relaxed);
        }
        enough
    }

    /// The medians. Fails if one of the calls has.
    pub(crate) fn stop(self) -> Medians {
        self.phase.stop.store(true, Ordering::Relaxed);
        Medians {
            waiting: self.waiting.median(),
            computing: self.computing.median(),
        }
    }
}

/// The medians on an idle host.
pub(crate) async fn idle(host: &Host) -> Medians {
    let callers = Callers::start(host, 1);
    crate::harness::until("the neighbour is served", async || {
        callers.have_seen_enough().then_some(())
    })
    .await;
    callers.stop()
}

/// How long half of the callers wait at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Medians {
    waiting: Duration,
    computing: Duration,
}

impl Medians {
    /// Asserts that these, with `hogs` guests computing at once, are not much
    /// worse than the `idle` ones.
    #[track_caller]
    pub(crate) fn bear(self, idle: Self, hogs: usize, who: &str) {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let turns = u32::try_from(hogs.div_ceil(threads)).expect("are not that many");
        let limits = Self {
            waiting: idle.waiting.max(WAITING_FLOOR) * MOST_TIMES,
            computing: idle.computing.max(COMPUTING_FLOOR).max(SLICE * turns) * MOST_TIMES,
        };
        assert!(
            self.waiting < limits.waiting && self.computing < limits.computing,
            "{who}: the neighbour waits for {self:?}, idle {idle:?}, at most {limits:?}"
        );
    }
}

/// One thread with one connection, which it uses again and again.
struct Caller {
    served: Arc<AtomicUsize>,
    thread: JoinHandle<Vec<Duration>>,
}

impl Caller {
    fn start(address: SocketAddr, path: &'static str, phase: Arc<Phase>) -> Self {
        let served = Arc::new(AtomicUsize::new(0));
        let count = served.clone();
        let thread = thread::spawn(move || {
            let mut stream = TcpStream::connect(address).expect("a connection");
            stream.set_nodelay(true).expect("TCP has it");
            stream
                .set_read_timeout(Some(PATIENCE))
                .expect("is not zero");
            let mut took = Vec::new();
            while !phase.stop.load(Ordering::Relaxed) {
                let start = Instant::now();
                let head = call(&mut stream, path);
                if !phase.seen_enough.load(Ordering::Relaxed) {
                    took.push(start.elapsed());
                }
                assert!(head.starts_with("HTTP/1.1 200 "), "{path}: {head}");
                count.fetch_add(1, Ordering::Relaxed);
                thread::sleep(PAUSE);
            }
            took
        });
        Self { served, thread }
    }

    fn served(&self) -> usize {
        assert!(
            !self.thread.is_finished(),
            "the neighbour's caller has failed: see above"
        );
        self.served.load(Ordering::Relaxed)
    }

    fn median(self) -> Duration {
        let mut took = self
            .thread
            .join()
            .expect("the neighbour is served without a failure");
        took.sort_unstable();
        took[took.len() / 2]
    }
}

/// One request, and the answer's head.
fn call(stream: &mut TcpStream, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: h\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("is taken");
    let mut read = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&read);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .and_then(|length| length.parse::<usize>().ok());
            if length.expect("the length is told") <= body.len() {
                return head.to_owned();
            }
        }
        let more = stream.read(&mut piece).expect("an answer");
        assert!(more > 0, "{path}: the connection ended after {text:?}");
        read.extend_from_slice(&piece[..more]);
    }
}
