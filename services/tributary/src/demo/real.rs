//! The demo on exported files: a shop's site events, and the till sales of a record shop.

use std::fs;
use std::path::{Path, PathBuf};

use super::frame::{begin, end, finish};
use super::report::answer;
use super::steps::Steps;
use super::{DemoOptions, Site, Space, questions};
use crate::error::{Error, Result};

const CLICKSTREAM: &str = include_str!("../../../../examples/imports/shop_clickstream.toml");
const CDNOW: &str = include_str!("../../../../examples/imports/cdnow.toml");

/// Files and the mapping by which they are read.
struct Export {
    what: &'static str,
    mapping: (&'static str, &'static str),
    files: Vec<PathBuf>,
}

/// Starts the stack, imports what `data` holds, asks six questions and stops.
pub async fn real(options: &DemoOptions, data: &Path) -> Result<()> {
    let exports = exports(data)?;
    let mut steps = Steps::new();
    let (site, space, resolver) = begin(&mut steps, options).await?;
    for export in &exports {
        steps.step(&format!("import {}", export.what), || import(&site, &space, export))?;
    }
    let account = finish(&mut steps, &site, &space, resolver, None).await?;
    for (number, question) in (1..).zip(&questions::real()) {
        answer(&space.store, number, question).await?;
    }
    println!();
    end(&mut steps, site, space, options).await?;
    println!("{}", account.line());
    Ok(())
}

/// What of the known exports is there.
fn exports(data: &Path) -> Result<Vec<Export>> {
    let mut clicks = Vec::new();
    let folder = data.join("clickstream");
    let failed = |source| Error::Read { path: folder.clone(), source };
    if folder.exists() {
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|extension| extension == "csv") {
                clicks.push(path);
            }
        }
        clicks.sort();
    }
    let till = data.join("cdnow_sample.txt");
    let mut exports = Vec::new();
    if !clicks.is_empty() {
        let mapping = ("shop_clickstream.toml", CLICKSTREAM);
        exports.push(Export { what: "the site's events", mapping, files: clicks });
    }
    if till.exists() {
        exports.push(Export { what: "the till's sales", mapping: ("cdnow.toml", CDNOW), files: vec![till] });
    }
    if exports.is_empty() {
        return Err(Error::NoExports { path: data.to_owned() });
    }
    Ok(exports)
}

/// `tributary import`, as a user would call it.
fn import(site: &Site, space: &Space, export: &Export) -> Result<()> {
    let (name, text) = export.mapping;
    let mapping = site.folder().join(name);
    fs::write(&mapping, text).map_err(|source| Error::Write { path: mapping.clone(), source })?;
    let status = site
        .command(&space.file)
        .arg("import")
        .arg("--state-dir")
        .arg(site.folder().join("imports"))
        .arg("--rejects")
        .arg(site.folder().join("import-rejects.ndjson"))
        .arg(&mapping)
        .args(&export.files)
        .status()
        .map_err(|source| Error::Run { program: "tributary import".to_owned(), source })?;
    if status.success() {
        Ok(())
    } else {
        Err(Error::Import { path: mapping, message: format!("the import failed ({status})") })
    }
}
