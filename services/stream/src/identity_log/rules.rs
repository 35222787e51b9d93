/// The rules that a process has: the first entry of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulesEntry {
    /// Hash over everything that makes the same log the same graph.
    pub hash: [u8; 16],
    /// The rules as JSON.
    pub rules_json: String,
}
