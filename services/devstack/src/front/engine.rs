//! The embedded engine: the few functions of `libchdb.so` that the front needs, behind owned types.
//!
//! A connection runs one statement at a time, keeps its settings, temporary tables and current database, and costs a
//! fraction of a millisecond; so a request gets one of its own and nothing leaks from one to the next.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use libloading::Library;

use super::FrontError;
use super::exception::Exception;

type RawConnection = *mut c_void;
type RawResult = *mut c_void;
type RawInsert = *mut c_void;

/// One name and one value of a `{name:Type}` parameter.
pub(super) type Parameter = (String, String);

type QueryWithParameters = unsafe extern "C" fn(
    RawConnection,
    *const c_char,
    usize,
    *const c_char,
    usize,
    *const *const c_char,
    *const usize,
    *const *const c_char,
    *const usize,
    usize,
) -> *mut c_void;

/// The functions of the library, declared as its header has them. It is never unloaded.
struct Api {
    connect: unsafe extern "C" fn(c_int, *const *const c_char) -> *mut RawConnection,
    close: unsafe extern "C" fn(*mut RawConnection),
    query: QueryWithParameters,
    destroy_result: unsafe extern "C" fn(RawResult),
    result_buffer: unsafe extern "C" fn(RawResult) -> *const u8,
    result_length: unsafe extern "C" fn(RawResult) -> usize,
    result_error: unsafe extern "C" fn(RawResult) -> *const c_char,
    rows_returned: unsafe extern "C" fn(RawResult) -> u64,
    bytes_returned: unsafe extern "C" fn(RawResult) -> u64,
    rows_read: unsafe extern "C" fn(RawResult) -> u64,
    bytes_read: unsafe extern "C" fn(RawResult) -> u64,
    rows_written: unsafe extern "C" fn(RawResult) -> u64,
    bytes_written: unsafe extern "C" fn(RawResult) -> u64,
    insert: QueryWithParameters,
    insert_append: unsafe extern "C" fn(RawInsert, *const c_void, usize) -> c_int,
    insert_done: unsafe extern "C" fn(RawInsert) -> RawResult,
    insert_error: unsafe extern "C" fn(RawInsert) -> *const c_char,
    insert_destroy: unsafe extern "C" fn(RawInsert),
    shutdown: unsafe extern "C" fn() -> c_int,
}

impl Api {
    fn load(path: &Path) -> Result<Self, FrontError> {
        let unusable = |source| FrontError::Library { path: path.to_owned(), source };
        // SAFETY: the library's constructors do nothing but set up its own state, and each symbol is declared with
        // the type its header gives.
        unsafe {
            let library = Library::new(path).map_err(unusable)?;
            let set_signal_handlers: unsafe extern "C" fn(c_int) =
                *library.get("chdb_set_signal_handlers_enabled").map_err(unusable)?;
            // Before the first connection: a graceful stop is this process's own business.
            set_signal_handlers(0);
            let api = Self {
                connect: *library.get("chdb_connect").map_err(unusable)?,
                close: *library.get("chdb_close_conn").map_err(unusable)?,
                query: *library.get("chdb_query_with_params_n").map_err(unusable)?,
                destroy_result: *library.get("chdb_destroy_query_result").map_err(unusable)?,
                result_buffer: *library.get("chdb_result_buffer").map_err(unusable)?,
                result_length: *library.get("chdb_result_length").map_err(unusable)?,
                result_error: *library.get("chdb_result_error").map_err(unusable)?,
                rows_returned: *library.get("chdb_result_rows_read").map_err(unusable)?,
                bytes_returned: *library.get("chdb_result_bytes_read").map_err(unusable)?,
                rows_read: *library.get("chdb_result_storage_rows_read").map_err(unusable)?,
                bytes_read: *library.get("chdb_result_storage_bytes_read").map_err(unusable)?,
                rows_written: *library.get("chdb_result_rows_written").map_err(unusable)?,
                bytes_written: *library.get("chdb_result_bytes_written").map_err(unusable)?,
                insert: *library.get("chdb_stream_insert_with_params_n").map_err(unusable)?,
                insert_append: *library.get("chdb_stream_append").map_err(unusable)?,
                insert_done: *library.get("chdb_stream_done").map_err(unusable)?,
                insert_error: *library.get("chdb_stream_insert_error").map_err(unusable)?,
                insert_destroy: *library.get("chdb_destroy_insert_stream").map_err(unusable)?,
                shutdown: *library.get("chdb_shutdown").map_err(unusable)?,
            };
            // Its threads leave destructors behind that run when ours end: the code must stay where it is.
            std::mem::forget(library);
            Ok(api)
        }
    }
}

