//! The listening side: connections, routes, and a stop that lets queries end.

use std::convert::Infallible;
use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::header::{HOST, ORIGIN};
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::engine::Engine;
use super::exception::Exception;
use super::queries::Queries;
use super::reply::{Reply, ReplyBody, Server, Style, plain};
use super::request::Request;
use super::run::{Shared, run};
use super::sessions::Sessions;
use super::spool::Spool;
use super::{FrontConfig, FrontError, body};

const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// How long queries that were told to end may take.
const LAST_WAIT: Duration = Duration::from_secs(5);

type AnyBody = Either<Full<Bytes>, ReplyBody>;

struct Front {
    server: Arc<Server>,
    shared: Shared,
}

/// Serves the engine over HTTP until SIGTERM or SIGINT.
///
/// # Errors
/// When the library, the data directory or the address cannot be had.
pub async fn serve(config: FrontConfig) -> Result<(), FrontError> {
    if !config.listen.ip().is_loopback() {
        return Err(FrontError::NotLoopback { listen: config.listen });
    }
    let io_error = |action| move |source| FrontError::Io { action, source };
    let mut terminate = signal(SignalKind::terminate()).map_err(io_error("watch for SIGTERM"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(io_error("watch for SIGINT"))?;
    let _lock = lock(&config.data_dir)?;
    allow_many_files();
    let scratch = config.data_dir.join("front");
    // What a killed front left behind.
    let _ = fs::remove_dir_all(&scratch);
    fs::create_dir_all(&scratch).map_err(io_error("make the front's folder"))?;
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|source| FrontError::Listen { listen: config.listen, source })?;

    let started = Instant::now();
    let engine = Arc::new(Engine::open(&config.lib, &config.data_dir)?);
    let server = Arc::new(about(&engine, &config.data_dir)?);
    let queries = Queries::new(Arc::clone(&engine), config.max_queries);
    let sessions = Sessions::new(Arc::clone(&engine));
    let shared = Shared { queries: Arc::clone(&queries), sessions: Arc::clone(&sessions), scratch };
    let front = Arc::new(Front { server: Arc::clone(&server), shared });
    tracing::info!(listen = %config.listen, version = server.version, ms = started.elapsed().as_millis(), "clickhouse front ready");

    let (stop, stopped) = watch::channel(());
    let mut sweep = tokio::time::interval(SWEEP_EVERY);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => connection(stream, Arc::clone(&front), stopped.clone()),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            _ = sweep.tick() => {
                let sessions = Arc::clone(&sessions);
                tokio::task::spawn_blocking(move || sessions.sweep());
            }
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    drop(listener);
    drop(stopped);
    let _ = stop.send(());
    tracing::info!(queries = queries.count(), "clickhouse front stops");
    wait_for_queries(&queries, config.grace).await;
    sessions.clear();
    let clean = tokio::task::spawn_blocking(move || engine.shutdown()).await.unwrap_or(false);
    tracing::info!(clean, "clickhouse front stopped");
    if !clean {
        // Its threads would run on while the process takes itself apart. What is stored is stored already.
        // SAFETY: has no preconditions.
        unsafe { libc::_exit(0) }
    }
    Ok(())
}

async fn wait_for_queries(queries: &Arc<Queries>, grace: Duration) {
    for limit in [grace, LAST_WAIT] {
        let until = Instant::now() + limit;
        while queries.count() > 0 && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        queries.cancel_all();
    }
}

/// One process per data directory; the engine itself would notice too late.
fn lock(data_dir: &Path) -> Result<File, FrontError> {
    let io_error = |source| FrontError::Io { action: "lock the data directory", source };
    fs::create_dir_all(data_dir).map_err(io_error)?;
    let file = File::create(data_dir.join("front.lock")).map_err(io_error)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(FrontError::InUse { path: data_dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(io_error(source)),
    }
}

/// The engine opens a file for every column it reads, and shells often allow a program 1,024.
fn allow_many_files() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls get a live struct of their own. Where the system refuses, the old limit stays.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
    }
}

fn about(engine: &Engine, data_dir: &Path) -> Result<Server, FrontError> {
    let ask = |query: &str| {
        let connection = engine.connect()?;
        let outcome = connection.query(query, "TabSeparatedRaw", &[])?;
        Ok(String::from_utf8_lossy(outcome.data()).trim().to_owned())
    };
    let unusable = |e: Exception| FrontError::DataDir { path: data_dir.to_owned(), cause: e.message };
    Ok(Server {
        version: ask("SELECT version()").map_err(unusable)?,
        timezone: ask("SELECT timezone()").map_err(unusable)?,
    })
}

