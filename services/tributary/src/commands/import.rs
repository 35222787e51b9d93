//! `tributary import`

use anyhow::Context;
use std::io::Write;
use std::path::PathBuf;

use super::block_on;
use crate::cli::ImportArgs;
use crate::config::Config;
use crate::import::{Mapping, SendOptions, dry_run, infer, send};

/// Proposes, tries or imports.
pub(super) fn run(config: Config, args: ImportArgs) -> anyhow::Result<()> {
    if args.infer {
        return propose(&args.paths);
    }
    let (mapping_path, files) = args.paths.split_first().context("name a mapping file and the files to import")?;
    anyhow::ensure!(
        !files.is_empty(),
        "name the files to import after the mapping file; `tributary import --infer {}` proposes a mapping",
        mapping_path.display()
    );
    let mapping = Mapping::load(mapping_path)?;
    if args.dry_run {
        let mut out = std::io::stdout().lock();
        dry_run(&mapping, files, args.show, &mut out, &mut |message| eprintln!("{message}"))?;
        return Ok(());
    }
    let options = SendOptions {
        files: files.to_vec(),
        rejects: args.rejects,
        state_dir: args.state_dir,
        wait: args.wait,
        strict: args.strict,
    };
    block_on(send(&config, &mapping, &options))
}

fn propose(files: &[PathBuf]) -> anyhow::Result<()> {
    let [path] = files else { anyhow::bail!("--infer reads one file") };
    std::io::stdout().write_all(infer(path)?.as_bytes())?;
    Ok(())
}