/// The engine over one data directory. One per process: the engine itself allows no more.
pub(super) struct Engine {
    api: Arc<Api>,
    path: CString,
    // The engine ends with its last connection; this one keeps it alive between requests.
    keeper: parking_lot::Mutex<Option<Connection>>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Engine {
    /// Loads the library and opens the data directory.
    pub(super) fn open(library: &Path, data_dir: &Path) -> Result<Self, FrontError> {
        let api = Arc::new(Api::load(library)?);
        let path = CString::new(format!("--path={}", data_dir.display())).map_err(|_| FrontError::DataDir {
            path: data_dir.to_owned(),
            cause: "the path contains a null byte".into(),
        })?;
        let engine = Self { api, path, keeper: parking_lot::Mutex::new(None) };
        let keeper =
            engine.connect().map_err(|e| FrontError::DataDir { path: data_dir.to_owned(), cause: e.message })?;
        *engine.keeper.lock() = Some(keeper);
        Ok(engine)
    }

    /// A new connection with a server's defaults.
    pub(super) fn connect(&self) -> Result<Connection, Exception> {
        let arguments = [c"clickhouse".as_ptr(), self.path.as_ptr()];
        // SAFETY: both arguments are null-terminated and outlive the call.
        let raw = unsafe { (self.api.connect)(2, arguments.as_ptr()) };
        if raw.is_null() {
            return Err(Exception::new(210, "the embedded engine refuses a connection: see its messages above"));
        }
        let connection = Connection { api: Arc::clone(&self.api), raw };
        // The embedded engine takes a bare expression for a SELECT; a server does not. Formatting in parallel holds many
        // blocks at once, 1 GB of them where rows are long; without it a quarter of that.
        let defaults = "SET implicit_select = 0, output_format_parallel_formatting = 0";
        connection.query(defaults, "TabSeparated", &[])?;
        Ok(connection)
    }

    /// Ends the engine's threads, once every connection is closed.
    pub(super) fn shutdown(&self) -> bool {
        drop(self.keeper.lock().take());
        // SAFETY: takes no arguments and refuses by itself while a connection is open.
        unsafe { (self.api.shutdown)() == 0 }
    }
}

/// A connection: one statement at a time, settings of its own.
pub(super) struct Connection {
    api: Arc<Api>,
    raw: *mut RawConnection,
}

// SAFETY: the engine binds no connection to a thread; `&self` methods are serialised by the engine's own lock.
unsafe impl Send for Connection {}

impl Connection {
    /// Runs one statement and waits for its end.
    pub(super) fn query(
        &self,
        text: impl AsRef<[u8]>,
        format: &str,
        parameters: &[Parameter],
    ) -> Result<Outcome, Exception> {
        let raw = self.call(self.api.query, text.as_ref(), format, parameters);
        Outcome::new(Arc::clone(&self.api), raw)
    }

    /// Begins an insert whose rows will be appended.
    pub(super) fn insert(&self, head: &[u8], format: &str, parameters: &[Parameter]) -> Result<Insert<'_>, Exception> {
        let raw = self.call(self.api.insert, head, format, parameters);
        let insert = Insert { connection: self, raw };
        match insert.error() {
            Some(error) => Err(error),
            None => Ok(insert),
        }
    }

    fn call(&self, function: QueryWithParameters, text: &[u8], format: &str, parameters: &[Parameter]) -> *mut c_void {
        let pointers = |part: fn(&Parameter) -> &String| -> (Vec<*const c_char>, Vec<usize>) {
            parameters.iter().map(|p| (part(p).as_ptr().cast(), part(p).len())).unzip()
        };
        let (names, name_lengths) = pointers(|p| &p.0);
        let (values, value_lengths) = pointers(|p| &p.1);
        // SAFETY: every pointer is paired with its length and outlives the call; the engine copies what it keeps.
        unsafe {
            function(
                *self.raw,
                text.as_ptr().cast(),
                text.len(),
                format.as_ptr().cast(),
                format.len(),
                names.as_ptr(),
                name_lengths.as_ptr(),
                values.as_ptr(),
                value_lengths.as_ptr(),
                parameters.len(),
            )
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: `raw` came from `connect` and is closed once.
        unsafe { (self.api.close)(self.raw) }
    }
}

/// What a statement read and wrote.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) rows_read: u64,
    pub(super) bytes_read: u64,
    pub(super) rows_written: u64,
    pub(super) bytes_written: u64,
    pub(super) rows_returned: u64,
    pub(super) bytes_returned: u64,
}

