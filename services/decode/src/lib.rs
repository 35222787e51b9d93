//! Bytes from a source topic to an event, or a rejection. Pure.
