//! What stages and tools read back.

mod attribution;
mod state;
mod text;

pub use state::{HeldSlice, SessionRow, Slice};
pub use text::TextCursor;

/// Keys go as parameters; a server takes up to 128 KiB of one.
const KEYS_PER_QUERY: usize = 2_000;
