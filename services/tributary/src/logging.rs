//! Logs go to standard error, so that standard output is only ever the answer.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogFormat};

/// The filter of a configuration. A level that does not exist would else be a target that does not.
pub(crate) fn filter(config: &LogConfig) -> anyhow::Result<EnvFilter> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    for part in config.level.split(',') {
        let level = part.rsplit('=').next().unwrap_or(part).trim();
        let known = LEVELS.contains(&level.to_lowercase().as_str());
        anyhow::ensure!(known, "log.level: `{level}` is no level, expected one of {}", LEVELS.join(", "));
    }
    EnvFilter::try_new(&config.level)
        .map_err(|error| anyhow::anyhow!("log.level: `{}` is no filter: {error}", config.level))
}

/// Starts logging for this process. A filter that cannot be read is an error, not silence.
pub(crate) fn start(config: &LogConfig) -> anyhow::Result<()> {
    let filter = filter(config)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match config.format {
        LogFormat::Text => {
            let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            builder.with_ansi(colours).with_target(false).init();
        }
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    Ok(())
}
