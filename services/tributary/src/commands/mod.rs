//! One file a sub-command.

mod config;
mod customer;
mod demo;
mod dev;
mod identity;
mod import;
mod migrate;
mod resolver;
mod sql;
mod status;

use anyhow::Context;
use std::future::Future;
use std::process::ExitCode;

use crate::cli::{Cli, Command};
use crate::config::{Loaded, LogConfig, Origin, load};
use crate::logging;

/// Does what the command line says.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let environment =
        || std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    match cli.command {
        // These three must work when the configuration does not.
        Command::Demo(args) => {
            demo::run(args, cli.log_level, cli.log_format)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Dev { action } => {
            logging::start(&with_flags(LogConfig::default(), cli.log_level, cli.log_format))?;
            dev::run(action)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Config { action } => {
            config::run(action, load(cli.config.as_deref(), environment()).map(at_local_stack))?;
            Ok(ExitCode::SUCCESS)
        }
        command => {
            let mut loaded = at_local_stack(load(cli.config.as_deref(), environment())?);
            loaded.config.log = with_flags(loaded.config.log, cli.log_level, cli.log_format);
            logging::start(&loaded.config.log)?;
            dispatch(command, loaded)
        }
    }
}

fn dispatch(command: Command, loaded: Loaded) -> anyhow::Result<ExitCode> {
    let config = loaded.config;
    if let Command::Status(args) = command {
        return status::run(config, args);
    }
    if let Command::Identity { action } = command {
        return block_on(identity::run(config, action));
    }
    match command {
        Command::Resolver => block_on(resolver::run(config)),
        Command::Migrate => block_on(migrate::run(config)),
        Command::Import(args) => import::run(config, args),
        Command::Sql(args) => block_on(sql::run(config, args)),
        Command::Customer(args) => block_on(customer::run(config, args)),
        Command::Status(_)
        | Command::Identity { .. }
        | Command::Demo(_)
        | Command::Dev { .. }
        | Command::Config { .. } => {
            unreachable!("handled above")
        }
    }?;
    Ok(ExitCode::SUCCESS)
}

fn with_flags(mut log: LogConfig, level: Option<String>, format: Option<crate::config::LogFormat>) -> LogConfig {
    log.level = level.unwrap_or(log.level);
    log.format = format.unwrap_or(log.format);
    log
}

/// Without a configuration file, the servers are those that `dev up` started in this folder, on whatever ports.
fn at_local_stack(mut loaded: Loaded) -> Loaded {
    if loaded.origin != Origin::Defaults {
        return loaded;
    }
    let named = |name: &str| loaded.overrides.iter().any(|variable| variable.ends_with(name));
    let endpoints = dev::local_endpoints();
    if !named("KAFKA_BROKERS") {
        loaded.config.kafka.brokers = endpoints.brokers;
    }
    if !named("CLICKHOUSE_URL") {
        loaded.config.clickhouse.url = endpoints.clickhouse_url;
    }
    loaded
}

/// Runs a task on the asynchronous runtime.
fn block_on<T>(task: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    let result = runtime.block_on(task);
    // A blocking Kafka call may still run; nobody waits for it.
    runtime.shutdown_background();
    result
}
