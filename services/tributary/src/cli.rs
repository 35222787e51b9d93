//! The command line.

mod identity;

pub use identity::{
    EraseArgs, ExportArgs, GraphFormat, IdentityAction, IdentityCustomerArgs, MapFormat, OneArgs, OperatorArgs,
    PairArgs, RulesAction, RulesApplyArgs, ShowArgs, SnapshotAction, SplitArgs, Target,
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

use crate::config::LogFormat;

const EXAMPLES: &str = "\
Examples:
  tributary demo                                   see all of it at work, on generated records
  tributary dev up                                 start Kafka and ClickHouse on this machine
  tributary migrate                                create the tables and topics
  tributary resolver                               turn records into resolved, attributed rows
  tributary import mapping.toml export.csv         send an exported file through it
  tributary sql \"SELECT channel, count() FROM events GROUP BY channel\"
  tributary customer ann@example.com               who is this, and what did they do
  tributary identity show email:ann@example.com    why are these identifiers one customer
  tributary status                                 is it caught up, what is it doing";

/// Many streams, one river: records of site, forms, tills and support in, one customer timeline out.
#[derive(Debug, Parser)]
#[command(name = "tributary", version, after_help = EXAMPLES, max_term_width = 110, disable_help_subcommand = true)]
pub struct Cli {
    /// Configuration file; without it `tributary.toml` of this folder if there is one, else what `dev up` starts
    #[arg(long, short, global = true, value_name = "FILE", env = "TRIBUTARY_CONFIG", hide_env_values = true)]
    pub config: Option<PathBuf>,

    /// How much to log: error, warn, info, debug, trace, or a filter like `info,stream=debug`
    #[arg(long, global = true, value_name = "FILTER")]
    pub log_level: Option<String>,

    /// How to log
    #[arg(long, global = true, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,

    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The sub-commands: one per service, one per task.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the three pipelines until SIGTERM or Ctrl-C
    #[command(after_help = "Metrics, /healthz and /readyz are on the address `http.listen` of the configuration.\n\
        Several processes share the work: start as many as there are partitions, each with its own `http.listen`.")]
    Resolver,
    /// From nothing to answers: records through the whole path on a stack of its own, then six questions
    Demo(DemoArgs),
    /// Start and stop Kafka and ClickHouse on this machine, without Docker
    Dev {
        /// What to do with them
        #[command(subcommand)]
        action: DevAction,
    },
    /// Create or upgrade the ClickHouse tables and create the Kafka topics; safe to repeat
    Migrate,
    /// Send exported files (CSV, NDJSON) through the pipeline, as a mapping file says
    Import(ImportArgs),
    /// Ask ClickHouse
    Sql(SqlArgs),
    /// Find a person and show their timeline
    Customer(CustomerArgs),
    /// Ask the identity graph why, and tell it what it cannot know: merge, unlink, split, share, erase, rules
    #[command(after_help = identity::EXAMPLES)]
    Identity {
        /// What to do
        #[command(subcommand)]
        action: IdentityAction,
    },
    /// Is everything up, is it caught up, what is it doing
    Status(StatusArgs),
    /// Explain the configuration
    Config {
        /// What to do with it
        #[command(subcommand)]
        action: ConfigAction,
    },
}

/// `tributary demo …`
#[derive(Debug, Args)]
#[command(
    after_help = "The last line counts what came in and what became of it. The exit code is not 0 when anything differs from\n\
    what the generator's ledger says."
)]
pub struct DemoArgs {
    /// How many records to generate
    #[arg(long, default_value_t = 200_000, value_name = "N")]
    pub records: u64,
    /// Same seed, same records
    #[arg(long, default_value_t = 7, value_name = "N")]
    pub seed: u64,
    /// Without shared devices and conflicting identifiers
    #[arg(long)]
    pub order_free: bool,
    /// Import exported files instead of generating records: clickstream/*.csv and cdnow_sample.txt of this folder
    #[arg(long, value_name = "DIR", conflicts_with_all = ["records", "seed", "order_free"])]
    pub real: Option<PathBuf>,
    /// Leave Kafka and ClickHouse running at the end
    #[arg(long)]
    pub keep: bool,
    /// Folder of the demo's stack; what an earlier demo left there is deleted
    #[arg(long, value_name = "DIR", default_value = ".tributary/demo")]
    pub state_dir: PathBuf,
}

/// `tributary dev …`
#[derive(Debug, Subcommand)]
pub enum DevAction {
    /// Start what is not running; fetches the parts on the first run
    #[command(after_help = "Servers named by KAFKA_BROKERS or CLICKHOUSE_URL are used instead of started.")]
    Up(StackArgs),
    /// Stop everything; data stays
    Down(StackArgs),
    /// What runs where
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        #[allow(missing_docs, reason = "documented where it is defined")]
        stack: StackArgs,
    },
    /// Stop everything and delete its data; fetched parts stay
    Reset {
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
        #[command(flatten)]
        #[allow(missing_docs, reason = "documented where it is defined")]
        stack: StackArgs,
    },
    /// Print the environment that points other tools at the stack: eval "$(tributary dev env)"
    Env(StackArgs),
    /// Run ClickHouse's HTTP front over the embedded engine in the foreground (`dev up` starts it for you)
    Front(FrontArgs),
}

