//! What a request asks for: the parameters of ClickHouse's HTTP interface, in the URL or in headers.

use std::time::Duration;

use hyper::{HeaderMap, Method as HttpMethod, header};

use super::blocks::Method;
use super::body::Encodings;
use super::encode::Encoding;
use super::engine::Parameter;
use super::exception::Exception;
use super::form;

const DEFAULT_SESSION_SECONDS: u64 = 60;
const MAX_SESSION_SECONDS: u64 = 3600;

/// A session that the request belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SessionName {
    pub(super) id: String,
    pub(super) timeout: Duration,
    /// The session must exist already.
    pub(super) must_exist: bool,
}

/// A request, its body apart.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) query_id: String,
    /// The part of the statement that stands in the URL.
    pub(super) query: String,
    pub(super) database: Option<String>,
    pub(super) default_format: String,
    pub(super) settings: Vec<(String, String)>,
    pub(super) parameters: Vec<Parameter>,
    pub(super) session: Option<SessionName>,
    pub(super) body: Encodings,
    pub(super) answer: Encoding,
    pub(super) wait_end_of_query: bool,
    /// Nothing may be changed: by GET, or where `readonly` asks for it.
    pub(super) read_only: bool,
    /// The boundary of a form: the body holds more parameters, and no data.
    pub(super) form: Option<String>,
}

impl Request {
    /// Reads the URL's parameters and the headers. `query` is the URL's query string.
    pub(super) fn parse(method: &HttpMethod, query: &str, headers: &HeaderMap) -> Result<Self, Exception> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut request = Self {
            query_id: String::new(),
            query: String::new(),
            database: header("x-clickhouse-database"),
            default_format: header("x-clickhouse-format").unwrap_or_else(|| "TabSeparated".into()),
            settings: Vec::new(),
            parameters: Vec::new(),
            session: None,
            body: Encodings { content: header("content-encoding"), blocks: false },
            answer: Encoding::Identity,
            wait_end_of_query: false,
            read_only: method == HttpMethod::GET || method == HttpMethod::HEAD,
            form: header("content-type").and_then(|kind| form::boundary(&kind)),
        };
        let mut session = Session::default();
        let mut packed = Packed::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let value = value.into_owned();
            match name.as_ref() {
                "query" => request.query = value,
                "query_id" => request.query_id = value,
                "database" => request.database = Some(value),
                "default_format" => request.default_format = value,
                "compress" => packed.blocks = is_true(&value),
                "decompress" => request.body.blocks = is_true(&value),
                "wait_end_of_query" => request.wait_end_of_query = is_true(&value),
                "session_id" => session.id = value,
                "session_timeout" => session.timeout = Some(value),
                "session_check" => session.check = is_true(&value),
                // Of the interface, and without meaning here: any user may enter, there is one role, and buffers are
                // sized by themselves.
                "user"
                | "password"
                | "quota_key"
                | "role"
                | "stacktrace"
                | "buffer_size"
                | "client_protocol_version"
                | "close_session"
                | "http_write_exception_in_output_format" => {}
                // Not set in the engine: a session could not take it back.
                "readonly" => request.read_only |= value != "0",
                "enable_http_compression" => packed.http = is_true(&value),
                "network_compression_method" => packed.method = Some(value),
                name => request.set(name, value),
            }
        }
        if request.query_id.is_empty() {
            request.query_id = uuid::Uuid::new_v4().to_string();
        }
        request.session = session.name()?;
        request.answer = packed.encoding(headers)?;
        Ok(request)
    }

    /// The same request with the parameters of its form.
    pub(super) fn with_form(&self, body: &[u8], boundary: &str) -> Result<Self, Exception> {
        let mut request = self.clone();
        for (name, value) in form::fields(body, boundary)? {
            match name.as_str() {
                "query" => request.query = value,
                "database" => request.database = Some(value),
                "default_format" => request.default_format = value,
                name => request.set(name, value),
            }
        }
        Ok(request)
    }

    fn set(&mut self, name: &str, value: String) {
        match name.strip_prefix("param_") {
            Some(parameter) => self.parameters.push((parameter.to_owned(), value)),
            None => self.settings.push((name.to_owned(), value)),
        }
    }
}

fn is_true(value: &str) -> bool {
    value == "1" || value.eq_ignore_ascii_case("true")
}

#[derive(Default)]
struct Session {
    id: String,
    timeout: Option<String>,
    check: bool,
}

impl Session {
    fn name(self) -> Result<Option<SessionName>, Exception> {
        if self.id.is_empty() {
            return Ok(None);
        }
        let seconds = match self.timeout.as_deref() {
            None | Some("") => DEFAULT_SESSION_SECONDS,
            Some(text) => text.parse().ok().filter(|seconds| *seconds <= MAX_SESSION_SECONDS).ok_or_else(|| {
                Exception::new(371, format!("Invalid session timeout: '{text}', at most {MAX_SESSION_SECONDS}"))
            })?,
        };
        Ok(Some(SessionName { id: self.id, timeout: Duration::from_secs(seconds), must_exist: self.check }))
    }
}

#[derive(Default)]
struct Packed {
    blocks: bool,
    http: bool,
    method: Option<String>,
}

impl Packed {
    fn encoding(self, headers: &HeaderMap) -> Result<Encoding, Exception> {
        if self.blocks {
            let method = match self.method.unwrap_or_default().to_ascii_uppercase().as_str() {
                "" | "LZ4" | "LZ4HC" => Method::Lz4,
                "ZSTD" => Method::Zstd,
                "NONE" => Method::None,
                other => {
                    return Err(Exception::new(
                        89,
                        format!("Unknown compression method {other}: use LZ4, ZSTD or NONE"),
                    ));
                }
            };
            return Ok(Encoding::Blocks(method));
        }
        let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
        Ok(accepted.filter(|_| self.http).map_or(Encoding::Identity, Encoding::accepted))
    }
}
