//! `dunlin invoke`: calls a function through the public listener, as any client
//! would, without anyone having to know where that is.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use clap::Args;
use futures::TryStreamExt as _;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Empty, Full, StreamBody};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::fs::File;
use tokio_util::io::ReaderStream;

use super::client::Admin;
use super::client_args::ClientArgs;
use super::exit::Exit;
use super::insecure::AnyCertificate;
use super::output::Output;
use crate::names::FunctionName;

#[derive(Debug, Args)]
pub(crate) struct InvokeArgs {
    /// The function
    #[arg(value_parser = super::args::name)]
    name: FunctionName,

    /// Path below the function's mount, and query
    #[arg(value_name = "PATH", default_value = "/")]
    path: String,

    /// Method [default: GET, or POST with a body]
    #[arg(short = 'X', long, value_name = "METHOD")]
    method: Option<Method>,

    /// A header field, as in `accept: text/plain`; may be repeated
    #[arg(short = 'H', long = "header", value_name = "FIELD")]
    headers: Vec<Field>,

    /// The body: a text, `@FILE`, or `@-` for standard input. Sent as JSON if
    /// it is JSON and no `content-type` is given
    #[arg(short, long, value_name = "BODY")]
    data: Option<String>,

    /// Print status and header fields to standard error
    #[arg(short, long)]
    include: bool,

    /// Call this version, whatever gets the traffic; shows the token
    #[arg(long, value_name = "N")]
    version: Option<u32>,

    /// Take any certificate, for a host that made its own
    #[arg(short = 'k', long)]
    insecure: bool,

    #[command(flatten)]
    client: ClientArgs,
}

/// A header field.
#[derive(Debug, Clone)]
struct Field(HeaderName, HeaderValue);

impl FromStr for Field {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refusal = "expected `NAME: VALUE`, such as `accept: text/plain`";
        let (name, value) = text.split_once(':').ok_or(refusal)?;
        Ok(Self(
            name.trim().parse().map_err(|_| refusal)?,
            value.trim().parse().map_err(|_| refusal)?,
        ))
    }
}

type Body = BoxBody<Bytes, std::io::Error>;

/// Runs the command.
///
/// # Errors
/// When the function is not there, gives no whole answer, or one of 400 or
/// more.
pub(super) async fn run(args: &InvokeArgs, output: &Output) -> anyhow::Result<()> {
    let admin = Admin::new(&args.client)?;
    let request = request(args, &admin).await?;
    let response = send(request, args.insecure).await?;
    let status = response.status();
    if args.include {
        output.note(head(&response));
    }
    if output.is_json() {
        print_json(response, output).await?;
    } else {
        let mut body = response.into_body().into_data_stream();
        while let Some(piece) = body.try_next().await.context("the answer broke off")? {
            if output.bytes(&piece)?.is_break() {
                break;
            }
        }
    }
    if status.is_client_error() || status.is_server_error() {
        return Err(Exit::Unsuccessful.error(format!("`{}` answered {status}", args.name)));
    }
    Ok(())
}

async fn request(args: &InvokeArgs, admin: &Admin<'_>) -> anyhow::Result<Request<Body>> {
    if !args.path.starts_with('/') {
        bail!("the path `{}` must begin with `/`", args.path);
    }
    let function: Value = admin.get(&format!("/v1/functions/{}", args.name)).await?;
    let mount = function["mount"].as_str().unwrap_or_default();
    let below = mount.trim_end_matches('/');
    let url = admin.public().await?.at(&format!("{below}{}", args.path));

    let mut headers = HeaderMap::new();
    if let Some(host) = function["host"].as_str() {
        headers.insert(HOST, host.parse()?);
    }
    if let Some(number) = args.version {
        headers.insert("dunlin-version", number.into());
        if let Some(token) = admin.token() {
            headers.insert("dunlin-token", token.as_str().parse()?);
        }
    }
    let (body, is_json) = match args.data.as_deref() {
        None => (empty(), false),
        Some("@-") => (stream(tokio::io::stdin()), false),
        Some(data) => match data.strip_prefix('@') {
            Some(file) => (stream(open(Path::new(file)).await?), false),
            None => {
                let is_json = serde_json::from_str::<Value>(data).is_ok();
                let whole = Full::new(Bytes::from(data.to_owned()));
                (whole.map_err(|never| match never {}).boxed(), is_json)
            }
        },
    };
    if is_json {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let mut replaced = HeaderMap::new();
    for Field(name, value) in &args.headers {
        replaced.append(name, value.clone());
    }
    headers.extend(replaced);

    let method = args.method.clone().unwrap_or(match args.data {
        None => Method::GET,
        Some(_) => Method::POST,
    });
    let mut request = Request::builder().method(method).uri(&url).body(body)?;
    *request.headers_mut() = headers;
    Ok(request)
}

async fn open(file: &Path) -> anyhow::Result<File> {
    File::open(file)
        .await
        .with_context(|| format!("`{}` cannot be read", file.display()))
}

fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed()
}

fn stream(source: impl tokio::io::AsyncRead + Send + Sync + 'static) -> Body {
    StreamBody::new(ReaderStream::new(source).map_ok(Frame::data)).boxed()
}

async fn send(request: Request<Body>, insecure: bool) -> anyhow::Result<Response<Incoming>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?;
    let config = if insecure {
        config
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
            .with_no_client_auth()
    } else {
        let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
        config
            .with_root_certificates(Arc::new(roots) as Arc<rustls::RootCertStore>)
            .with_no_client_auth()
    };
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_or_http()
        .enable_http1()
        .build();
    let url = request.uri().clone();
    let client = Client::builder(TokioExecutor::new()).build(connector);
    client.request(request).await.map_err(|error| {
        let message = match error.is_connect() && url.scheme_str() == Some("https") && !insecure {
            true => format!("no answer from {url}: if the host made its own certificate, add `-k`"),
            false => format!("no answer from {url}"),
        };
        Exit::Unreachable.because(message, error)
    })
}

fn head(response: &Response<Incoming>) -> String {
    let mut text = format!("{:?} {}\n", response.version(), response.status());
    for (name, value) in response.headers() {
        text.push_str(&format!(
            "{name}: {}\n",
            String::from_utf8_lossy(value.as_bytes())
        ));
    }
    text
}

async fn print_json(response: Response<Incoming>, output: &Output) -> anyhow::Result<()> {
    let status = response.status().as_u16();
    let fields = response.headers().iter();
    let headers: Vec<_> = fields
        .map(|(name, value)| {
            [
                name.as_str().into(),
                String::from_utf8_lossy(value.as_bytes()),
            ]
        })
        .collect();
    let headers = json!(headers);
    let body = response.into_body().collect().await;
    let body = body.context("the answer broke off")?.to_bytes();
    let body = std::str::from_utf8(&body)
        .context("the answer's body is no text: leave `--json` out to have it as it is")?;
    let answer = json!({ "status": status, "headers": headers, "body": body });
    output.data(&answer, Value::to_string)
}
