//! A response under way: the beginning is held back until it is known how the query begins, or ends.

use std::future::Future;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Sleep;

use super::encode::{Encoder, Encoding};
use super::engine::Counts;
use super::exception::Exception;
use super::queries::Canceller;
use super::spool::Spool;

/// Results up to this size have exact counts in their head, and an error in place of half a result.
const HELD_BYTES: usize = 256 << 10;
const CHUNK_BYTES: usize = 256 << 10;
/// Chunks on their way to the socket; a slow reader holds the query back, not the memory.
const CHUNKS_IN_FLIGHT: usize = 4;

/// A transfer is broken off this long after its last words: broken off at once, they would stay in buffers.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// What every response says about the server.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) version: String,
    pub(super) timezone: String,
}

/// A piece of a body.
enum Piece {
    Data(Bytes),
    End,
    Broken,
}

/// The query's side of a response.
pub(super) struct Reply {
    server: Arc<Server>,
    query_id: String,
    format: String,
    encoding: Encoding,
    encoder: Option<Encoder>,
    exception_tag: String,
    started: Instant,
    held: Spool,
    held_bytes: usize,
    hold_all: bool,
    head: Option<oneshot::Sender<Response<()>>>,
    body: mpsc::Sender<Piece>,
}

/// The client's side of a response.
pub(super) struct Answer {
    pub(super) head: oneshot::Receiver<Response<()>>,
    pub(super) body: ReplyBody,
}

/// How a response is written.
pub(super) struct Style {
    pub(super) query_id: String,
    pub(super) format: String,
    pub(super) encoding: Encoding,
    /// Nothing is sent before the query has ended.
    pub(super) hold_all: bool,
}

impl Reply {
    pub(super) fn new(server: &Arc<Server>, style: Style, held: Spool, canceller: Option<Canceller>) -> (Self, Answer) {
        let (head, head_receiver) = oneshot::channel();
        let (body, pieces) = mpsc::channel(CHUNKS_IN_FLIGHT);
        let reply = Self {
            server: Arc::clone(server),
            query_id: style.query_id,
            format: style.format,
            encoding: style.encoding,
            encoder: None,
            exception_tag: uuid::Uuid::new_v4().simple().to_string()[..16].to_owned(),
            started: Instant::now(),
            held,
            held_bytes: 0,
            hold_all: style.hold_all,
            head: Some(head),
            body,
        };
        (reply, Answer { head: head_receiver, body: ReplyBody { pieces, canceller, ended: false, broken: None } })
    }

    /// The format the statement itself names.
    pub(super) fn set_format(&mut self, format: String) {
        self.format = format;
    }

    /// Whether any of the result has been written.
    pub(super) fn is_empty(&self) -> bool {
        self.encoder.is_none()
    }

    /// Writes a piece of the result. Fails when the client has gone.
    pub(super) fn write(&mut self, content: &[u8]) -> io::Result<()> {
        if self.encoder.is_none() {
            self.encoder = Some(Encoder::new(self.encoding)?);
        }
        let Some(encoder) = &mut self.encoder else {
            return Ok(());
        };
        let packed = encoder.push(content)?;
        self.put(packed)?;
        if self.head.is_some() && !self.hold_all && self.held_bytes >= HELD_BYTES {
            self.release(None)?;
        }
        Ok(())
    }

    /// Ends the response: with what was read and written, or with an error.
    pub(super) fn finish(mut self, result: Result<Counts, Exception>) {
        let sent = match result {
            Ok(counts) => self.complete(counts),
            Err(exception) if self.head.is_some() => self.refuse(&exception),
            Err(exception) => self.break_off(&exception),
        };
        if let Err(error) = sent {
            tracing::debug!(query_id = self.query_id, %error, "the client has gone before the end of its response");
        }
    }

    fn complete(&mut self, counts: Counts) -> io::Result<()> {
        let encoder = match self.encoder.take() {
            Some(encoder) => encoder,
            None => Encoder::new(self.encoding)?,
        };
        let packed = encoder.finish()?;
        self.put(packed)?;
        if self.head.is_some() {
            self.release(Some(counts))?;
        }
        self.send(Piece::End)
    }

    /// Nothing was sent yet, so the error takes the place of the result.
    fn refuse(&mut self, exception: &Exception) -> io::Result<()> {
        let mut head = self.base_head(Counts::default());
        *head.status_mut() = exception.status();
        let headers = head.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=UTF-8"));
        headers.insert("x-clickhouse-exception-code", HeaderValue::from(exception.code));
        self.send_head(head)?;
        self.send(Piece::Data(exception.body(&self.server.version).into()))?;
        self.send(Piece::End)
    }

    /// A part of the result was sent: the error follows it, marked so that clients find it, and the transfer ends as
    /// broken, so that nobody takes the part for the whole.
    fn break_off(&mut self, exception: &Exception) -> io::Result<()> {
        let (tag, text) = (&self.exception_tag, exception.body(&self.server.version));
        let length = text.len();
        let block = format!("\r\n__exception__\r\n{tag}\r\n{text}{length} {tag}\r\n__exception__\r\n");
        if let Some(mut encoder) = self.encoder.take() {
            let packed = encoder.flush()?;
            self.put(packed)?;
            let packed = encoder.push(block.as_bytes())?;
            self.put(packed)?;
            let packed = encoder.finish()?;
            self.put(packed)?;
        }
        self.send(Piece::Broken)
    }

