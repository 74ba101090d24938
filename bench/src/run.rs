//! The order of a run: scenario by scenario, round by round, peer by peer. A
//! peer has the machine to itself while it is measured.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::atomic::{AtomicU16, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};

use crate::{
    args::{OnUnavailable, Plan},
    changes::typical,
    errors::{Errors, Kind},
    load::{Generator, Pace, Tally},
    peer::{Launch, Peer},
    process::{MachineTime, Server, own_cpu_time},
    report::{Row, Table, note},
    request::{Route, Target},
    response::{Parsed, parse},
    scenario::{Change, Scenario, Shape, Traffic},
    summary::{MixedSample, OverloadSample, Sample, median, summarise},
    upstream,
};

/// Caches settle, pools fill, busy routes are learned. At most: a window that is
/// shorter says that precision does not matter.
const WARM_UP: Duration = Duration::from_secs(1);
/// The probe of a mixed scenario is measured alone for so long.
const IDLE_WINDOW: Duration = Duration::from_secs(1);
/// How much later than asked a busy machine may wake the bench.
const LATE_WAKE_UP: Duration = Duration::from_millis(500);
const READY_WITHIN: Duration = Duration::from_secs(30);
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Between two attempts at a server that does not answer yet.
const READY_POLL: Duration = Duration::from_micros(300);
/// Most starts that one round measures.
const STARTS: usize = 20;

/// What a run brought.
pub(crate) struct Outcome {
    pub(crate) tables: Vec<Table>,
    /// Who ran, by name and version.
    pub(crate) peers: Vec<(&'static str, String)>,
    pub(crate) failures: usize,
}

/// A peer that is ready to run.
struct Contender {
    peer: &'static Peer,
    launch: Launch,
}

/// Where a bench is while it measures.
struct Course {
    upstream: SocketAddr,
    window: Duration,
    warm_up: Duration,
}

pub(crate) fn run(plan: &Plan) -> anyhow::Result<Outcome> {
    let contenders = prepare(plan)?;
    let course = Course {
        upstream: upstream::start()?,
        window: plan.window,
        warm_up: WARM_UP.min(plan.window),
    };
    let mut outcome = Outcome {
        tables: Vec::new(),
        peers: contenders
            .iter()
            .map(|contender| (contender.peer.name, contender.launch.version.clone()))
            .collect(),
        failures: 0,
    };
    for scenario in &plan.scenarios {
        let mut samples = vec![Vec::new(); contenders.len()];
        for round in 1..=plan.rounds {
            for (contender, samples) in contenders.iter().zip(&mut samples) {
                if !contender.peer.takes_part_in(scenario) {
                    continue;
                }
                let name = contender.peer.name;
                note(&format!(
                    "{}, round {round} of {}, {name}",
                    scenario.name, plan.rounds
                ));
                match course.measure(scenario, &contender.launch) {
                    Ok(sample) => samples.push(sample),
                    Err(error) => {
                        outcome.failures += 1;
                        note(&format!("failed: {name} in {}: {error:#}", scenario.name));
                    }
                }
            }
        }
        let rows = contenders.iter().zip(&samples);
        outcome.tables.push(Table {
            scenario,
            rows: rows
                .filter_map(|(contender, samples)| {
                    Some(Row {
                        peer: contender.peer.name,
                        median: summarise(samples)?,
                    })
                })
                .collect(),
        });
    }
    Ok(outcome)
}

fn prepare(plan: &Plan) -> anyhow::Result<Vec<Contender>> {
    let mut contenders = Vec::new();
    for peer in &plan.peers {
        match (peer.prepare(), plan.on_unavailable) {
            (Ok(launch), _) => contenders.push(Contender { peer, launch }),
            (Err(error), OnUnavailable::Skip) => {
                note(&format!("skipped: {}: {error:#}", peer.name));
            }
            (Err(error), OnUnavailable::Fail) => {
                return Err(error.context(format!("peer `{}` cannot run here", peer.name)));
            }
        }
    }
    Ok(contenders)
}

impl Course {
    fn measure(&self, scenario: &Scenario, launch: &Launch) -> anyhow::Result<Sample> {
        if let Shape::Start = scenario.shape {
            return self.starts(launch);
        }
        if let Shape::Change(change) = scenario.shape {
            return self.changes(launch, change);
        }
        let (mut server, target) = self.start(launch)?;
        let sample = wait_ready(&mut server, &target).and_then(|_| match scenario.shape {
            Shape::Steady(traffic) => self.steady(&server, &target, traffic),
            Shape::Mixed { probe, hogs } => self.mixed(&server, &target, probe, hogs),
            Shape::Overload {
                capacity,
                crowd,
                times,
            } => {
                let limited = Target {
                    mount: launch.limited_mount,
                    ..target
                };
                self.overload(&server, &limited, capacity, crowd, times)
            }
            Shape::Start | Shape::Change(_) => bail!("measured above"),
        });
        let sample = sample.with_context(|| format!("server said: {}", server.last_words()));
        server.stop();
        sample
    }

