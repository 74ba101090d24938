//! The load generator: keep-alive connections on one thread.
//!
//! It shares the machine with the server that it measures, so it does little
//! per request: one write, one read, one clock reading, prebuilt bytes.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{anyhow, ensure};
use hdrhistogram::Histogram;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::{Semaphore, oneshot},
    time::{Interval, MissedTickBehavior, interval_at},
};

use crate::{
    errors::{Errors, Kind},
    response::{Parsed, parse},
};

/// Connections being opened at once, at first until their first answer, which
/// proves that they were accepted: some peers listen with a backlog of 100, and
/// what does not fit in waits for seconds.
const OPENING_AT_ONCE: usize = 64;
const ALL_OPEN_WITHIN: Duration = Duration::from_secs(10);
/// A connection that failed waits so long before the next, so that a peer that
/// refuses everything is not hammered in a busy loop.
const REOPEN_AFTER: Duration = Duration::from_millis(10);
/// Shorter than the usual warm-up and window together, so that a request which
/// is never answered is seen.
const UNANSWERED_AFTER: Duration = Duration::from_secs(3);
const LONGEST_LATENCY_US: u64 = 120_000_000;

/// When a connection sends its next request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// Once it has the answer to the last: a server that stalls is asked less.
    Closed,
    /// When its turn comes, whatever the server does, so many times a second
    /// over all connections. One whose answer is late misses its turns, so
    /// there must be more connections than the server keeps waiting.
    Open { per_second: f64 },
}

/// A running load. Nothing is recorded until the window opens.
pub(crate) struct Generator {
    shared: Arc<Shared>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

/// The time in which answers count.
pub(crate) struct Window {
    opened_at: Instant,
}

/// What one window of load saw.
pub(crate) struct Tally {
    pub(crate) answered: u64,
    /// [`Kind::Timeout`] are the requests that had waited for
    /// [`UNANSWERED_AFTER`] when the window closed.
    pub(crate) errors: Errors,
    pub(crate) first_error: Option<String>,
    /// Where nothing was answered: how long the requests had waited at the end.
    pub(crate) latency_us: Histogram<u64>,
    pub(crate) window: Duration,
}

struct Shared {
    address: SocketAddr,
    request: Vec<u8>,
    pace: Pace,
    connections: usize,
    /// Connections that are or were open.
    opened: AtomicUsize,
    opening: Semaphore,
    /// Never contended: one thread runs all connections, and the bench's own
    /// thread looks in when the window opens and closes.
    record: Mutex<Record>,
}

struct Record {
    /// `None` outside the window.
    opened_at: Option<Instant>,
    answered: u64,
    errors: Errors,
    first_error: Option<String>,
    latency_us: Histogram<u64>,
    /// When each connection sent the request that it awaits the answer of.
    sent_at: Vec<Option<Instant>>,
}

impl Generator {
    /// Opens `connections` to `address`, each sending `request` again and
    /// again, and returns once all are open.
    ///
    /// # Errors
    /// When the connections are not all open within 10 s.
    pub(crate) fn start(
        address: SocketAddr,
        request: Vec<u8>,
        connections: usize,
        pace: Pace,
    ) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared {
            address,
            request,
            pace,
            connections,
            opened: AtomicUsize::new(0),
            opening: Semaphore::new(OPENING_AT_ONCE),
            record: Mutex::new(Record {
                opened_at: None,
                answered: 0,
                errors: Errors::default(),
                first_error: None,
                latency_us: Histogram::new_with_bounds(1, LONGEST_LATENCY_US, 3)?,
                sent_at: vec![None; connections],
            }),
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let in_thread = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("load".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    for index in 0..connections {
                        tokio::spawn(connection(Arc::clone(&in_thread), index));
                    }
                    // Either way the connections are dropped with the runtime.
                    let _ = stopped.await;
                });
            })?;
        let generator = Self {
            shared,
            stop,
            thread,
        };
        let deadline = Instant::now() + ALL_OPEN_WITHIN;
        while generator.shared.opened.load(Relaxed) < connections {
            ensure!(
                Instant::now() < deadline,
                "only {} of {connections} connections could be opened in {ALL_OPEN_WITHIN:?}: {}",
                generator.shared.opened.load(Relaxed),
                generator.shared.record().first_error_or_none(),
            );
            thread::sleep(Duration::from_millis(1));
        }
        Ok(generator)
    }

    pub(crate) fn open_window(&self) -> Window {
        let mut record = self.shared.record();
        record.answered = 0;
        record.errors = Errors::default();
        record.first_error = None;
        record.latency_us.reset();
        let now = Instant::now();
        record.opened_at = Some(now);
        Window { opened_at: now }
    }

    /// What happened since the window opened.
    pub(crate) fn close_window(&self, window: Window) -> Tally {
        let mut record = self.shared.record();
        let now = Instant::now();
        record.opened_at = None;
        let unanswered = record
            .sent_at
            .iter()
            .filter(|sent| sent.is_some_and(|sent| now - sent >= UNANSWERED_AFTER))
            .count() as u64;
        if record.answered == 0 {
            record.count_waits(now);
        }
        let first_error = record
            .first_error
            .take()
            .or_else(|| (unanswered > 0).then(|| format!("no answer in {UNANSWERED_AFTER:?}")));
        let mut errors = std::mem::take(&mut record.errors);
        errors.add(Kind::Timeout, unanswered);
        Tally {
            answered: record.answered,
            errors,
            first_error,
            latency_us: record.latency_us.clone(),
            window: now - window.opened_at,
        }
    }

    /// Drops all connections.
    pub(crate) fn stop(self) {
        // Fails when the thread is gone already.
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}