/// Serves one connection until it closes or the front stops.
fn connection(stream: TcpStream, front: Arc<Front>, mut stopped: watch::Receiver<()>) {
    tokio::spawn(async move {
        let _ = stream.set_nodelay(true);
        let service = service_fn(move |request| answer(Arc::clone(&front), request));
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            _ = stopped.changed() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection broke off");
        }
    });
}

async fn answer(front: Arc<Front>, request: hyper::Request<Incoming>) -> Result<Response<AnyBody>, Infallible> {
    if let Some((status, text)) = without_query(&request) {
        body::discard(request.into_body());
        let (head, body) = plain(status, &text);
        return Ok(head.map(|()| Either::Left(Full::new(body))));
    }
    let query = request.uri().query().unwrap_or("");
    let parsed = Request::parse(request.method(), query, request.headers());
    Ok(front.execute(parsed, request.into_body()).await)
}

/// What a request is told that runs no query.
fn without_query(request: &hyper::Request<Incoming>) -> Option<(StatusCode, String)> {
    if !is_local(request.headers()) {
        return Some((StatusCode::FORBIDDEN, "this server answers programs and pages of this machine only\n".into()));
    }
    let method = request.method();
    let ok = Some((StatusCode::OK, "Ok.\n".into()));
    match request.uri().path() {
        "/ping" | "/replicas_status" => ok,
        "/" if method == Method::GET && request.uri().query().unwrap_or("").is_empty() => ok,
        "/" | "/query" if matches!(*method, Method::GET | Method::HEAD | Method::POST | Method::PUT) => None,
        "/" | "/query" => Some((StatusCode::METHOD_NOT_ALLOWED, "use GET or POST\n".into())),
        other => {
            let hint = "Use / or /ping for health checks, POST to / to run queries.";
            Some((StatusCode::NOT_FOUND, format!("There is no handle {other}\n\n{hint}\n")))
        }
    }
}

impl Front {
    async fn execute(self: Arc<Self>, parsed: Result<Request, Exception>, incoming: Incoming) -> Response<AnyBody> {
        let started =
            parsed.and_then(|request| self.shared.queries.start(&request.query_id).map(|query| (request, query)));
        let (request, query) = match started {
            Ok(started) => started,
            Err(exception) => {
                body::discard(incoming);
                return self.refuse(&exception);
            }
        };
        let style = Style {
            query_id: request.query_id.clone(),
            format: request.default_format.clone(),
            encoding: request.answer,
            hold_all: request.wait_end_of_query,
        };
        let held = Spool::new(&self.shared.scratch);
        let (reply, answer) = Reply::new(&self.server, style, held, Some(query.canceller()));
        let chunks = body::forward(incoming);
        let front = Arc::clone(&self);
        tokio::task::spawn_blocking(move || {
            run(&front.shared, &request, &query, chunks, reply);
            drop(query);
        });
        match answer.head.await {
            Ok(head) => head.map(|()| Either::Right(answer.body)),
            Err(_) => self.refuse(&Exception::new(49, "the query's thread failed")),
        }
    }

    fn refuse(&self, exception: &Exception) -> Response<AnyBody> {
        let (mut head, _) = plain(exception.status(), "");
        head.headers_mut().insert("x-clickhouse-exception-code", exception.code.into());
        head.map(|()| Either::Left(Full::new(exception.body(&self.server.version).into())))
    }
}

/// A web page of another site must reach neither data nor files through the browser of somebody on this machine.
fn is_local(headers: &HeaderMap) -> bool {
    let local = |authority: &str| {
        let host = authority
            .rsplit_once(':')
            .filter(|(_, port)| port.parse::<u16>().is_ok())
            .map_or(authority, |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    };
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let origin =
        text(ORIGIN).is_none_or(|origin| origin.split_once("://").is_some_and(|(_, authority)| local(authority)));
    origin && text(HOST).is_none_or(local)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(name: hyper::header::HeaderName, value: &str) -> bool {
        is_local(&HeaderMap::from_iter([(name, value.parse().unwrap())]))
    }

    #[test]
    fn only_this_machine_is_answered() {
        assert!(is_local(&HeaderMap::new()));
        for host in ["localhost", "LOCALHOST:8123", "127.0.0.1:1", "127.1.2.3", "[::1]:8123", "[::1]"] {
            assert!(local(HOST, host), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example:80", "10.0.0.1:8123", "", "[2001:db8::1]:80"] {
            assert!(!local(HOST, host), "{host}");
        }
        assert!(local(ORIGIN, "http://localhost:3000"));
        for origin in ["https://evil.example", "null", "file://"] {
            assert!(!local(ORIGIN, origin), "{origin}");
        }
    }
}