    fn put(&mut self, packed: Vec<u8>) -> io::Result<()> {
        if packed.is_empty() {
            return Ok(());
        }
        if self.head.is_some() {
            self.held_bytes += packed.len();
            return self.held.write_all(&packed);
        }
        self.send(Piece::Data(packed.into()))
    }

    /// Sends the head and what was held back.
    fn release(&mut self, counts: Option<Counts>) -> io::Result<()> {
        let mut head = self.base_head(counts.unwrap_or_default());
        let headers = head.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(&self.format)));
        if let Some(encoding) = self.encoding.header() {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        if let Ok(tag) = HeaderValue::from_str(&self.exception_tag) {
            headers.insert("x-clickhouse-exception-tag", tag);
        }
        self.send_head(head)?;
        let mut held = self.held.take();
        let mut reader = held.read_from(0)?;
        loop {
            let mut chunk = Vec::with_capacity(CHUNK_BYTES);
            reader.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut chunk)?;
            if chunk.is_empty() {
                return Ok(());
            }
            self.send(Piece::Data(chunk.into()))?;
        }
    }

    fn base_head(&self, counts: Counts) -> Response<()> {
        let mut head = Response::new(());
        let elapsed = self.started.elapsed().as_nanos();
        let summary = format!(
            "{{\"read_rows\":\"{}\",\"read_bytes\":\"{}\",\"written_rows\":\"{}\",\"written_bytes\":\"{}\",\
             \"total_rows_to_read\":\"{}\",\"result_rows\":\"{}\",\"result_bytes\":\"{}\",\"elapsed_ns\":\"{elapsed}\"}}",
            counts.rows_read,
            counts.bytes_read,
            counts.rows_written,
            counts.bytes_written,
            counts.rows_read,
            counts.rows_returned,
            counts.bytes_returned,
        );
        let values = [
            ("x-clickhouse-summary", summary.as_str()),
            ("x-clickhouse-query-id", &self.query_id),
            ("x-clickhouse-format", &self.format),
            ("x-clickhouse-timezone", &self.server.timezone),
            ("x-clickhouse-server-display-name", "tributary-front"),
        ];
        for (name, value) in values {
            if let Ok(value) = HeaderValue::from_str(value) {
                head.headers_mut().insert(name, value);
            }
        }
        head
    }

    fn send_head(&mut self, head: Response<()>) -> io::Result<()> {
        match self.head.take().map(|sender| sender.send(head)) {
            Some(Ok(())) => Ok(()),
            _ => Err(gone()),
        }
    }

    fn send(&self, piece: Piece) -> io::Result<()> {
        self.body.blocking_send(piece).map_err(|_| gone())
    }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the client has gone")
}

/// The media type a server gives to a format.
fn content_type(format: &str) -> &'static str {
    match format {
        "JSON" | "JSONCompact" | "JSONStrings" | "JSONColumns" | "JSONObjectEachRow" => {
            "application/json; charset=UTF-8"
        }
        "JSONEachRow" | "JSONCompactEachRow" | "JSONLines" | "NDJSON" => "application/x-ndjson; charset=UTF-8",
        "CSV" | "CSVWithNames" | "CSVWithNamesAndTypes" => "text/csv; charset=UTF-8; header=absent",
        "TabSeparated"
        | "TSV"
        | "TabSeparatedWithNames"
        | "TSVWithNames"
        | "TabSeparatedWithNamesAndTypes"
        | "TSVWithNamesAndTypes" => "text/tab-separated-values; charset=UTF-8",
        "XML" => "application/xml; charset=UTF-8",
        "Parquet" | "Native" | "Arrow" | "ArrowStream" | "ORC" | "Avro" | "MsgPack" | "Npy" => {
            "application/octet-stream"
        }
        format if format.starts_with("RowBinary") => "application/octet-stream",
        _ => "text/plain; charset=UTF-8",
    }
}

/// The body of a response: dropped before its end, it ends the query.
pub(super) struct ReplyBody {
    pieces: mpsc::Receiver<Piece>,
    canceller: Option<Canceller>,
    ended: bool,
    broken: Option<Pin<Box<Sleep>>>,
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if let Some(pause) = &mut self.broken {
            ready!(pause.as_mut().poll(context));
            self.ended = true;
            let message = "the query failed after a part of its result was sent";
            return Poll::Ready(Some(Err(io::Error::other(message))));
        }
        match ready!(self.pieces.poll_recv(context)) {
            Some(Piece::Data(bytes)) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            Some(Piece::End) => {
                self.ended = true;
                self.canceller = None;
                Poll::Ready(None)
            }
            Some(Piece::Broken) | None => {
                self.canceller = None;
                self.broken = Some(Box::pin(tokio::time::sleep(LAST_WORDS)));
                self.poll_frame(context)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}

/// A short answer that no query stands behind.
pub(super) fn plain(status: StatusCode, text: &str) -> (Response<()>, Bytes) {
    let mut head = Response::new(());
    *head.status_mut() = status;
    head.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=UTF-8"));
    (head, Bytes::copy_from_slice(text.as_bytes()))
}
