//! `tributary identity …`: questions to the graph and orders to it, on a copy that this process makes of the log.

mod change;
mod confirm;
mod dot;
mod evidence;
mod explain;
mod export;
mod names;
mod operator;
mod replica;
mod report;
mod rules;
mod show;
mod snapshot;
mod tree;
mod view;

use std::process::ExitCode;

use crate::cli::IdentityAction;
use crate::config::Config;

/// Answers or tells.
pub(super) async fn run(config: Config, action: IdentityAction) -> anyhow::Result<ExitCode> {
    match action {
        IdentityAction::Show(args) => show::identifier(config, args).await,
        IdentityAction::Customer(args) => show::customer(config, args).await,
        IdentityAction::Fingerprint { json } => export::fingerprint(config, json).await,
        IdentityAction::Rules { action } => rules::run(config, action).await,
        IdentityAction::Export(args) => export::export(config, args.format).await,
        IdentityAction::Snapshot { action } => snapshot::run(config, action).await,
        order => operator::run(config, order).await,
    }
}
