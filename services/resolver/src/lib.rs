//! The engine and the three pipelines that run on it.
