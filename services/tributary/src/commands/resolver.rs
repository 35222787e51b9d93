//! `tributary resolver`

use anyhow::Context;
use resolver::{Settings, Shutdown};
use tokio::signal::unix::{SignalKind, signal};

use super::config::contradictions;
use crate::config::Config;

/// Runs the pipelines until SIGTERM or Ctrl-C. A second signal ends the process at once; nothing is lost by it.
pub(super) async fn run(config: Config) -> anyhow::Result<()> {
    contradictions(&config)?;
    if config.identity.secret.as_bytes().is_empty() {
        tracing::warn!("identity.secret is not set: set it before real data comes in, it cannot be changed afterwards");
    }
    let (stopper, shutdown) = Shutdown::pair();
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping; a second signal stops at once");
        stopper.stop();
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        std::process::exit(130);
    });
    resolver::run(settings(config), shutdown).await.context("the resolver stopped")
}

fn settings(config: Config) -> Settings {
    Settings {
        kafka: config.kafka,
        registry: config.registry,
        clickhouse: config.clickhouse,
        identity: config.identity,
        decode: config.limits,
        enrich: config.enrich,
        conversions: config.conversions,
        attribution: config.attribution,
        resolver: config.resolver,
        squash: config.squash,
        snapshots: config.snapshots,
        http: config.http,
    }
}
