//! "Are you sure": only where somebody can answer.

use anyhow::bail;
use std::io::{IsTerminal, Write};

/// Asks on the terminal; without one, only `--yes` will do.
pub(super) fn confirm(question: &str, yes: bool) -> anyhow::Result<bool> {
    if yes {
        return Ok(true);
    }
    if !std::io::stdin().is_terminal() {
        bail!("{question} Say --yes, for there is no terminal to ask at");
    }
    eprint!("{question} [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