/// The result of a statement that succeeded.
pub(super) struct Outcome {
    api: Arc<Api>,
    raw: RawResult,
}

impl Outcome {
    fn new(api: Arc<Api>, raw: RawResult) -> Result<Self, Exception> {
        if raw.is_null() {
            return Err(Exception::new(49, "the embedded engine returned no result"));
        }
        let outcome = Self { api, raw };
        // SAFETY: `raw` is a live result.
        let error = unsafe { text((outcome.api.result_error)(outcome.raw)) };
        match error {
            Some(message) => Err(Exception::parse(&message)),
            None => Ok(outcome),
        }
    }

    /// The formatted rows, if any.
    pub(super) fn data(&self) -> &[u8] {
        // SAFETY: the buffer belongs to the result and lives as long as it.
        unsafe {
            let (buffer, length) = ((self.api.result_buffer)(self.raw), (self.api.result_length)(self.raw));
            if buffer.is_null() || length == 0 { &[] } else { std::slice::from_raw_parts(buffer, length) }
        }
    }

    /// What the statement read and wrote.
    pub(super) fn counts(&self) -> Counts {
        let (api, raw) = (&self.api, self.raw);
        // SAFETY: `raw` is a live result.
        unsafe {
            Counts {
                rows_read: (api.rows_read)(raw),
                bytes_read: (api.bytes_read)(raw),
                rows_written: (api.rows_written)(raw),
                bytes_written: (api.bytes_written)(raw),
                rows_returned: (api.rows_returned)(raw),
                bytes_returned: (api.bytes_returned)(raw),
            }
        }
    }
}

impl Drop for Outcome {
    fn drop(&mut self) {
        // SAFETY: `raw` is destroyed once.
        unsafe { (self.api.destroy_result)(self.raw) }
    }
}

/// An insert under way. Dropped without [`Insert::done`], it is cancelled.
pub(super) struct Insert<'c> {
    connection: &'c Connection,
    raw: RawInsert,
}

impl Insert<'_> {
    /// Hands over the next bytes of the body.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), Exception> {
        // SAFETY: the engine copies the bytes before it returns.
        let state = unsafe { (self.connection.api.insert_append)(self.raw, bytes.as_ptr().cast(), bytes.len()) };
        if state == 0 {
            return Ok(());
        }
        Err(self
            .error()
            .or_else(|| self.end().err())
            .unwrap_or_else(|| Exception::new(49, "the insert ended by itself")))
    }

    /// Ends the body and stores the rows.
    pub(super) fn done(self) -> Result<Counts, Exception> {
        self.end().map(|outcome| outcome.counts())
    }

    fn end(&self) -> Result<Outcome, Exception> {
        let api = &self.connection.api;
        // SAFETY: `raw` is a live stream; the result is destroyed by `Outcome`.
        Outcome::new(Arc::clone(api), unsafe { (api.insert_done)(self.raw) })
    }

    fn error(&self) -> Option<Exception> {
        // SAFETY: `raw` is a live stream.
        unsafe { text((self.connection.api.insert_error)(self.raw)) }.map(|message| Exception::parse(&message))
    }
}

impl Drop for Insert<'_> {
    fn drop(&mut self) {
        // SAFETY: `raw` is destroyed once; the engine cancels a stream that was not ended.
        unsafe { (self.connection.api.insert_destroy)(self.raw) }
    }
}

/// The text behind a pointer of the engine.
///
/// # Safety
/// The pointer is null or points to a null-terminated string that lives until this returns.
unsafe fn text(pointer: *const c_char) -> Option<String> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: promised by the caller.
    let text = unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned();
    if text.is_empty() { None } else { Some(text) }
}