    /// Spawns the peer.
    fn start(&self, launch: &Launch) -> anyhow::Result<(Server, Target)> {
        let (address, admin) = (free_address()?, free_address()?);
        let server = Server::spawn(launch.command(address.port(), admin.port()))?;
        let target = Target {
            address,
            mount: launch.mount,
            upstream: self.upstream,
        };
        Ok((server, target))
    }

    fn steady(&self, server: &Server, target: &Target, traffic: Traffic) -> anyhow::Result<Sample> {
        check_answer(target, traffic.route)?;
        let load = begin(target, traffic, Pace::Closed)?;
        thread::sleep(self.warm_up);
        let ([tally], used) = window(server, [&load], self.window)?;
        load.stop();
        ensure_answers(&[&tally])?;
        Ok(sample(server, &tally, tally.answered, &used))
    }

    fn mixed(
        &self,
        server: &Server,
        target: &Target,
        probe: Traffic,
        hogs: Traffic,
    ) -> anyhow::Result<Sample> {
        check_answer(target, probe.route)?;
        check_answer(target, hogs.route)?;
        let probe = begin(target, probe, Pace::Closed)?;
        thread::sleep(self.warm_up);
        let ([idle], _) = window(server, [&probe], IDLE_WINDOW)?;
        let hogs = begin(target, hogs, Pace::Closed)?;
        thread::sleep(self.warm_up);
        let ([probed, hogged], used) = window(server, [&probe, &hogs], self.window)?;
        hogs.stop();
        probe.stop();
        ensure_answers(&[&probed, &hogged])?;
        let mut sample = sample(server, &probed, probed.answered + hogged.answered, &used);
        note_errors(&hogged);
        sample.errors += &hogged.errors;
        sample.mixed = Some(MixedSample {
            idle_p50_ms: quantile_ms(&idle, 0.5),
            hog_rps: per_second(&hogged),
        });
        Ok(sample)
    }

    fn overload(
        &self,
        server: &Server,
        target: &Target,
        capacity: Traffic,
        crowd: usize,
        times: f64,
    ) -> anyhow::Result<Sample> {
        check_answer(target, capacity.route)?;
        let load = begin(target, capacity, Pace::Closed)?;
        thread::sleep(self.warm_up);
        let ([alone], used_alone) = window(server, [&load], self.window)?;
        load.stop();
        ensure_answers(&[&alone])?;
        note_errors(&alone);
        let capacity_rps = per_second(&alone);
        let crowd = Traffic {
            connections: crowd,
            ..capacity
        };
        let pace = Pace::Open {
            per_second: capacity_rps * times,
        };
        let load = begin(target, crowd, pace)?;
        thread::sleep(self.warm_up);
        let ([mut tally], used) = window(server, [&load], self.window)?;
        load.stop();
        let ended = tally.answered + tally.errors.total();
        // What a server should do with the excess is no error.
        tally.errors.take(Kind::Busy);
        ensure_answers(&[&tally])?;
        let mut sample = sample(server, &tally, tally.answered, &used);
        sample.errors += &alone.errors;
        sample.other_load = Some(used.other_load.max(used_alone.other_load));
        sample.overload = Some(OverloadSample {
            capacity_rps,
            asked_rps: ended as f64 / tally.window.as_secs_f64(),
            goodput: sample.rps / capacity_rps,
        });
        Ok(sample)
    }

