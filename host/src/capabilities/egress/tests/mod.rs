//! Egress against real sockets: local peers, injected names.

mod exchange;
mod peer;
mod policy;
mod tls;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use tokio::runtime::Handle;

use super::{Egress, EgressClient, EgressConfig, EgressError, EgressTimeouts, Hops, Resolve};
use crate::names::HostName;
use crate::registry::EgressPolicy;

/// Long enough for a busy machine where nothing is meant to time out.
const PATIENT: EgressTimeouts = EgressTimeouts {
    connect: Duration::from_secs(60),
    response_head: Duration::from_secs(60),
    idle: Duration::from_secs(60),
};

/// Answers by number of call, the last answer from then on; counts the calls.
#[derive(Clone)]
struct Names {
    answers: Arc<Vec<Vec<IpAddr>>>,
    calls: Arc<AtomicUsize>,
}

impl Names {
    fn answering<const N: usize>(answers: [&[&str]; N]) -> Self {
        let parse = |answer: &&[&str]| answer.iter().map(|ip| ip.parse().unwrap()).collect();
        Self {
            answers: Arc::new(answers.iter().map(parse).collect()),
            calls: Arc::default(),
        }
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

impl Resolve for Names {
    fn resolve(&self, _: &HostName) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let answer = self.answers.get(call).or(self.answers.last()).cloned();
        async move { answer.ok_or_else(|| io::Error::other("no such name")) }.boxed()
    }
}

fn egress_with(timeouts: EgressTimeouts) -> Egress {
    let config = EgressConfig {
        timeouts,
        ..EgressConfig::default()
    };
    Egress::new(&config, Handle::current()).unwrap()
}

fn client(egress: &Egress, allow: &[&str]) -> EgressClient {
    egress.client(EgressPolicy::parse(allow.iter().copied()).unwrap())
}

async fn get(client: &EgressClient, url: &str) -> Result<Response<Incoming>, EgressError> {
    let request = Request::get(url).body(Empty::<Bytes>::new()).unwrap();
    client.send(request, Hops::default()).await
}

async fn post(
    client: &EgressClient,
    url: &str,
    body: &'static str,
) -> Result<Response<Incoming>, EgressError> {
    let request = Request::post(url).body(Full::from(body)).unwrap();
    client.send(request, Hops::default()).await
}

async fn text(response: Response<Incoming>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}
