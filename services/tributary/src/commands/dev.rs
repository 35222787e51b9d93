//! `tributary dev …`: Kafka and ClickHouse on this machine, without Docker.

use comfy_table::Table;
use devstack::front::FrontConfig;
use devstack::{Endpoints, Options, PartStatus, Stack, State};
use std::io::{BufRead, IsTerminal, Write, stdout};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::block_on;
use crate::cli::{DevAction, StackArgs};

const STATE_VARIABLE: &str = "TRIBUTARY_DEV_STATE_DIR";
const DEFAULT_STATE: &str = ".tributary";

/// Starts, stops or shows the stack.
pub(super) fn run(action: DevAction) -> anyhow::Result<()> {
    match action {
        DevAction::Up(args) => {
            let endpoints = Stack::new(options(&args)).up()?;
            writeln!(stdout(), "Kafka       {}", endpoints.brokers)?;
            writeln!(stdout(), "ClickHouse  {}", endpoints.clickhouse_url)?;
            Ok(())
        }
        DevAction::Down(args) => Ok(Stack::new(options(&args)).down()?),
        DevAction::Reset { yes, stack } => reset(yes, &stack),
        DevAction::Status { json, stack } => {
            let parts = Stack::new(options(&stack)).status();
            if json {
                writeln!(stdout(), "{}", serde_json::to_string_pretty(&parts)?)?;
            } else {
                writeln!(stdout(), "{}", parts_table(&parts).trim_fmt())?;
            }
            Ok(())
        }
        DevAction::Env(args) => {
            for (name, value) in Stack::new(options(&args)).endpoints().variables() {
                writeln!(stdout(), "export {name}={}", shell_quoted(value))?;
            }
            Ok(())
        }
        DevAction::Front(args) => {
            let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
            let config = FrontConfig::new(args.library, args.data, listen);
            block_on(async { Ok(devstack::front::serve(config).await?) })
        }
    }
}

/// A stack keeps the ports it was made with, unless others are asked for.
fn options(args: &StackArgs) -> Options {
    let mut options = Options::from_env(args.state_dir.clone().unwrap_or_else(state_dir));
    let known = Stack::new(options.clone()).endpoints();
    let port = |address: &str| address.trim_end_matches('/').rsplit(':').next().and_then(|port| port.parse().ok());
    options.kafka_port = args.kafka_port.or_else(|| port(&known.brokers)).unwrap_or(options.kafka_port);
    options.clickhouse_port =
        args.clickhouse_port.or_else(|| port(&known.clickhouse_url)).unwrap_or(options.clickhouse_port);
    options
}

fn state_dir() -> PathBuf {
    std::env::var_os(STATE_VARIABLE).map_or_else(|| PathBuf::from(DEFAULT_STATE), PathBuf::from)
}

/// Where the stack of this folder answers, running or not.
pub(super) fn local_endpoints() -> Endpoints {
    local_stack().endpoints()
}

/// The stack of this folder.
pub(super) fn local_stack() -> Stack {
    Stack::new(Options::from_env(state_dir()))
}

fn reset(yes: bool, args: &StackArgs) -> anyhow::Result<()> {
    let options = options(args);
    if !yes && !agreed(&options.state_dir)? {
        writeln!(stdout(), "nothing was deleted")?;
        return Ok(());
    }
    Stack::new(options).reset()?;
    Ok(())
}

fn agreed(state_dir: &std::path::Path) -> anyhow::Result<bool> {
    let stdin = std::io::stdin();
    anyhow::ensure!(
        stdin.is_terminal(),
        "this deletes all data of the stack in {}; say --yes to do it",
        state_dir.display()
    );
    write!(stdout(), "Delete all data of the stack in {}? [y/N] ", state_dir.display())?;
    stdout().flush()?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// The parts of a stack as lines for a terminal.
pub(super) fn parts_table(parts: &[PartStatus]) -> Table {
    let mut table = Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    for part in parts {
        let memory = part.resident_bytes.map(|bytes| format!("{} MB", bytes / 1_000_000)).unwrap_or_default();
        let pid = part.pid.map(|pid| format!("pid {pid}")).unwrap_or_default();
        table.add_row([
            part.part.name().to_owned(),
            state_text(part.state).to_owned(),
            part.address.clone(),
            part.version.clone().unwrap_or_default(),
            pid,
            memory,
        ]);
    }
    table
}

fn state_text(state: State) -> &'static str {
    match state {
        State::Running => "running",
        State::Silent => "does not answer",
        State::Stopped => "stopped",
        State::Died => "died (`tributary dev up` starts it again)",
        State::External => "running (not ours)",
        State::ExternalSilent => "does not answer (not ours)",
    }
}

fn shell_quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_survive_a_shell() {
        assert_eq!(shell_quoted("http://a:b'c@h:1"), "'http://a:b'\\''c@h:1'");
    }
}
