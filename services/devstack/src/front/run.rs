//! One request on a thread of its own: body in, statement through the engine, rows out.

use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::Arc;

use super::body::{self, Chunks};
use super::engine::{Connection, Counts, Outcome};
use super::exception::Exception;
use super::queries::{ID_SETTING, Queries, Query};
use super::reply::Reply;
use super::request::Request;
use super::sessions::Sessions;
use super::settings::{self, Before, quote};
use super::spool::Spool;
use super::sql::{self, Kind, Shape};

const APPEND_BYTES: usize = 1 << 20;
const PIPE_READ_BYTES: usize = 256 << 10;

/// What requests share.
pub(super) struct Shared {
    pub(super) queries: Arc<Queries>,
    pub(super) sessions: Arc<Sessions>,
    /// Where bodies are put aside.
    pub(super) scratch: PathBuf,
}

/// Runs a request to its end and answers it.
pub(super) fn run(shared: &Shared, request: &Request, query: &Query, chunks: Chunks, mut reply: Reply) {
    let result = attempt(shared, request, query, chunks, &mut reply);
    if let Err(exception) = &result {
        tracing::debug!(query_id = request.query_id, error = exception.message, "a query failed");
    }
    reply.finish(result);
}

fn attempt(
    shared: &Shared,
    request: &Request,
    query: &Query,
    chunks: Chunks,
    reply: &mut Reply,
) -> Result<Counts, Exception> {
    let (form, mut text) = receive(shared, request, chunks)?;
    let request = form.as_ref().unwrap_or(request);
    let shape = sql::shape(text.memory())?;
    admit(request, &shape, &text)?;
    let lease = shared.sessions.lease(request.session.as_ref())?;
    let connection = lease.connection()?;
    let statement = Statement { shared, request, query, connection };
    if !lease.is_session() {
        return statement.run(&mut text, &shape, reply);
    }
    let before = Before::read(connection, request)?;
    let result = statement.run(&mut text, &shape, reply);
    let keeps = matches!(shape, Shape::Other { kind: Kind::Use, .. });
    if let Err(exception) = before.restore(connection, keeps) {
        tracing::warn!(error = exception.message, "a session keeps settings of one of its requests");
    }
    result
}

/// The statement with what follows it: the URL's part, a line feed, the body. A form holds the statement itself and
/// more parameters, so that the request is another one then.
fn receive(shared: &Shared, request: &Request, chunks: Chunks) -> Result<(Option<Request>, Spool), Exception> {
    let mut body = body::unpacked(chunks, &request.body)?;
    let mut text = Spool::new(&shared.scratch);
    let form = match &request.form {
        None => None,
        Some(boundary) => {
            let mut form = Vec::new();
            body.read_to_end(&mut form).map_err(body::unreadable)?;
            Some(request.with_form(&form, boundary)?)
        }
    };
    let statement = &form.as_ref().unwrap_or(request).query;
    if !statement.is_empty() {
        text.write_all(statement.as_bytes()).and_then(|()| text.write_all(b"\n")).map_err(body::unreadable)?;
    }
    io::copy(&mut body, &mut text).map_err(body::unreadable)?;
    Ok((form, text))
}

fn admit(request: &Request, shape: &Shape, text: &Spool) -> Result<(), Exception> {
    let inserts = matches!(shape, Shape::Insert { .. } | Shape::InsertSelect { .. });
    let writes = inserts || matches!(shape, Shape::Other { kind: Kind::Write | Kind::Kill, .. });
    if request.read_only && writes {
        return Err(Exception::new(
            164,
            "Cannot execute query in readonly mode. For queries over HTTP, method GET implies readonly. You should use method POST for modifying queries",
        ));
    }
    if text.overflows() && !inserts {
        return Err(Exception::new(62, "Syntax error: the statement is larger than max_query_size allows"));
    }
    Ok(())
}

struct Statement<'a> {
    shared: &'a Shared,
    request: &'a Request,
    query: &'a Query,
    connection: &'a Connection,
}

