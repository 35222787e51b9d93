//! `tributary demo`

use anyhow::Context;
use devstack::Stack;
use std::path::Path;
use tokio::signal::unix::{SignalKind, signal};

use super::{block_on, with_flags};
use crate::cli::DemoArgs;
use crate::config::{LogConfig, LogFormat};
use crate::demo::{DemoOptions, Site, generated, real};
use crate::logging;

/// Runs the demo. What it started is stopped however it ends.
pub(super) fn run(args: DemoArgs, level: Option<String>, format: Option<LogFormat>) -> anyhow::Result<()> {
    // The steps tell what happens; a log between them would only hide it.
    let quiet = LogConfig { level: "warn".to_owned(), ..LogConfig::default() };
    logging::start(&with_flags(quiet, level, format))?;
    let binary = std::env::current_exe().context("cannot find this program's own file")?;
    stop_when_told(&args.state_dir, &binary);
    let options = DemoOptions { state_dir: args.state_dir, binary, keep: args.keep };
    match args.real {
        Some(data) => block_on(async { Ok(real(&options, &data).await?) }),
        None => block_on(async { Ok(generated(&options, args.records, args.seed, args.order_free).await?) }),
    }
}

/// On SIGTERM or Ctrl-C: stops the stack and ends this process, and with it the resolver.
fn stop_when_told(state_dir: &Path, binary: &Path) {
    let options = Site::options(state_dir, binary);
    std::thread::spawn(move || {
        let told = block_on(async {
            let mut terminate = signal(SignalKind::terminate())?;
            let mut interrupt = signal(SignalKind::interrupt())?;
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            Ok(())
        });
        if let Err(error) = told {
            tracing::warn!(%error, "signals are not heard: stop the stack by `tributary dev down`");
            return;
        }
        eprintln!("interrupted: stopping Kafka and ClickHouse");
        if let Err(error) = Stack::new(options).down() {
            eprintln!("tributary: {error}");
        }
        std::process::exit(130);
    });
}
