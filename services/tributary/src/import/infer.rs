//! `tributary import --infer`: a mapping proposed from a file's header and first rows, for a person to read and edit.

mod guess;
mod profile;
mod sniff;
mod write;

use std::path::Path;

use crate::error::Result;
use guess::Proposal;
use profile::profiles;
use sniff::sniff;

/// The text of a mapping file for `path`, with comments that say what was seen and what is uncertain.
pub fn infer(path: &Path) -> Result<String> {
    let sample = sniff(path)?;
    let profiles = profiles(&sample.rows);
    let proposal = Proposal::new(&profiles);
    Ok(write::mapping_text(path, &sample, &profiles, &proposal))
}

#[cfg(test)]
mod tests;
