//! The stack without the `tributary` binary, for tests: `stack up|down|status|reset|… [options]`.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use devstack::front::{FrontConfig, serve};
use devstack::{Options, Part, Stack};

/// Starts and stops a local Kafka and ClickHouse.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    action: Action,
    /// The folder of the stack.
    #[arg(long, default_value = ".tributary", global = true)]
    state_dir: PathBuf,
    /// Kafka's port; 0 takes a free one.
    #[arg(long, default_value_t = Options::KAFKA_PORT, global = true)]
    kafka_port: u16,
    /// ClickHouse's port; 0 takes a free one.
    #[arg(long, default_value_t = Options::CLICKHOUSE_PORT, global = true)]
    clickhouse_port: u16,
    /// The part that `kill` and `start` mean; the only one that `up` starts.
    #[arg(long, global = true)]
    part: Option<PartName>,
    /// The command that runs the front instead of this program, word by word.
    #[arg(long, num_args = 1.., allow_hyphen_values = true, global = true)]
    front: Vec<OsString>,
}

#[derive(Subcommand)]
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
    /// Runs the embedded engine's front in this process; `up` calls this.
    Front(Front),
}

#[derive(Args)]
struct Front {
    #[arg(long)]
    port: u16,
    #[arg(long)]
    data: PathBuf,
    #[arg(long)]
    library: PathBuf,
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

fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let mut options = Options::from_env(&arguments.state_dir);
    options.kafka_port = arguments.kafka_port;
    options.clickhouse_port = arguments.clickhouse_port;
    options.front_command = arguments.front;
    if options.front_command.is_empty() {
        options.front_command = vec![std::env::current_exe()?.into(), "front".into()];
    }
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
            println!("Kafka on {}, ClickHouse on {}", endpoints.brokers, endpoints.clickhouse_url);
        }
        Action::Down => stack.down()?,
        Action::Reset => stack.reset()?,
        Action::Kill => stack.kill(part, libc::SIGKILL)?,
        Action::Start => stack.start_one(part)?,
        Action::Library => println!("{}", stack.library()?.display()),
        Action::Front(front) => return serve_front(front),
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

fn serve_front(front: Front) -> Result<(), Box<dyn std::error::Error>> {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, front.port));
    let config = FrontConfig::new(front.library, front.data, listen);
    tokio::runtime::Runtime::new()?.block_on(serve(config))?;
    Ok(())
}
