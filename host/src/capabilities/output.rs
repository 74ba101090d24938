//! Standard output and standard error: whole lines, each with the request that
//! wrote it, cut at the invocation's allowance.

use super::{Actor, Context, Grants, Invocation, Usage};
use crate::telemetry::Source;
use bytes::Bytes;
use std::io;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Poll;
use tokio::io::AsyncWrite;
use wasmtime::component::{Linker, Resource};
use wasmtime::{AsContextMut as _, StoreContextMut};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::bindings::io::streams::{self, Host as _, HostOutputStream};
use wasmtime_wasi::p2::{DynOutputStream, Pollable, StreamError, StreamResult};

/// Longest write that is taken at once, in bytes: nobody else runs meanwhile.
const MAX_WRITE: usize = 4 * 1024;

/// A longer line is split here, in bytes.
const MAX_LINE: usize = 16 * 1024;

/// What one instance has written and not yet ended with a line end.
#[derive(Debug)]
pub(super) struct Output {
    grants: Arc<Grants>,
    /// What the instance itself has used.
    own: Arc<Usage>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Whose doing the next writes are, while that is known.
    current: Option<Actor>,
    /// Else it is the only invocation's, or the instance's own.
    alone: Weak<Invocation>,
    stdout: Partial,
    stderr: Partial,
}

#[derive(Debug, Default)]
struct Partial {
    text: Vec<u8>,
    actor: Option<Actor>,
}

impl Output {
    pub(super) fn new(grants: Arc<Grants>, own: Arc<Usage>) -> Self {
        Self {
            grants,
            own,
            state: Mutex::default(),
        }
    }

    /// Who writes when it can't be told.
    pub(super) fn set_alone(&self, invocation: Weak<Invocation>) {
        self.lock().alone = invocation;
    }

    /// Whose doing the next writes are; returns whose they were.
    fn set_current(&self, actor: Option<Actor>) -> Option<Actor> {
        std::mem::replace(&mut self.lock().current, actor)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, source: Source, bytes: &[u8]) {
        let mut state = self.lock();
        let State {
            current,
            alone,
            stdout,
            stderr,
        } = &mut *state;
        let partial = if source == Source::Stdout {
            stdout
        } else {
            stderr
        };
        let actor = current
            .clone()
            .or_else(|| alone.upgrade().map(Actor::Invocation))
            .unwrap_or_else(|| Actor::Left(self.own.clone()));
        if !partial
            .actor
            .as_ref()
            .is_some_and(|before| before.is(&actor))
        {
            self.flush(partial, source);
        }
        for mut line in bytes.split_inclusive(|&byte| byte == b'\n') {
            while !line.is_empty() {
                // Each flush ends a line and takes it along.
                partial.actor = Some(actor.clone());
                let room = MAX_LINE - partial.text.len();
                let (piece, rest) = line.split_at(line.len().min(room));
                partial.text.extend_from_slice(piece);
                if piece.ends_with(b"\n") || partial.text.len() == MAX_LINE {
                    self.flush(partial, source);
                }
                line = rest;
            }
        }
    }

    fn flush(&self, partial: &mut Partial, source: Source) {
        let text = std::mem::take(&mut partial.text);
        let line = text.strip_suffix(b"\n").unwrap_or(&text);
        let Some(actor) = partial.actor.take().filter(|_| !line.is_empty()) else {
            return;
        };
        let limit = self.grants.log_bytes;
        let id = actor.request_id();
        let logged = &actor.usage().logged;
        let length = line.len() as u64;
        let before = logged.fetch_add(length, Ordering::Relaxed);
        if before >= limit {
            return;
        }
        if before + length > limit {
            let message = format!("log cut: `limits.log_output` is {limit} bytes");
            self.grants.log(id, message);
            return;
        }
        let message = String::from_utf8_lossy(line).into_owned();
        self.grants
            .logs
            .write(&self.grants.version, id, source, message);
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        let mut state =
            std::mem::take(self.state.get_mut().unwrap_or_else(PoisonError::into_inner));
        self.flush(&mut state.stdout, Source::Stdout);
        self.flush(&mut state.stderr, Source::Stderr);
    }
}

/// One of the two streams, as the guest holds it.
pub(super) struct OutputStream {
    output: Arc<Output>,
    source: Source,
}

impl OutputStream {
    pub(super) fn new(output: Arc<Output>, source: Source) -> Self {
        Self { output, source }
    }

    fn another(&self) -> Self {
        Self {
            output: self.output.clone(),
            source: self.source,
        }
    }
}

impl IsTerminal for OutputStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for OutputStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.another())
    }

    fn p2_stream(&self) -> Box<dyn wasmtime_wasi::p2::OutputStream> {
        Box::new(self.another())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for OutputStream {
    async fn ready(&mut self) {}
}

impl wasmtime_wasi::p2::OutputStream for OutputStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > MAX_WRITE {
            return Err(StreamError::trap(
                "a write exceeds what `check-write` permits",
            ));
        }
        self.output.write(self.source, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(MAX_WRITE)
    }
}

impl AsyncWrite for OutputStream {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let bytes = &bytes[..bytes.len().min(MAX_WRITE)];
        self.output.write(self.source, bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut std::task::Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut std::task::Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Puts attribution before the two calls through which guests write: wasmtime's
/// own never see the store, and so can't tell which of a shared instance's
/// invocations is writing.
pub(super) fn link<T>(linker: &mut Linker<T>) -> wasmtime::Result<()>
where
    T: AsMut<Context> + WasiView + 'static,
{
    type Write = (Resource<DynOutputStream>, Vec<u8>);

    linker.allow_shadowing(true);
    let mut instance = linker.instance("wasi:io/streams@0.2.12")?;
    instance.func_wrap(
        "[method]output-stream.write",
        |mut store: StoreContextMut<'_, T>, (stream, bytes): Write| {
            let attributed = Attributed::new(store.as_context_mut());
            let table = store.data_mut().ctx().table;
            let result = HostOutputStream::write(table, stream, bytes);
            drop(attributed);
            Ok((to_guest(store, result)?,))
        },
    )?;
    instance.func_wrap_async(
        "[method]output-stream.blocking-write-and-flush",
        |mut store: StoreContextMut<'_, T>, (stream, bytes): Write| {
            Box::new(async move {
                let attributed = Attributed::new(store.as_context_mut());
                let table = store.data_mut().ctx().table;
                let result = HostOutputStream::blocking_write_and_flush(table, stream, bytes).await;
                drop(attributed);
                Ok((to_guest(store, result)?,))
            })
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

fn to_guest<T: WasiView>(
    mut store: StoreContextMut<'_, T>,
    result: StreamResult<()>,
) -> wasmtime::Result<Result<(), streams::StreamError>> {
    match result {
        Ok(()) => Ok(Ok(())),
        Err(error) => Ok(Err(store
            .data_mut()
            .ctx()
            .table
            .convert_stream_error(error)?)),
    }
}

/// While it lives, writes are the current actor's.
struct Attributed {
    output: Arc<Output>,
    before: Option<Actor>,
}

impl Attributed {
    fn new<T: AsMut<Context> + 'static>(mut store: StoreContextMut<'_, T>) -> Self {
        let actor = Context::actor(store.as_context_mut());
        let output = store.data_mut().as_mut().output.clone();
        let before = output.set_current(Some(actor));
        Self { output, before }
    }
}

impl Drop for Attributed {
    fn drop(&mut self) {
        self.output.set_current(self.before.take());
    }
}
