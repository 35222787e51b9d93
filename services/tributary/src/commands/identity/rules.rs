//! `tributary identity rules show|check|apply`

use anyhow::{Context, ensure};
use identity::Graph;
use schemas::Command;
use serde_json::{Value, json};
use std::io::Write;
use std::process::ExitCode;

use super::confirm::confirm;
use super::names::Names;
use super::replica::Replica;
use super::report::Report;
use crate::cli::{RulesAction, RulesApplyArgs};
use crate::commands::config::hasher;
use crate::config::Config;

/// One line for every setting in which the configuration and the log differ.
pub(super) fn differences(config: &Config, graph: &Graph) -> anyhow::Result<Vec<String>> {
    Ok(hasher(config)?.difference_from(graph.hasher().rules_json()))
}

/// Shows, compares or replaces.
pub(super) async fn run(config: Config, action: RulesAction) -> anyhow::Result<ExitCode> {
    let replica = Replica::follow_whatever_the_rules(&config).await?;
    replica.require_log()?;
    match action {
        RulesAction::Show { json } => show(&replica, json),
        RulesAction::Check { json } => check(&config, &replica, json),
        RulesAction::Apply(args) => apply(&config, replica, args).await,
    }
}

fn show(replica: &Replica, json: bool) -> anyhow::Result<ExitCode> {
    let hasher = replica.hasher();
    let rules: Value = serde_json::from_str(hasher.rules_json()).context("the rules in the log cannot be read")?;
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(&rules)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let versions =
        ["normalizer_version", "semantics_version"].map(|name| rules.get(name).unwrap_or(&Value::Null).clone());
    writeln!(
        out,
        "# in force at log offset {}; values are normalised by version {}, edges decided by version {}",
        replica.graph.applied(),
        versions[0],
        versions[1]
    )?;
    let mut written = rules.get("rules").cloned().unwrap_or_default();
    // TOML has no word for what is not set.
    if let Value::Object(settings) = &mut written {
        settings.retain(|_, value| !value.is_null());
    }
    let identity = json!({ "identity": written });
    write!(out, "{}", toml::to_string_pretty(&identity).context("the rules cannot be written as TOML")?)?;
    Ok(ExitCode::SUCCESS)
}

fn check(config: &Config, replica: &Replica, json: bool) -> anyhow::Result<ExitCode> {
    let differences = differences(config, &replica.graph)?;
    let mut out = std::io::stdout().lock();
    if json {
        let answer = json!({ "equal": differences.is_empty(), "differences": differences, "log_offset": replica.graph.applied() });
        writeln!(out, "{}", serde_json::to_string_pretty(&answer)?)?;
    } else if differences.is_empty() {
        writeln!(out, "the configured rules are those in force")?;
    } else {
        writeln!(out, "the configured rules are not those in force:")?;
        for line in &differences {
            writeln!(out, "  {line}")?;
        }
        writeln!(out, "put them in force with `tributary identity rules apply`, or change the configuration back")?;
    }
    Ok(if differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

async fn apply(config: &Config, replica: Replica, args: RulesApplyArgs) -> anyhow::Result<ExitCode> {
    let configured = hasher(config)?;
    let differences = differences(config, &replica.graph)?;
    if differences.is_empty() {
        let mut out = std::io::stdout().lock();
        match args.json {
            true => writeln!(out, "{}", json!({ "changed": false }))?,
            false => writeln!(out, "the configured rules are in force already")?,
        }
        return Ok(ExitCode::SUCCESS);
    }
    if !args.json {
        for line in &differences {
            eprintln!("  {line}");
        }
    }
    let command = Command::Rules { hash: configured.rules_hash(), rules_json: configured.rules_json().to_owned() };
    if args.dry_run {
        let change = replica.try_out(&command).await.context("these rules cannot be put in force")?;
        return Report::new(&command, None, &change, &Names::new(configured.into())).print(args.json);
    }
    // A command that cannot be applied would stop every process: it is tried on a copy of its own first.
    let rehearsal = Replica::follow_whatever_the_rules(config).await?;
    let change =
        rehearsal.try_out(&command).await.context("these rules cannot be put in force; nothing was written")?;
    let question =
        format!("{} customers would change. Put these rules in force for every process?", change.after.len());
    ensure!(confirm(&question, args.yes)?, "nothing was written");
    let (offset, change) = replica.append(command.clone()).await?;
    Report::new(&command, Some(offset), &change, &Names::new(configured.into())).print(args.json)
}