/// Which stack.
#[derive(Debug, Args)]
pub struct StackArgs {
    /// Folder of the stack's data and logs [default: .tributary]
    #[arg(long, value_name = "DIR", env = "TRIBUTARY_DEV_STATE_DIR", hide_env_values = true)]
    pub state_dir: Option<PathBuf>,
    /// Port of Kafka; 0 takes a free one and keeps it [default: 9092]
    #[arg(long, value_name = "PORT")]
    pub kafka_port: Option<u16>,
    /// Port of ClickHouse's HTTP interface; 0 takes a free one and keeps it [default: 8123]
    #[arg(long, value_name = "PORT")]
    pub clickhouse_port: Option<u16>,
}

/// `tributary dev front …`
#[derive(Debug, Args)]
pub struct FrontArgs {
    /// Port on 127.0.0.1
    #[arg(long, default_value_t = 8123)]
    pub port: u16,
    /// Folder of the data
    #[arg(long)]
    pub data: PathBuf,
    /// The engine, libchdb.so
    #[arg(long)]
    pub library: PathBuf,
}

/// `tributary config …`
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum ConfigAction {
    /// Read it, say where each part comes from and what is wrong
    Check,
    /// Print the configuration in force, secrets redacted
    Show,
}

/// `tributary status …`
#[derive(Debug, Args)]
#[command(
    after_help = "Exit code 0 when everything answers and nothing waits, 2 when it is up but behind, 1 when a part is missing."
)]
pub struct StatusArgs {
    /// As JSON
    #[arg(long)]
    pub json: bool,
    /// Address of a resolver's `http.listen`; repeat it for several resolvers [default: the configured one]
    #[arg(long = "resolver", value_name = "HOST:PORT")]
    pub resolvers: Vec<String>,
}

/// `tributary sql …`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tributary sql \"SELECT channel, sum(credit_minor) FROM attribution WHERE model = 'linear' GROUP BY channel\"\n  \
    tributary sql --param since=2025-03-01 \"SELECT count() FROM events WHERE event_time >= {since:Date}\"\n  \
    tributary sql --format csv \"SELECT * FROM customers\" > customers.csv\n  \
    tributary sql - < query.sql")]
pub struct SqlArgs {
    /// The query; `-` reads it from standard input
    pub query: String,
    /// How to print the rows
    #[arg(long, value_enum, default_value = "table")]
    pub format: RowFormat,
    /// A value for `{name:Type}` in the query; may be repeated
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub params: Vec<(String, String)>,
    /// Print every column in full, however wide the terminal is
    #[arg(long)]
    pub wide: bool,
}

/// How `sql` prints rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RowFormat {
    /// For people.
    Table,
    /// RFC 4180 with a header.
    Csv,
    /// One JSON array of objects.
    Json,
}

/// `tributary customer …`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tributary customer ann@example.com\n  \
    tributary customer \"+49 30 1234567\" --json\n  \
    tributary customer L-1042 --type loyalty_id\n\n\
    The value is normalised and hashed here; it is not sent to ClickHouse and not logged.")]
pub struct CustomerArgs {
    /// A raw e-mail, phone number or id, an identifier's hash, or a customer id
    pub value: String,
    /// What kind of identifier it is; without it every kind is tried
    #[arg(long = "type", value_name = "TYPE")]
    pub kind: Option<String>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
    /// How many events of the timeline to show, newest last
    #[arg(long, default_value_t = 30, value_name = "N")]
    pub limit: u32,
}

/// `tributary import …`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tributary import --infer export.csv > mapping.toml         propose a mapping, then edit it\n  \
    tributary import --dry-run mapping.toml export.csv         show what would be sent, send nothing\n  \
    tributary import mapping.toml export_1.csv export_2.csv.gz\n\n\
    Importing the same rows again, in whatever order or file, stores nothing twice: every row has an id made of its\n\
    content, and ClickHouse is asked which ids it holds. An import that was interrupted goes on where it stopped.")]
pub struct ImportArgs {
    /// The mapping file, then the files to import (with --infer: only the files)
    #[arg(required = true, value_name = "MAPPING FILE...")]
    pub paths: Vec<PathBuf>,
    /// Show the first records as they would be sent, counts and bad rows; send nothing
    #[arg(long, conflicts_with = "infer")]
    pub dry_run: bool,
    /// Propose a mapping from the header and the first rows, on standard output
    #[arg(long)]
    pub infer: bool,
    /// With --dry-run: how many records of each kind to show
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub show: usize,
    /// Where bad rows go (NDJSON: file, line, reason, row)
    #[arg(long, value_name = "FILE", default_value = "import-rejects.ndjson")]
    pub rejects: PathBuf,
    /// Wait until the resolver has stored everything
    #[arg(long)]
    pub wait: bool,
    /// Where an interrupted import remembers how far it came
    #[arg(long, value_name = "DIR", default_value = ".tributary/imports")]
    pub state_dir: PathBuf,
    /// Exit with an error when any row is bad
    #[arg(long)]
    pub strict: bool,
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_options_may_follow_the_command() {
        let cli =
            Cli::try_parse_from(["tributary", "sql", "SELECT 1", "--param", "a=b=c", "--config", "x.toml"]).unwrap();
        assert_eq!(cli.config, Some(PathBuf::from("x.toml")));
        let Command::Sql(args) = cli.command else { panic!("{:?}", cli.command) };
        assert_eq!(args.params, [("a".to_owned(), "b=c".to_owned())]);
    }
}