impl Statement<'_> {
    fn run(&self, text: &mut Spool, shape: &Shape, reply: &mut Reply) -> Result<Counts, Exception> {
        settings::apply(self.connection, self.request)?;
        self.query.check()?;
        match shape {
            Shape::Select { output, end, format } => {
                self.select(&text.memory()[..*end], *output, format.clone(), reply)
            }
            Shape::Insert { head, format, data } => {
                let head = text.memory()[..*head].to_vec();
                self.insert(&head, format, text.read_from(*data).map_err(body::unreadable)?)
            }
            Shape::InsertSelect { head, input, format, data } => {
                let before = text.memory()[..input.start].to_vec();
                let after = text.memory()[input.end..*head].to_vec();
                let rows = text.read_from(*data).map_err(body::unreadable)?;
                self.insert_select(&before, &after, format, rows)
            }
            Shape::Other { end, kind } => {
                let mut statement = text.memory()[..*end].to_vec();
                if *kind == Kind::Kill {
                    statement = self.with_own_ids(statement);
                }
                self.buffered(&statement, reply)
            }
        }
    }

    /// Rows come out through a pipe, so that every format is written whole and nothing is held in memory.
    fn select(
        &self,
        text: &[u8],
        output: usize,
        format: Option<String>,
        reply: &mut Reply,
    ) -> Result<Counts, Exception> {
        let clause = match &format {
            Some(_) => String::new(),
            None => format!("FORMAT {}", self.default_format()?),
        };
        reply.set_format(format.unwrap_or_else(|| self.request.default_format.clone()));
        let (reader, writer) = io::pipe().map_err(body::unreadable)?;
        let file = writer.as_raw_fd();
        let outfile = format!("\nINTO OUTFILE '/dev/fd/{file}' TRUNCATE {clause}");
        let statement = [&text[..output], outfile.as_bytes(), &text[output..]].concat();
        let result = std::thread::scope(|scope| {
            let pump = scope.spawn(|| pump(reader, reply));
            let result = self.execute(&statement);
            // The engine has opened the pipe anew; with this end closed too, the reader sees the end.
            drop(writer);
            if pump.join().is_err() {
                return Err(Exception::new(49, "the thread that reads results failed"));
            }
            result
        });
        match result {
            // Either the query itself is wrong, and the error is to name its own words; or the clause went to the
            // wrong place, and the query runs without it.
            Err(exception) if exception.code == 62 && reply.is_empty() => self.buffered(text, reply),
            result => result.map(|outcome| outcome.counts()),
        }
    }

    fn execute(&self, statement: &[u8]) -> Result<Outcome, Exception> {
        self.connection.query(statement, &self.request.default_format, &self.request.parameters)
    }

    fn default_format(&self) -> Result<&str, Exception> {
        let format = self.request.default_format.as_str();
        if !format.is_empty() && format.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Ok(format);
        }
        Err(Exception::new(73, format!("Unknown format {format}")))
    }

    fn insert(&self, head: &[u8], format: &str, mut rows: impl Read) -> Result<Counts, Exception> {
        let mut insert = self.connection.insert(head, format, &self.request.parameters)?;
        let mut buffer = vec![0; APPEND_BYTES];
        loop {
            self.query.check()?;
            match rows.read(&mut buffer).map_err(body::unreadable)? {
                0 => break,
                n => insert.append(&buffer[..n])?,
            }
        }
        insert.done()
    }

    /// The engine's streamed inserts refuse a SELECT, so that `input()` reads the body from a file instead.
    fn insert_select(
        &self,
        before: &[u8],
        after: &[u8],
        format: &str,
        mut rows: impl Read,
    ) -> Result<Counts, Exception> {
        let mut file = tempfile::NamedTempFile::new_in(&self.shared.scratch).map_err(body::unreadable)?;
        io::copy(&mut rows, &mut file).and_then(|_| file.flush()).map_err(body::unreadable)?;
        let path = quote(&file.path().to_string_lossy());
        let function = format!("file({path}, {}, ", quote(format));
        let statement = [before, function.as_bytes(), after].concat();
        self.query.check()?;
        self.execute(&statement).map(|outcome| outcome.counts())
    }

    fn buffered(&self, statement: &[u8], reply: &mut Reply) -> Result<Counts, Exception> {
        let outcome = self.execute(statement)?;
        if !outcome.data().is_empty() {
            // A client that has gone is no failure of the statement.
            let _ = reply.write(outcome.data());
        }
        Ok(outcome.counts())
    }

    /// `KILL QUERY WHERE query_id = '…'` with an id that a client of the front gave.
    fn with_own_ids(&self, statement: Vec<u8>) -> Vec<u8> {
        let own = sql::strings(&statement).iter().any(|id| self.shared.queries.is_running(id));
        if own { sql::replace_word(&statement, "query_id", &format!("Settings['{ID_SETTING}']")) } else { statement }
    }
}

/// Moves the result from the pipe to the client. Once the client has gone the rest is read and dropped: the engine
/// ends sooner that way than on a closed pipe.
fn pump(mut reader: impl Read, reply: &mut Reply) {
    let mut buffer = vec![0; PIPE_READ_BYTES];
    let mut gone = false;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return,
            Ok(n) if !gone => gone = reply.write(&buffer[..n]).is_err(),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}