impl Shared {
    /// The turns of a connection in an open loop, evenly apart from the others'.
    fn turns(&self, index: usize) -> Option<Interval> {
        let Pace::Open { per_second } = self.pace else {
            return None;
        };
        let between = Duration::from_secs_f64(1.0 / per_second);
        let own = between.mul_f64(self.connections as f64);
        let first = tokio::time::Instant::now() + between.mul_f64(index as f64);
        let mut turns = interval_at(first, own);
        turns.set_missed_tick_behavior(MissedTickBehavior::Skip);
        Some(turns)
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    fn first_error_or_none(&self) -> &str {
        self.first_error.as_deref().unwrap_or("no answer")
    }

    fn sent(&mut self, index: usize, at: Instant) {
        self.sent_at[index] = Some(at);
    }

    fn answered(&mut self, index: usize, status: u16, now: Instant) {
        let sent = self.sent_at[index].replace(now);
        if self.opened_at.is_none() {
            return;
        }
        if let Some(kind) = Kind::of_status(status) {
            self.errors.add(kind, 1);
            self.first_error
                .get_or_insert_with(|| format!("status {status}"));
            return;
        }
        self.answered += 1;
        if let Some(sent) = sent {
            self.latency(now - sent);
        }
    }

    fn latency(&mut self, length: Duration) {
        let us = u64::try_from(length.as_micros()).unwrap_or(LONGEST_LATENCY_US);
        self.latency_us.saturating_record(us);
    }

    /// Takes the requests that wait for latencies as long as they waited so
    /// far: the best that is known of a server that answered none.
    fn count_waits(&mut self, now: Instant) {
        for sent in self.sent_at.clone().into_iter().flatten() {
            self.latency(now - sent);
        }
    }

    fn broke(&mut self, index: usize, failure: &Failure) {
        self.sent_at[index] = None;
        // Kept outside the window too: it says why nothing could be opened.
        self.first_error
            .get_or_insert_with(|| format!("{:#}", failure.cause));
        if self.opened_at.is_some() {
            self.errors.add(failure.kind, 1);
        }
    }
}

/// Why a connection came to its end unasked.
struct Failure {
    kind: Kind,
    cause: anyhow::Error,
}

/// For `map_err`: what went wrong is of this kind.
fn of_kind<E: Into<anyhow::Error>>(kind: Kind) -> impl FnOnce(E) -> Failure {
    move |cause| Failure {
        kind,
        cause: cause.into(),
    }
}

/// Keeps one connection busy until the runtime drops it.
async fn connection(shared: Arc<Shared>, index: usize) {
    let mut is_first = true;
    let mut turns = shared.turns(index);
    loop {
        if let Err(failure) = exchanges(&shared, index, &mut turns, &mut is_first).await {
            shared.record().broke(index, &failure);
            tokio::time::sleep(REOPEN_AFTER).await;
        }
    }
}

/// Sends requests on one connection until the server closes it, which is no
/// error when its last answer announced it.
async fn exchanges(
    shared: &Shared,
    index: usize,
    turns: &mut Option<Interval>,
    is_first: &mut bool,
) -> Result<(), Failure> {
    let mut opening = Some(shared.opening.acquire().await);
    let mut stream = TcpStream::connect(shared.address)
        .await
        .map_err(of_kind(Kind::Refused))?;
    stream.set_nodelay(true).map_err(of_kind(Kind::Reset))?;
    if std::mem::take(is_first) {
        shared.opened.fetch_add(1, Relaxed);
    } else {
        drop(opening.take());
    }
    shared.record().sent(index, Instant::now());
    let mut buffer = Vec::with_capacity(16 * 1024);
    loop {
        if let Some(turns) = turns {
            turns.tick().await;
            shared.record().sent(index, Instant::now());
        }
        stream
            .write_all(&shared.request)
            .await
            .map_err(of_kind(Kind::Reset))?;
        let (status, keep_alive) = answer(&mut stream, &mut buffer).await?;
        shared.record().answered(index, status, Instant::now());
        drop(opening.take());
        if !keep_alive {
            return Ok(());
        }
    }
}

async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<(u16, bool), Failure> {
    buffer.clear();
    loop {
        let read = stream
            .read_buf(buffer)
            .await
            .map_err(of_kind(Kind::Reset))?;
        if read == 0 {
            let cause = anyhow!("closed before the answer was whole");
            return Err(of_kind(Kind::Reset)(cause));
        }
        if let Parsed::Whole {
            status,
            keep_alive,
            length,
        } = parse(buffer, |_| {}).map_err(of_kind(Kind::Garbled))?
        {
            if length != buffer.len() {
                let cause = anyhow!("more was sent than one answer");
                return Err(of_kind(Kind::Garbled)(cause));
            }
            return Ok((status, keep_alive));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            opened_at: None,
            answered: 0,
            errors: Errors::default(),
            first_error: None,
            latency_us: Histogram::new_with_bounds(1, LONGEST_LATENCY_US, 3).unwrap(),
            sent_at: vec![None; 2],
        }
    }

    #[test]
    fn answers_count_only_inside_the_window() {
        let mut record = record();
        let start = Instant::now();
        record.sent(0, start);
        record.answered(0, 200, start + Duration::from_millis(5));
        assert_eq!(record.answered, 0);
        record.opened_at = Some(start);
        record.answered(0, 204, start + Duration::from_millis(15));
        assert_eq!(record.answered, 1);
        assert_eq!(record.latency_us.max() / 100, 100, "10 ms after the last");
    }

    #[test]
    fn requests_without_an_answer_show_how_long_they_waited() {
        let mut record = record();
        let start = Instant::now();
        record.sent(0, start);
        record.count_waits(start + Duration::from_secs(3));
        assert_eq!(record.latency_us.len(), 1, "the other connection sent none");
        assert_eq!(record.latency_us.max() / 100_000, 30);
    }

    #[test]
    fn other_statuses_are_errors() {
        let mut record = record();
        record.opened_at = Some(Instant::now());
        record.answered(1, 503, Instant::now());
        assert_eq!(record.answered, 0);
        assert_eq!(record.errors.to_string(), "1 (1 busy)");
        assert_eq!(record.first_error.as_deref(), Some("status 503"));
    }

    #[test]
    fn a_server_that_hangs_up_is_an_error_and_the_load_goes_on() {
        use std::io::{Read as _, Write as _};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for (mut stream, number) in listener.incoming().map(Result::unwrap).zip(0..) {
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).unwrap();
                if number > 0 {
                    let answer =
                        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                    stream.write_all(answer).unwrap();
                }
            }
        });
        let generator =
            Generator::start(address, b"GET / HTTP/1.1\r\n\r\n".into(), 1, Pace::Closed).unwrap();
        let window = generator.open_window();
        let deadline = Instant::now() + Duration::from_secs(10);
        while generator.shared.record().answered < 3 && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
        let tally = generator.close_window(window);
        generator.stop();
        assert!(tally.answered >= 3);
        assert!(tally.errors.total() <= 1, "only the first hangs up unasked");
    }

    #[test]
    fn an_open_loop_waits_for_the_turns_of_its_connections() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let shared = Shared {
            address: listener.local_addr().unwrap(),
            request: Vec::new(),
            pace: Pace::Open { per_second: 100.0 },
            connections: 4,
            opened: AtomicUsize::new(0),
            opening: Semaphore::new(1),
            record: Mutex::new(record()),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let _inside = runtime.enter();
        let turns = shared.turns(3).unwrap();
        assert_eq!(turns.period(), Duration::from_millis(40));
    }
}
