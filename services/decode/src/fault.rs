use schemas::{Position, Reason, Rejection, Text};

/// What is wrong with a record, before it is known which record that is. `detail` never holds the record's own texts.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) reason: Reason,
    pub(crate) field: Text,
    pub(crate) byte_offset: Option<u64>,
    pub(crate) detail: String,
}

impl Fault {
    pub(crate) fn new(reason: Reason, field: impl AsRef<str>, detail: impl Into<String>) -> Fault {
        Fault {
            reason,
            field: Text::new(field),
            byte_offset: None,
            detail: detail.into(),
        }
    }

    /// A required field is absent.
    pub(crate) fn missing(field: impl AsRef<str>) -> Fault {
        let detail = format!("`{}` is missing or empty", field.as_ref());
        Fault::new(Reason::MissingField, field, detail)
    }

    /// A field has the wrong type or an impossible value.
    pub(crate) fn invalid(field: impl AsRef<str>, detail: impl Into<String>) -> Fault {
        Fault::new(Reason::InvalidField, field, detail)
    }

    /// The same fault with the byte where reading failed.
    pub(crate) fn at(mut self, byte_offset: usize) -> Fault {
        self.byte_offset = Some(byte_offset as u64);
        self
    }

    pub(crate) fn reject(self, position: Position, event_id: Text) -> Box<Rejection> {
        let Fault {
            reason,
            field,
            byte_offset,
            detail,
        } = self;
        Box::new(Rejection {
            position,
            reason,
            field,
            byte_offset,
            detail,
            event_id,
        })
    }
}
