//! Identifiers to customers: the identity graph and its rules. Pure.
