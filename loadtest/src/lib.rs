//! Seeded generator of realistic records, with a ledger of what must become of each.
