use schemas::Identifier;

/// What happened to an edge that broke a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConflictKind {
    /// The edge is kept dormant: it does not join.
    Refused,
    /// An identifier is shared from now on; what it had joined parts.
    Shared,
    /// An identifier left the customer it was with and follows the new edge.
    Moved,
    /// An identifier left a full customer: new records of it are somebody else's.
    Retired,
}

impl ConflictKind {
    /// Name in ClickHouse.
    pub const fn as_str(self) -> &'static str {
        match self {
            ConflictKind::Refused => "refused",
            ConflictKind::Shared => "shared",
            ConflictKind::Moved => "moved",
            ConflictKind::Retired => "retired",
        }
    }
}

/// The rule that an edge broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConflictRule {
    /// Too many values of one account type in one customer.
    MaxPerCustomer,
    /// Both sides hold a value of the same account type, and the edge is not between accounts.
    AccountConflict,
    /// Too many values of one contact or device type in one customer.
    MaxContacts,
    /// Too many identifiers in one customer.
    MaxIdentifiers,
    /// An identifier was linked to too many values of one account or contact type.
    MaxLinks,
    /// An operator said that two of the identifiers are two people.
    Veto,
}

impl ConflictRule {
    /// Name in ClickHouse.
    pub const fn as_str(self) -> &'static str {
        match self {
            ConflictRule::MaxPerCustomer => "max_per_customer",
            ConflictRule::AccountConflict => "account_conflict",
            ConflictRule::MaxContacts => "max_contacts",
            ConflictRule::MaxIdentifiers => "max_identifiers",
            ConflictRule::MaxLinks => "max_links",
            ConflictRule::Veto => "veto",
        }
    }

    /// Whether `on_conflict` decides.
    pub(super) const fn is_about_accounts(self) -> bool {
        matches!(self, ConflictRule::MaxPerCustomer | ConflictRule::AccountConflict)
    }
}

/// What the rules did instead of joining: one row of `identity_conflicts`.
///
/// The edge need not be one of the message's own: a stronger edge can make an older, weaker one dormant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conflict {
    /// Log offset of the message that brought it about.
    pub log_offset: i64,
    /// Index among the conflicts of this message.
    pub ordinal: u32,
    /// Index, within the message, of the command that brought it about: its provenance is the conflict's.
    pub command: u32,
    /// Append time of the message, ms since the epoch.
    pub logged_at_ms: i64,
    /// What happened.
    pub kind: ConflictKind,
    /// Why.
    pub rule: ConflictRule,
    /// Refused and moved: the edge's stronger end. Shared and retired: the identifier that it happened to. Its first
    /// generation.
    pub a: Identifier,
    /// The edge's other end; of one that was retired, whom its past stays with.
    pub b: Identifier,
}

/// A [`Conflict`] as the graph keeps it, so that the rows of any range of the log can be written again. Its ends are
/// numbers of first generations.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeptConflict {
    pub(super) offset: i64,
    pub(super) append_time_ms: i64,
    pub(super) command: u32,
    pub(super) a: u32,
    pub(super) b: u32,
    pub(super) kind: ConflictKind,
    pub(super) rule: ConflictRule,
}
