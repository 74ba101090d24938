//! The load generator: closed-loop keep-alive connections on one thread.
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

use anyhow::{Context as _, ensure};
use hdrhistogram::Histogram;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::{Semaphore, oneshot},
};

use crate::response::{Parsed, parse};

/// Connections being opened at once: some peers listen with a backlog of 100.
const OPENING_AT_ONCE: usize = 32;
const ALL_OPEN_WITHIN: Duration = Duration::from_secs(10);
/// A connection that failed waits so long before the next, so that a peer that
/// refuses everything is not hammered in a busy loop.
const REOPEN_AFTER: Duration = Duration::from_millis(10);
/// Longer than any peer's worst latency here, shorter than warm-up and window.
const UNANSWERED_AFTER: Duration = Duration::from_secs(5);
const LONGEST_LATENCY_US: u64 = 120_000_000;

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
    /// Answers other than 2xx, broken exchanges, and requests that had waited
    /// for [`UNANSWERED_AFTER`] when the window closed.
    pub(crate) errors: u64,
    pub(crate) first_error: Option<String>,
    pub(crate) latency_us: Histogram<u64>,
    pub(crate) window: Duration,
}

struct Shared {
    address: SocketAddr,
    request: Vec<u8>,
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
    errors: u64,
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
    ) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared {
            address,
            request,
            opened: AtomicUsize::new(0),
            opening: Semaphore::new(OPENING_AT_ONCE),
            record: Mutex::new(Record {
                opened_at: None,
                answered: 0,
                errors: 0,
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
        record.errors = 0;
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
        let first_error = record
            .first_error
            .take()
            .or_else(|| (unanswered > 0).then(|| format!("no answer in {UNANSWERED_AFTER:?}")));
        Tally {
            answered: record.answered,
            errors: record.errors + unanswered,
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
        if (200..300).contains(&status) {
            self.answered += 1;
            if let Some(sent) = sent {
                let latency = (now - sent).as_micros();
                self.latency_us
                    .saturating_record(u64::try_from(latency).unwrap_or(LONGEST_LATENCY_US));
            }
        } else {
            self.errors += 1;
            self.first_error
                .get_or_insert_with(|| format!("status {status}"));
        }
    }

    fn broke(&mut self, index: usize, error: &anyhow::Error) {
        self.sent_at[index] = None;
        // Kept outside the window too: it says why nothing could be opened.
        self.first_error.get_or_insert_with(|| format!("{error:#}"));
        if self.opened_at.is_some() {
            self.errors += 1;
        }
    }
}

/// Keeps one connection busy until the runtime drops it.
async fn connection(shared: Arc<Shared>, index: usize) {
    let mut is_first = true;
    loop {
        if let Err(error) = exchanges(&shared, index, &mut is_first).await {
            shared.record().broke(index, &error);
            tokio::time::sleep(REOPEN_AFTER).await;
        }
    }
}

/// Sends requests on one connection until the server closes it, which is no
/// error when its last answer announced it.
async fn exchanges(shared: &Shared, index: usize, is_first: &mut bool) -> anyhow::Result<()> {
    let mut stream = {
        let _turn = shared.opening.acquire().await?;
        TcpStream::connect(shared.address)
            .await
            .context("cannot connect")?
    };
    stream.set_nodelay(true)?;
    if std::mem::take(is_first) {
        shared.opened.fetch_add(1, Relaxed);
    }
    shared.record().sent(index, Instant::now());
    let mut buffer = Vec::with_capacity(16 * 1024);
    loop {
        stream.write_all(&shared.request).await?;
        let (status, keep_alive) = answer(&mut stream, &mut buffer).await?;
        shared.record().answered(index, status, Instant::now());
        if !keep_alive {
            return Ok(());
        }
    }
}

async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<(u16, bool)> {
    buffer.clear();
    loop {
        let read = stream.read_buf(buffer).await?;
        ensure!(read > 0, "closed before the answer was whole");
        if let Parsed::Whole {
            status,
            keep_alive,
            length,
        } = parse(buffer, |_| {})?
        {
            ensure!(length == buffer.len(), "more was sent than one answer");
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
            errors: 0,
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
    fn other_statuses_are_errors() {
        let mut record = record();
        record.opened_at = Some(Instant::now());
        record.answered(1, 503, Instant::now());
        assert_eq!((record.answered, record.errors), (0, 1));
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
        let generator = Generator::start(address, b"GET / HTTP/1.1\r\n\r\n".into(), 1).unwrap();
        let window = generator.open_window();
        let deadline = Instant::now() + Duration::from_secs(10);
        while generator.shared.record().answered < 3 && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
        let tally = generator.close_window(window);
        generator.stop();
        assert!(tally.answered >= 3);
        assert!(tally.errors <= 1, "only the first hangs up unasked");
    }
}
