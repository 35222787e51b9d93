//! `tributary identity export` and `fingerprint`

use serde_json::json;
use std::io::{BufWriter, Write};
use std::process::ExitCode;

use super::replica::Replica;
use super::view;
use crate::cli::MapFormat;
use crate::config::Config;

/// Customers read from the graph at once.
const AT_ONCE: usize = 50_000;

/// Prints every linked identifier with its customer, as `identity_map` holds them.
pub(super) async fn export(config: Config, format: MapFormat) -> anyhow::Result<ExitCode> {
    let replica = Replica::follow(&config).await?;
    let (graph, hasher) = (&replica.graph, replica.hasher());
    let mut out = BufWriter::new(std::io::stdout().lock());
    let separator = if format == MapFormat::Tsv { '\t' } else { ',' };
    if format != MapFormat::Json {
        writeln!(
            out,
            "{}",
            ["identity_key", "customer_id", "type", "generation", "closed"].join(&separator.to_string())
        )?;
    }
    let mut version = 0;
    loop {
        let found = graph.changed_since(version, AT_ONCE);
        for component in &found.components {
            let customer = component.customer_id;
            for member in &component.keys {
                let (key, kind) = (member.key, hasher.type_name(member.kind));
                let (generation, closed) = view::generation_of(graph, key);
                match format {
                    MapFormat::Json => {
                        let row = json!({ "identity_key": key.to_string(), "customer_id": customer.to_string(), "type": kind, "generation": generation, "closed": closed });
                        writeln!(out, "{row}")?;
                    }
                    // Keys, names of types and numbers hold nothing that would have to be quoted.
                    _ => writeln!(
                        out,
                        "{key}{separator}{customer}{separator}{kind}{separator}{generation}{separator}{closed}"
                    )?,
                }
            }
        }
        if found.caught_up {
            break;
        }
        version = found.complete_to;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Prints what two processes can compare.
pub(super) async fn fingerprint(config: Config, as_json: bool) -> anyhow::Result<ExitCode> {
    let replica = Replica::follow(&config).await?;
    let (fingerprint, offset) = replica.graph.fingerprint_at();
    let stats = replica.graph.stats();
    let mut out = std::io::stdout().lock();
    if as_json {
        let answer = json!({
            "fingerprint": format!("{fingerprint:032x}"), "log_offset": offset, "identifiers": stats.identifiers,
            "customers": stats.components, "edges_active": stats.edges_active, "edges_dormant": stats.edges_dormant,
            "shared": stats.shared, "bytes": stats.bytes,
        });
        writeln!(out, "{}", serde_json::to_string_pretty(&answer)?)?;
    } else {
        writeln!(out, "fingerprint  {fingerprint:032x}\nlog offset   {offset}")?;
        writeln!(
            out,
            "customers    {} of two identifiers or more, {} identifiers in all",
            stats.components, stats.identifiers
        )?;
        writeln!(out, "edges        {} active, {} dormant", stats.edges_active, stats.edges_dormant)?;
        writeln!(
            out,
            "shared       {}\nmemory       {:.1} MiB",
            stats.shared,
            stats.bytes as f64 / f64::from(1 << 20)
        )?;
    }
    Ok(ExitCode::SUCCESS)
}
