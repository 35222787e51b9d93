//! One connection that is dialled once. Asking which blocks are held and sending the missing ones must reach the same
//! server in this order, so the connection of a writer may break, but must never be replaced behind its back.

use futures::task::AtomicWaker;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::Error;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// A `clickhouse` client whose requests all go over one connection. The first request dials it; once it has broken
/// every request fails. Dropping it cuts the connection, whatever is under way on it.
pub(crate) struct OneConnection {
    pub(crate) client: clickhouse::Client,
    line: Arc<Line>,
}

impl OneConnection {
    pub(crate) fn new(connect_timeout: Duration) -> Result<Self, Error> {
        let line = Arc::new(Line::new());
        let mut http = HttpConnector::new();
        http.set_connect_timeout(Some(connect_timeout));
        http.set_nodelay(true);
        http.set_keepalive(Some(Duration::from_secs(60)));
        http.enforce_http(false);
        let provider = rustls::crypto::ring::default_provider();
        let inner = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(provider)
            .map_err(|error| Error::Config(format!("no root certificates: {error}")))?
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let http_client = HyperClient::builder(TokioExecutor::new())
            .pool_max_idle_per_host(1)
            .pool_idle_timeout(None)
            .retry_canceled_requests(false)
            .build(DialOnce { inner, line: line.clone() });
        Ok(Self { client: clickhouse::Client::with_http_client(http_client), line })
    }
}

impl Drop for OneConnection {
    fn drop(&mut self) {
        // An insert that waits for its answer is held by a task of the `clickhouse` crate: only the socket's end
        // reaches it, and tells the server.
        self.line.cut.store(true, Ordering::Release);
        self.line.waker.wake();
    }
}

/// What the connector, the socket and the owner know of the one connection.
struct Line {
    cut: AtomicBool,
    waker: AtomicWaker,
    state: watch::Sender<LineState>,
}

#[derive(Default)]
struct LineState {
    calls: u64,
    closed: bool,
}

impl Line {
    fn new() -> Self {
        Self { cut: AtomicBool::new(false), waker: AtomicWaker::new(), state: watch::Sender::new(LineState::default()) }
    }

    fn close(&self) {
        self.state.send_modify(|state| state.closed = true);
    }
}

#[derive(Clone)]
struct DialOnce {
    inner: HttpsConnector<HttpConnector>,
    line: Arc<Line>,
}

impl tower_service::Service<http::Uri> for DialOnce {
    type Response = Socket;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Socket, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, uri: http::Uri) -> Self::Future {
        let mut call = 0;
        self.line.state.send_modify(|state| {
            state.calls += 1;
            call = state.calls;
        });
        if call > 1 {
            return Box::pin(wait_for_the_end(self.line.clone(), call));
        }
        let dial = self.inner.call(uri);
        let line = self.line.clone();
        Box::pin(async move {
            match dial.await {
                Ok(inner) => Ok(Socket { inner, line }),
                Err(error) => {
                    line.close();
                    Err(error)
                }
            }
        })
    }
}

/// The pool asks for a second connection whenever the first has not come back yet from the last response. It must
/// wait: either the first comes back, or it is closed and the request fails.
async fn wait_for_the_end(line: Arc<Line>, call: u64) -> Result<Socket, BoxError> {
    let mut state = line.state.subscribe();
    // One request at a time: a later call means that this one's request is long served.
    let _ = state.wait_for(|state| state.closed || state.calls > call).await;
    Err("the connection is closed".into())
}

/// The socket, which its owner can cut.
struct Socket {
    inner: Stream,
    line: Arc<Line>,
}

impl Socket {
    fn check(&self) -> io::Result<()> {
        if self.line.cut.load(Ordering::Acquire) {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "cut by its owner"));
        }
        Ok(())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.line.close();
    }
}

impl Read for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        self.line.waker.register(cx.waker());
        self.check()?;
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl Write for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }
}

impl Connection for Socket {
    fn connected(&self) -> Connected {
        self.inner.connected()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// Answers `answers` requests on each connection, then closes it; counts connections.
    async fn server(answers: usize) -> (String, Arc<AtomicU32>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicU32::new(0));
        let counter = connections.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    let mut buffer = vec![0; 65_536];
                    for _ in 0..answers {
                        if stream.read(&mut buffer).await.unwrap_or(0) == 0 {
                            return;
                        }
                        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                        let _ = stream.write_all(answer.as_bytes()).await;
                    }
                });
            }
        });
        (url, connections)
    }

    #[tokio::test]
    async fn requests_share_the_connection_and_never_open_another() {
        let (url, connections) = server(50).await;
        let mut one = OneConnection::new(Duration::from_secs(5)).unwrap();
        one.client = one.client.clone().with_url(&url);
        for _ in 0..50 {
            one.client.query("SELECT 1").execute().await.unwrap();
        }
        // The server has closed it by now, or does so on the next request.
        for _ in 0..3 {
            assert!(one.client.query("SELECT 1").execute().await.is_err());
        }
        assert_eq!(connections.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn dropping_it_ends_what_is_under_way() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut one = OneConnection::new(Duration::from_secs(5)).unwrap();
        one.client = one.client.clone().with_url(&url);
        let request = tokio::spawn(one.client.query("SELECT sleep(3)").execute());
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = vec![0; 65_536];
        assert!(stream.read(&mut buffer).await.unwrap() > 0);
        // The request itself is held by somebody else, as an insert that waits for its answer is.
        drop(one);
        assert!(request.await.unwrap().is_err());
        assert_eq!(stream.read(&mut buffer).await.unwrap(), 0, "the socket is closed");
    }
}
