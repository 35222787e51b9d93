//! One request on a thread of its own: body in, statement through the engine, rows out.

use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::Arc;

use super::body::{self, Chunks};
use super::engine::{Connection, Counts};
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
pub(super) fn run(
    shared: &Shared,
    request: &Request,
    query: &Query,
    chunks: Chunks,
    mut reply: Reply,
) {
    let result = attempt(shared, request, query, chunks, &mut reply);
    if let Err(exception) = &result {
        tracing::debug!(
            query_id = request.query_id,
            error = exception.message,
            "a query failed"
        );
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
    let mut text = receive(shared, request, chunks)?;
    let shape = sql::shape(text.memory())?;
    admit(request, &shape, &text)?;
    let lease = shared.sessions.lease(request.session.as_ref())?;
    let connection = lease.connection()?;
    let before = if lease.is_session() {
        Before::read(connection, request)?
    } else {
        Before::default()
    };
    let result = settings::apply(connection, request)
        .and_then(|()| query.check())
        .and_then(|()| {
            Statement {
                shared,
                request,
                query,
                connection,
            }
            .run(&mut text, &shape, reply)
        });
    if lease.is_session() {
        let restored = match shape {
            Shape::Other {
                kind: Kind::Use, ..
            } => Ok(()),
            _ => before.restore(connection),
        };
        if let Err(exception) = restored {
            tracing::warn!(
                error = exception.message,
                "a session keeps settings of one of its requests"
            );
        }
    }
    result
}

/// The statement with what follows it: the URL's part, a line feed, the body.
fn receive(shared: &Shared, request: &Request, chunks: Chunks) -> Result<Spool, Exception> {
    let mut text = Spool::new(&shared.scratch);
    if !request.query.is_empty() {
        text.write_all(request.query.as_bytes())
            .and_then(|()| text.write_all(b"\n"))
            .map_err(body::unreadable)?;
    }
    let mut body = body::unpacked(chunks, &request.body)?;
    io::copy(&mut body, &mut text).map_err(body::unreadable)?;
    Ok(text)
}

fn admit(request: &Request, shape: &Shape, text: &Spool) -> Result<(), Exception> {
    let inserts = matches!(shape, Shape::Insert { .. } | Shape::InsertSelect { .. });
    let writes = inserts
        || matches!(
            shape,
            Shape::Other {
                kind: Kind::Write | Kind::Kill,
                ..
            }
        );
    if request.read_only && writes {
        return Err(Exception::new(
            164,
            "Cannot execute query in readonly mode. For queries over HTTP, method GET implies readonly. You should use method POST for modifying queries",
        ));
    }
    if text.overflows() && !inserts {
        return Err(Exception::new(
            62,
            "Syntax error: the statement is larger than max_query_size allows",
        ));
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
        match shape {
            Shape::Select {
                output,
                end,
                format,
            } => {
                let format = format.clone();
                self.select(&text.memory()[..*end], *output, format, reply)
            }
            Shape::Insert { head, format, data } => {
                let head = utf8(&text.memory()[..*head])?;
                self.insert(
                    &head,
                    format,
                    text.read_from(*data).map_err(body::unreadable)?,
                )
            }
            Shape::InsertSelect {
                head,
                input,
                format,
                data,
            } => {
                let around = (
                    utf8(&text.memory()[..input.start])?,
                    utf8(&text.memory()[input.end..*head])?,
                );
                self.insert_select(
                    around,
                    format,
                    text.read_from(*data).map_err(body::unreadable)?,
                )
            }
            Shape::Other { end, kind } => {
                let mut statement = utf8(&text.memory()[..*end])?;
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
        let (before, after) = (utf8(&text[..output])?, utf8(&text[output..])?);
        let after = match &format {
            Some(_) => after,
            None => format!("FORMAT {}", self.default_format()?),
        };
        reply.set_format(format.unwrap_or_else(|| self.request.default_format.clone()));
        let (reader, writer) = io::pipe().map_err(body::unreadable)?;
        let file = writer.as_raw_fd();
        let statement = format!("{before}\nINTO OUTFILE '/dev/fd/{file}' TRUNCATE {after}");
        let result = std::thread::scope(|scope| {
            let pump = scope.spawn(|| pump(reader, reply));
            let result = self.connection.query(
                &statement,
                &self.request.default_format,
                &self.request.parameters,
            );
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
            Err(exception) if exception.code == 62 && reply.is_empty() => {
                self.buffered(&utf8(text)?, reply)
            }
            result => result.map(|outcome| outcome.counts()),
        }
    }

    fn default_format(&self) -> Result<&str, Exception> {
        let format = self.request.default_format.as_str();
        if !format.is_empty()
            && format
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '_')
        {
            return Ok(format);
        }
        Err(Exception::new(73, format!("Unknown format {format}")))
    }

    fn insert(&self, head: &str, format: &str, mut rows: impl Read) -> Result<Counts, Exception> {
        let mut insert = self
            .connection
            .insert(head, format, &self.request.parameters)?;
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
        around: (String, String),
        format: &str,
        mut rows: impl Read,
    ) -> Result<Counts, Exception> {
        let mut file =
            tempfile::NamedTempFile::new_in(&self.shared.scratch).map_err(body::unreadable)?;
        io::copy(&mut rows, &mut file)
            .and_then(|_| file.flush())
            .map_err(body::unreadable)?;
        let path = quote(&file.path().to_string_lossy());
        let statement = format!("{}file({path}, {}, {}", around.0, quote(format), around.1);
        self.query.check()?;
        self.connection
            .query(
                &statement,
                &self.request.default_format,
                &self.request.parameters,
            )
            .map(|o| o.counts())
    }

    fn buffered(&self, statement: &str, reply: &mut Reply) -> Result<Counts, Exception> {
        let outcome = self.connection.query(
            statement,
            &self.request.default_format,
            &self.request.parameters,
        )?;
        if !outcome.data().is_empty() {
            // A client that has gone is no failure of the statement.
            let _ = reply.write(outcome.data());
        }
        Ok(outcome.counts())
    }

    /// `KILL QUERY WHERE query_id = '…'` with an id that a client of the front gave.
    fn with_own_ids(&self, statement: String) -> String {
        let own = sql::strings(statement.as_bytes())
            .iter()
            .any(|id| self.shared.queries.is_running(id));
        if own {
            sql::replace_word(&statement, "query_id", &format!("Settings['{ID_SETTING}']"))
        } else {
            statement
        }
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

fn utf8(text: &[u8]) -> Result<String, Exception> {
    Ok(String::from_utf8_lossy(text).into_owned())
}
