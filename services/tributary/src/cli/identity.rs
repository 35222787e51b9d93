//! `tributary identity …`

use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::str::FromStr;
use uuid::Uuid;

pub(super) const EXAMPLES: &str = "\
An identifier is written type:value (email:ann@example.com, user_id:42) or key:<uuid> (as the tables show it).
Values are normalised and hashed here; they are not sent, not logged and printed only where you typed them.

Examples:
  tributary identity show email:ann@example.com                        why is she this customer
  tributary identity show email:ann@example.com --and user_id:42       why are these two one customer
  tributary identity merge user_id:41 user_id:42 --note \"jo: same person, ticket 812\" --dry-run
  tributary identity unlink email:ann@example.com user_id:42 --note \"jo: typo at the till\"
  tributary identity rules check                                       does this configuration fit the log
  tributary identity export > map.csv                                  the whole map";

/// The graph's commands.
#[derive(Debug, Subcommand)]
pub enum IdentityAction {
    /// Explain one identifier: its customer, the path of edges that makes it so, what was refused and why
    Show(ShowArgs),
    /// Show a customer by id: its identifiers and the edges between them
    Customer(IdentityCustomerArgs),
    /// Print a number that is equal in two processes with the same map, and the log offset it belongs to
    Fingerprint {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Two identifiers are one person: an edge that no limit refuses
    Merge(PairArgs),
    /// Two identifiers are two people: removes their edge, and no path joins them until `allow`
    Unlink(PairArgs),
    /// Take an `unlink` back
    Allow(PairArgs),
    /// Take a customer apart: removes all edges between its identifiers; nothing is vetoed
    Split(SplitArgs),
    /// Several people use this identifier: it links no more, and those it had joined part
    Share(OneArgs),
    /// The identifier is one person's again
    Unshare(OneArgs),
    /// Forget a customer: older records never link again, and whoever returns is somebody new
    Erase(EraseArgs),
    /// The rules in force and those of the configuration
    Rules {
        /// What to do with them
        #[command(subcommand)]
        action: RulesAction,
    },
    /// Print the whole map: every linked identifier, its customer, type and generation
    Export(ExportArgs),
    /// Snapshots of the graph: what a start begins with, and what replaces the log's old part
    Snapshot {
        /// What to do with them
        #[command(subcommand)]
        action: SnapshotAction,
    },
}

/// `tributary identity snapshot …`
#[derive(Debug, Subcommand)]
pub enum SnapshotAction {
    /// Read the log to its end and write a snapshot of the graph into `snapshots.dir`
    Write,
    /// Put the newest file that can be used into Kafka, for processes that have none, and read it back
    Publish {
        /// Then delete the identity log below it, as far as ClickHouse has it
        #[arg(long)]
        truncate: bool,
    },
    /// Files of this machine and what is published, newest first
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Load snapshots and say what is wrong with them; exit code 2 when anything is
    Verify {
        /// Files; without any, those in `snapshots.dir`
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

/// `tributary identity rules …`
#[derive(Debug, Subcommand)]
pub enum RulesAction {
    /// Print the rules in force in the log
    Show {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Compare the configured rules with those in force; exit code 2 when they differ
    Check {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Put the configured rules in force, for every process, from here on
    #[command(
        after_help = "Running resolvers switch when they read the command; give them the new configuration before\n\
        their next start, for one whose rules differ from the log's refuses to start."
    )]
    Apply(RulesApplyArgs),
}

/// `tributary identity rules apply …`
#[derive(Debug, Args)]
pub struct RulesApplyArgs {
    /// Print what would change; write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// An identifier as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A raw value of a type.
    Value {
        /// Name of the type.
        kind: String,
        /// The value.
        value: String,
    },
    /// A key as the tables show it.
    Key(Uuid),
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("key", key)) => {
                Uuid::parse_str(key.trim()).map(Target::Key).map_err(|_| format!("`{key}` is no UUID"))
            }
            Some((kind, value)) if !kind.is_empty() && !value.trim().is_empty() => {
                Ok(Target::Value { kind: kind.to_owned(), value: value.to_owned() })
            }
            _ => Err("expected type:value (email:ann@example.com) or key:<uuid>".to_owned()),
        }
    }
}

/// `tributary identity show …`
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The identifier: type:value or key:UUID
    pub identifier: Target,
    /// Why is it the same customer as this one
    #[arg(long, value_name = "IDENTIFIER")]
    pub and: Option<Target>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented where it is defined")]
    pub format: GraphFormat,
}

/// `tributary identity customer …`
#[derive(Debug, Args)]
pub struct IdentityCustomerArgs {
    /// The customer's id, or the key of any of its identifiers
    pub id: Uuid,
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented where it is defined")]
    pub format: GraphFormat,
}

/// How an explanation is printed.
#[derive(Debug, Clone, Copy, Args)]
pub struct GraphFormat {
    /// As JSON
    #[arg(long, conflicts_with = "dot")]
    pub json: bool,
    /// As Graphviz: … --dot | dot -Tsvg > customer.svg
    #[arg(long)]
    pub dot: bool,
    /// Identifiers of the customer to print, at most
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub limit: usize,
}

/// What every operator's command takes.
#[derive(Debug, Clone, Args)]
pub struct OperatorArgs {
    /// Who and why: kept in the log and shown by `show`; no personal data
    #[arg(long, value_name = "TEXT", required_unless_present = "dry_run")]
    pub note: Option<String>,
    /// Print what would change; write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// A command about two identifiers.
#[derive(Debug, Args)]
pub struct PairArgs {
    /// One identifier: type:value or key:UUID
    pub a: Target,
    /// The other
    pub b: Target,
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented where it is defined")]
    pub operator: OperatorArgs,
}

/// A command about one identifier.
#[derive(Debug, Args)]
pub struct OneArgs {
    /// The identifier: type:value or key:UUID
    pub identifier: Target,
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented where it is defined")]
    pub operator: OperatorArgs,
}

/// `tributary identity split …`
#[derive(Debug, Args)]
pub struct SplitArgs {
    /// Any identifier of the customer: type:value or key:UUID
    pub identifier: Target,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented where it is defined")]
    pub operator: OperatorArgs,
}

/// `tributary identity erase …`
#[derive(Debug, Args)]
#[command(after_help = "Forgets the customer in the graph. Rows that ClickHouse holds of it are deleted there.")]
pub struct EraseArgs {
    /// Any identifier of the customer: type:value or key:UUID
    pub identifier: Target,
    /// Refuse the customer's identifiers for ever instead of taking a return for somebody new
    #[arg(long)]
    pub suppress: bool,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented where it is defined")]
    pub operator: OperatorArgs,
}

/// `tributary identity export …`
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// How to print the rows
    #[arg(long, value_enum, default_value = "csv")]
    pub format: MapFormat,
}

/// Formats of the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MapFormat {
    /// RFC 4180 with a header.
    Csv,
    /// Separated by tabs, with a header.
    Tsv,
    /// One JSON object a line.
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_as_typed() {
        let value = |kind: &str, value: &str| Ok(Target::Value { kind: kind.to_owned(), value: value.to_owned() });
        assert_eq!("email:a:b@x.example".parse(), value("email", "a:b@x.example"));
        assert_eq!("key:00000000-0000-0000-0000-0000000000ff".parse(), Ok(Target::Key(Uuid::from_u128(255))));
        for wrong in ["jane@example.com", "email:", ":x", "key:12", ""] {
            assert!(wrong.parse::<Target>().is_err(), "{wrong}");
        }
    }
}
