//! The stack without the `tributary` binary, for tests: `stack up|down|status|reset|library|env [options]`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use devstack::{Options, Part, Result, Stack};

/// Starts and stops a local Kafka and ClickHouse.
#[derive(Parser)]
struct Arguments {
    /// What to do.
    action: Action,
    /// The folder of the stack.
    #[arg(long, default_value = ".tributary")]
    state_dir: PathBuf,
    /// Kafka's port; 0 takes a free one.
    #[arg(long, default_value_t = Options::KAFKA_PORT)]
    kafka_port: u16,
    /// ClickHouse's port; 0 takes a free one.
    #[arg(long, default_value_t = Options::CLICKHOUSE_PORT)]
    clickhouse_port: u16,
    /// The part that `kill` and `start` mean; the only one that `up` starts.
    #[arg(long)]
    part: Option<PartName>,
    /// The command that runs the front, word by word; the arguments of the front follow it.
    #[arg(long, num_args = 1.., allow_hyphen_values = true)]
    front: Vec<OsString>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Action {
    Up,
    Down,
    Status,
    Reset,
    Kill,
    Start,
    /// Prints where the embedded engine's library is.
    Library,
    /// Prints the variables that name the servers to other programs.
    Env,
}

#[derive(Clone, Copy, ValueEnum)]
enum PartName {
    Kafka,
    Clickhouse,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stack: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    let mut options = Options::from_env(&arguments.state_dir);
    options.kafka_port = arguments.kafka_port;
    options.clickhouse_port = arguments.clickhouse_port;
    options.front_command = if arguments.front.is_empty() {
        front_beside_this()
    } else {
        arguments.front
    };
    let part = match arguments.part {
        Some(PartName::Clickhouse) => Part::ClickHouse,
        _ => Part::Kafka,
    };
    if arguments.part.is_some() {
        options.parts = vec![part];
    }
    let stack = Stack::new(options);
    match arguments.action {
        Action::Up => {
            let endpoints = stack.up()?;
            println!(
                "Kafka on {}, ClickHouse on {}",
                endpoints.brokers, endpoints.clickhouse_url
            );
        }
        Action::Down => stack.down()?,
        Action::Reset => stack.reset()?,
        Action::Kill => stack.kill(part, libc::SIGKILL)?,
        Action::Start => stack.start_one(part)?,
        Action::Library => println!("{}", stack.library()?.display()),
        Action::Status => {
            for part in stack.status() {
                println!("{part:?}");
            }
        }
        Action::Env => {
            for (name, value) in stack.endpoints().variables() {
                println!("export {name}='{value}'");
            }
        }
    }
    Ok(())
}

/// The example program `front`, which cargo builds into the same folder.
fn front_beside_this() -> Vec<OsString> {
    let beside = std::env::current_exe().map(|program| program.with_file_name("front"));
    vec![beside.map_or_else(|_| "front".into(), PathBuf::into_os_string)]
}