    /// Starts and stops the peer as often as the window allows, at least three
    /// times, after one start that brings its files into memory.
    fn starts(&self, launch: &Launch) -> anyhow::Result<Sample> {
        let (mut lengths, mut cpu, mut rss) = (Vec::new(), Vec::new(), Vec::new());
        let began = Instant::now();
        for number in 0..=STARTS {
            let (mut server, target) = self.start(launch)?;
            let ready = wait_ready(&mut server, &target)
                .with_context(|| format!("server said: {}", server.last_words()))?;
            if number > 0 {
                lengths.push(ready.as_secs_f64() * 1e3);
                cpu.push(server.cpu_time_of_live_threads().as_secs_f64() * 1e6);
                rss.push(server.peak_resident_mib());
            }
            server.stop();
            if number >= 3 && began.elapsed() > self.window {
                break;
            }
        }
        let (p50_ms, p99_ms) = typical(&lengths)?;
        Ok(Sample {
            rps: 1e3 / p50_ms,
            p50_ms,
            p99_ms,
            cpu_us: median(cpu).context("at least three starts")?,
            rss_mib: median(rss).context("at least three starts")?,
            errors: Errors::default(),
            other_load: None,
            mixed: None,
            overload: None,
        })
    }

    /// Changes a function of a server that runs, again and again.
    fn changes(&self, launch: &Launch, change: Change) -> anyhow::Result<Sample> {
        let (address, admin) = (free_address()?, free_address()?);
        let changer = launch.changer(admin.port());
        let changer = changer.context("its functions cannot be changed")?;
        let mut server = Server::spawn(launch.command(address.port(), admin.port()))?;
        let target = Target {
            address,
            mount: launch.mount,
            upstream: self.upstream,
        };
        let mut measure = || {
            wait_ready(&mut server, &target)?;
            let before = server.cpu_time();
            let answers = || check_answer(&target, Route::Hello);
            let lengths = changer.lengths(change, self.window, answers)?;
            let (p50_ms, p99_ms) = typical(&lengths)?;
            let used = server.cpu_time().saturating_sub(before);
            Ok(Sample {
                rps: 1e3 / p50_ms,
                p50_ms,
                p99_ms,
                // Of the host alone, and of all that was done meanwhile.
                cpu_us: used.as_secs_f64() * 1e6 / lengths.len() as f64,
                rss_mib: server.peak_resident_mib(),
                errors: Errors::default(),
                other_load: None,
                mixed: None,
                overload: None,
            })
        };
        let sample: anyhow::Result<Sample> = measure();
        let sample = sample.with_context(|| format!("server said: {}", server.last_words()));
        server.stop();
        sample
    }
}

/// An address that nobody listens on. Its port lies below the range from which
/// the kernel takes the ports of outgoing connections: a poll of a server that
/// is not there yet could otherwise connect to itself.
fn free_address() -> anyhow::Result<SocketAddr> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 10_000 + std::process::id() % 10_000;
    for _ in 0..1_000 {
        let port = u16::try_from(first)? + NEXT.fetch_add(1, Relaxed) % 10_000;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("found no free port from {first} on")
}

fn begin(target: &Target, traffic: Traffic, pace: Pace) -> anyhow::Result<Generator> {
    Generator::start(
        target.address,
        traffic.route.bytes(target),
        traffic.connections,
        pace,
    )
}

/// CPU time in a window.
struct Used {
    by_server: Duration,
    /// See [`Sample::other_load`].
    other_load: f64,
}

/// Opens the loads' windows for `length`; returns what they saw and the CPU
/// time that went by meanwhile.
///
/// # Errors
/// When the window was open for much longer: the machine stood still, and
/// what it says of the server is chance.
fn window<const N: usize>(
    server: &Server,
    loads: [&Generator; N],
    length: Duration,
) -> anyhow::Result<([Tally; N], Used)> {
    let clocks = || (MachineTime::now(), server.cpu_time(), own_cpu_time());
    let (machine_before, server_before, own_before) = clocks();
    let open = loads.map(|load| (load, load.open_window()));
    thread::sleep(length);
    let tallies = open.map(|(load, window)| load.close_window(window));
    let (machine, server, own) = clocks();
    for tally in &tallies {
        ensure!(
            tally.window < length.mul_f64(1.1) + LATE_WAKE_UP,
            "void: a window of {length:?} was open for {:?}, so the machine stood still",
            tally.window
        );
    }
    let by_server = server.saturating_sub(server_before);
    let by_bench = own.saturating_sub(own_before);
    let busy = machine.busy.saturating_sub(machine_before.busy);
    let all = machine.all.saturating_sub(machine_before.all);
    let by_others = busy.saturating_sub(by_server + by_bench);
    let used = Used {
        by_server,
        other_load: by_others.as_secs_f64() / all.as_secs_f64().max(f64::MIN_POSITIVE),
    };
    Ok((tallies, used))
}

fn sample(server: &Server, tally: &Tally, answered: u64, used: &Used) -> Sample {
    note_errors(tally);
    Sample {
        rps: per_second(tally),
        p50_ms: quantile_ms(tally, 0.5),
        p99_ms: quantile_ms(tally, 0.99),
        cpu_us: used.by_server.as_secs_f64() * 1e6 / answered as f64,
        rss_mib: server.peak_resident_mib(),
        errors: tally.errors.clone(),
        other_load: Some(used.other_load),
        mixed: None,
        overload: None,
    }
}

/// A window in which nothing was answered says nothing of its server.
fn ensure_answers(tallies: &[&Tally]) -> anyhow::Result<()> {
    let mut errors = Errors::default();
    for tally in tallies {
        errors += &tally.errors;
    }
    let first = tallies
        .iter()
        .find_map(|tally| tally.first_error.as_deref());
    ensure!(
        tallies.iter().any(|tally| tally.answered > 0),
        "not one request was answered; errors: {errors}; the first: {}",
        first.unwrap_or("none")
    );
    Ok(())
}

fn note_errors(tally: &Tally) {
    if let Some(first) = tally.first_error.as_ref()
        && tally.errors.total() > 0
    {
        note(&format!("errors: {}; the first: {first}", tally.errors));
    }
}

fn per_second(tally: &Tally) -> f64 {
    tally.answered as f64 / tally.window.as_secs_f64()
}

fn quantile_ms(tally: &Tally, quantile: f64) -> f64 {
    tally.latency_us.value_at_quantile(quantile) as f64 / 1e3
}

/// Asks for hello until the answer is right; returns how old the server is by
/// then.
fn wait_ready(server: &mut Server, target: &Target) -> anyhow::Result<Duration> {
    loop {
        let answer = check_answer(target, Route::Hello);
        let age = server.age();
        match answer {
            Ok(()) => return Ok(age),
            Err(_) if !server.is_running() => bail!("it ended before it answered"),
            Err(error) if age > READY_WITHIN => {
                return Err(error.context(format!("not ready within {READY_WITHIN:?}")));
            }
            Err(_) => thread::sleep(READY_POLL),
        }
    }
}

/// One request on a connection of its own. A peer that answers wrongly is not
/// worth measuring.
fn check_answer(target: &Target, route: Route) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(target.address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    stream.write_all(&route.bytes(target))?;
    let mut buffer = Vec::new();
    let mut part = [0; 4096];
    loop {
        let read = stream.read(&mut part)?;
        ensure!(read > 0, "{route:?}: closed before the answer was whole");
        buffer.extend_from_slice(&part[..read]);
        let mut body = Vec::new();
        let parsed = parse(&buffer, |data| body.extend_from_slice(data))?;
        if let Parsed::Whole { status, .. } = parsed {
            ensure!(
                (200..300).contains(&status),
                "{route:?}: status {status}: {}",
                String::from_utf8_lossy(&body)
            );
            return route.check(&body).with_context(|| format!("{route:?}"));
        }
    }
}
