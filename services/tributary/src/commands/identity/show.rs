//! `tributary identity show` and `customer`

use anyhow::ensure;
use schemas::Key;
use std::io::Write;
use std::process::ExitCode;

use super::evidence::{Evidences, Question};
use super::explain::{Explanation, Facts};
use super::names::Names;
use super::replica::Replica;
use super::{dot, tree, view};
use crate::cli::{GraphFormat, IdentityCustomerArgs, ShowArgs, Target};
use crate::config::Config;

/// Explains an identifier.
pub(super) async fn identifier(config: Config, args: ShowArgs) -> anyhow::Result<ExitCode> {
    let replica = Replica::follow(&config).await?;
    let mut names = Names::new(replica.hasher());
    let identifier = names.resolve(&replica.graph, &args.identifier)?;
    let and = args.and.map(|target| names.resolve(&replica.graph, &target)).transpose()?;
    let facts = Facts::of(&replica.graph, identifier);
    let and = and.map(|identifier| Facts::of(&replica.graph, identifier));
    explain(&config, &replica, &names, &facts, and.as_ref(), args.format).await
}

/// Explains a customer, from its anchor.
pub(super) async fn customer(config: Config, args: IdentityCustomerArgs) -> anyhow::Result<ExitCode> {
    let replica = Replica::follow(&config).await?;
    let mut names = Names::new(replica.hasher());
    let customer = replica.graph.members(Key(args.id.as_u128()));
    let identifier = names.resolve(&replica.graph, &Target::Key(customer.customer_id.uuid()))?;
    let facts = Facts::of(&replica.graph, identifier);
    explain(&config, &replica, &names, &facts, None, args.format).await
}

async fn explain(
    config: &Config,
    replica: &Replica,
    names: &Names,
    facts: &Facts,
    and: Option<&Facts>,
    format: GraphFormat,
) -> anyhow::Result<ExitCode> {
    ensure!(format.limit > 0, "--limit is 0, expected at least 1");
    let edges: Vec<_> = facts.edges.iter().chain(and.into_iter().flat_map(|and| &and.edges)).copied().collect();
    let asked: Vec<Key> = std::iter::once(facts).chain(and).map(|facts| facts.identifier.key).collect();
    let hasher = replica.hasher();
    let keys: Vec<Key> =
        std::iter::once(facts).chain(and).flat_map(|facts| view::keys_of(&replica.graph, facts.identifier)).collect();
    let question = Question { edges: &edges, identifiers: &asked, keys: &keys, hasher: &hasher };
    let evidences = Evidences::load(config, question, replica.told(&asked)).await;
    let explanation = Explanation::new(&replica.graph, names, facts, and, &evidences);
    let mut out = std::io::stdout().lock();
    if format.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&explanation)?)?;
    } else if format.dot {
        write!(out, "{}", dot::render(&explanation))?;
    } else {
        write!(out, "{}", tree::render(&explanation, format.limit))?;
    }
    Ok(ExitCode::SUCCESS)
}
