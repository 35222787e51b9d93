use schemas::{Position, Reason, Rejection, Text};

/// What is wrong with a record, before it is known which record that is. Behind a pointer, because faults are rare and
/// the results that may hold one are passed about for every value.
#[derive(Debug)]
pub(crate) struct Fault(Box<Found>);

/// `detail` never holds the record's own texts.
#[derive(Debug)]
struct Found {
    reason: Reason,
    field: Text,
    byte_offset: Option<u64>,
    detail: String,
}

impl Fault {
    #[cold]
    pub(crate) fn new(reason: Reason, field: impl AsRef<str>, detail: impl Into<String>) -> Fault {
        Fault(Box::new(Found { reason, field: Text::new(field), byte_offset: None, detail: detail.into() }))
    }

    /// A required field is absent.
    #[cold]
    pub(crate) fn missing(field: impl AsRef<str>) -> Fault {
        let detail = format!("`{}` is missing or empty", field.as_ref());
        Fault::new(Reason::MissingField, field, detail)
    }

    /// A field has the wrong type or an impossible value.
    #[cold]
    pub(crate) fn invalid(field: impl AsRef<str>, detail: impl Into<String>) -> Fault {
        Fault::new(Reason::InvalidField, field, detail)
    }

    /// The same fault with the byte where reading failed.
    pub(crate) fn at(mut self, byte_offset: usize) -> Fault {
        self.0.byte_offset = Some(byte_offset as u64);
        self
    }

    #[cfg(test)]
    pub(crate) fn reason(&self) -> Reason {
        self.0.reason
    }

    #[cfg(test)]
    pub(crate) fn detail(&self) -> &str {
        &self.0.detail
    }

    pub(crate) fn reject(self, position: Position, event_id: Text) -> Box<Rejection> {
        let Found { reason, field, byte_offset, detail } = *self.0;
        Box::new(Rejection { position, reason, field, byte_offset, detail, event_id })
    }
}
