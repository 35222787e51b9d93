//! Mapping files: how the columns of an export become the fields of records.

use schemas::Source;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::column::ColumnPath;
use super::money::MoneyFormat;
use super::record::first_16;
use super::time::{TimeReader, TimeSection};
use super::wire;
use crate::error::{Error, Result};
use crate::nearest::nearest;
use crate::toml_error::describe;

/// A mapping file as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct MappingFile {
    source: String,
    #[serde(default)]
    file: FileSection,
    #[serde(default)]
    time: TimeSection,
    #[serde(default)]
    money: MoneyFormat,
    #[serde(default)]
    event: EventSection,
    #[serde(default)]
    fields: BTreeMap<String, String>,
    #[serde(default)]
    properties: BTreeMap<String, String>,
    #[serde(default)]
    constants: BTreeMap<String, toml::Value>,
}

/// The `[file]` section: how the files are written.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FileSection {
    /// By the file's ending when absent.
    pub format: Option<FileFormat>,
    /// One character, `tab`, or `whitespace` for any run of blanks.
    pub delimiter: String,
    /// Whether the first line names the columns.
    pub header: bool,
    /// Names of the columns of files without a header.
    pub columns: Vec<String>,
    /// Values that mean "nothing".
    pub null: Vec<String>,
}

impl Default for FileSection {
    fn default() -> Self {
        FileSection {
            format: None,
            delimiter: ",".to_owned(),
            header: true,
            columns: Vec::new(),
            null: vec![String::new()],
        }
    }
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileFormat {
    /// Delimited text.
    Csv,
    /// One JSON object a line.
    Ndjson,
}

/// What separates the columns of delimited text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delimiter {
    /// A character, with CSV's quoting.
    Character(u8),
    /// Any run of blanks, no quoting.
    Whitespace,
}

/// The `[event]` section: what happened.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct EventSection {
    field: Option<String>,
    constant: Option<String>,
    other: Other,
    names: BTreeMap<String, String>,
}

/// What becomes of a row whose event name the mapping does not list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Other {
    /// The name stays as it is.
    #[default]
    Keep,
    /// The row is left out and counted.
    Skip,
    /// The row is reported as bad.
    Reject,
}

/// Where a row's event name leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) source: Source,
    pub(crate) event: String,
}

/// A checked mapping, ready to be applied to rows.
#[derive(Debug, Clone)]
pub struct Mapping {
    pub(crate) source: Source,
    pub(crate) file: FileSection,
    pub(crate) delimiter: Delimiter,
    pub(crate) time: TimeReader,
    pub(crate) money: MoneyFormat,
    pub(crate) event_column: Option<ColumnPath>,
    pub(crate) event_constant: Option<String>,
    pub(crate) other: Other,
    pub(crate) targets: BTreeMap<String, Target>,
    pub(crate) fields: Vec<(String, ColumnPath)>,
    pub(crate) properties: Vec<(String, ColumnPath)>,
    pub(crate) constants: Vec<(String, Value)>,
    /// Hash of the file's text.
    pub(crate) hash: u128,
}

impl Mapping {
    /// Reads and checks a mapping file.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        Self::parse(&text, path)
    }

    /// Checks a mapping file's text; `path` is only named in messages.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let written: MappingFile =
            toml::from_str(text).map_err(|error| Error::Toml { message: describe(path, text, &error) })?;
        let mut mapping = Checker { path }.check(written)?;
        mapping.hash = first_16(blake3::hash(text.as_bytes()));
        Ok(mapping)
    }

    /// The sources that rows may become.
    pub(crate) fn sources(&self) -> Vec<Source> {
        let mut sources = sources_of(self.source, &self.targets);
        sources.sort_unstable();
        sources
    }
}

fn sources_of(first: Source, targets: &BTreeMap<String, Target>) -> Vec<Source> {
    let mut sources = vec![first];
    for target in targets.values() {
        if !sources.contains(&target.source) {
            sources.push(target.source);
        }
    }
    sources
}

/// Checks one file; every message names it.
struct Checker<'a> {
    path: &'a Path,
}

impl Checker<'_> {
    fn error(&self, message: impl Into<String>) -> Error {
        Error::Mapping { path: PathBuf::from(self.path), message: message.into() }
    }

    fn check(&self, written: MappingFile) -> Result<Mapping> {
        let source = self.source(&written.source)?;
        let targets = self.targets(source, &written.event)?;
        let sources = sources_of(source, &targets);
        for (path, column) in &written.fields {
            self.known_field(path, &sources)?;
            if column.trim().is_empty() {
                return Err(self.error(format!("fields.{path}: names no column")));
            }
        }
        for name in written.properties.keys() {
            self.property(name, &sources)?;
        }
        self.required(&written, &sources)?;
        let constants = self.constants(written.constants, &sources)?;
        if let Some(code) = &written.money.currency {
            self.currency(code)?;
        }
        Ok(Mapping {
            source,
            delimiter: self.delimiter(&written.file)?,
            file: written.file,
            time: TimeReader::new(&written.time).map_err(|message| self.error(message))?,
            money: written.money,
            event_column: written.event.field.as_deref().map(ColumnPath::parse),
            event_constant: written.event.constant,
            other: written.event.other,
            targets,
            fields: columns(written.fields),
            properties: columns(written.properties),
            constants,
            hash: 0,
        })
    }

    fn source(&self, name: &str) -> Result<Source> {
        name.parse().map_err(|message: String| self.error(message))
    }

    fn targets(&self, source: Source, event: &EventSection) -> Result<BTreeMap<String, Target>> {
        if event.field.is_some() && event.constant.is_some() {
            return Err(self.error("event: give either `field` or `constant`, not both"));
        }
        if event.field.is_none() && !event.names.is_empty() {
            return Err(self.error("event.names: needs `event.field`, the column that holds the names"));
        }
        let mut targets = BTreeMap::new();
        for (written, target) in &event.names {
            let (source, name) = match target.split_once(':') {
                Some((source, name)) => (self.source(source.trim())?, name.trim()),
                None => (source, target.trim()),
            };
            if name.is_empty() {
                return Err(self.error(format!("event.names.{written}: names no event")));
            }
            targets.insert(written.clone(), Target { source, event: name.to_owned() });
        }
        Ok(targets)
    }

    fn known_field(&self, path: &str, sources: &[Source]) -> Result<()> {
        if sources.iter().any(|source| wire::kind(*source, path).is_some()) {
            return Ok(());
        }
        let known: Vec<&str> = sources.iter().flat_map(|source| wire::fields(*source)).map(|(path, _)| path).collect();
        let names: Vec<&str> = sources.iter().map(|source| source.as_str()).collect();
        let hint = match nearest(path, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known are {}; anything else belongs under [properties]", known.join(", ")),
        };
        Err(self.error(format!("fields.{path}: {} records have no such field; {hint}", names.join(" and "))))
    }

    /// A property must not pose as a field: a raw e-mail among the properties would be stored as it is.
    fn property(&self, name: &str, sources: &[Source]) -> Result<()> {
        let first = name.split('.').next().unwrap_or(name);
        let taken = sources
            .iter()
            .flat_map(|source| wire::fields(*source).map(|(path, _)| path).chain(wire::event_field(*source)));
        let mut taken = taken.map(|path| path.split('.').next().unwrap_or(path)).chain(["identifiers"]);
        if taken.any(|known| known == first) {
            return Err(
                self.error(format!("properties.{name}: `{first}` is a field of its own; map it under [fields]"))
            );
        }
        Ok(())
    }

    fn required(&self, written: &MappingFile, sources: &[Source]) -> Result<()> {
        for source in sources {
            let field = wire::time_field(*source);
            if !written.fields.contains_key(field) {
                return Err(self.error(format!("fields.{field} is missing: {source} records need a time")));
            }
            let named = written.event.field.is_some() || written.event.constant.is_some();
            if wire::event_field(*source).is_some() && !named {
                return Err(self.error(format!(
                    "event is missing: say what happened, by `field` (a column) or `constant` (the same for all rows), for {source} records"
                )));
            }
        }
        Ok(())
    }

    fn constants(&self, written: BTreeMap<String, toml::Value>, sources: &[Source]) -> Result<Vec<(String, Value)>> {
        let mut constants = Vec::new();
        for (path, value) in written {
            self.known_field(&path, sources)?;
            let toml::Value::String(text) = value else {
                return Err(self.error(format!("constants.{path}: expected a string in quotes")));
            };
            if path == "currency" || path.ends_with(".currency") {
                self.currency(&text)?;
            }
            constants.push((path, Value::from(text)));
        }
        Ok(constants)
    }

    fn currency(&self, code: &str) -> Result<()> {
        match iso_currency::Currency::from_code(code) {
            Some(_) => Ok(()),
            None => Err(self.error(format!("`{code}` is no ISO 4217 currency code"))),
        }
    }

    fn delimiter(&self, file: &FileSection) -> Result<Delimiter> {
        if !file.header && file.columns.is_empty() && file.format != Some(FileFormat::Ndjson) {
            return Err(self.error("file.columns is missing: files without a header need the columns' names"));
        }
        match file.delimiter.as_str() {
            "tab" | "\t" => Ok(Delimiter::Character(b'\t')),
            "whitespace" => Ok(Delimiter::Whitespace),
            text if text.len() == 1 => Ok(Delimiter::Character(text.as_bytes()[0])),
            other => {
                Err(self.error(format!("file.delimiter: `{other}` is neither one character, `tab` nor `whitespace`")))
            }
        }
    }
}

fn columns(written: BTreeMap<String, String>) -> Vec<(String, ColumnPath)> {
    written.into_iter().map(|(path, column)| (path, ColumnPath::parse(&column))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(text: &str, expected: &str) {
        let message = Mapping::parse(text, Path::new("m.toml")).unwrap_err().to_string();
        assert!(message.contains(expected) && message.contains("m.toml"), "{message}");
    }

    const MINIMAL: &str = "source = \"web\"\nevent.constant = \"page_viewed\"\n[fields]\nevent_time = \"t\"\n";

    #[test]
    fn minimal() {
        let mapping = Mapping::parse(MINIMAL, Path::new("m.toml")).unwrap();
        assert_eq!(mapping.sources(), [Source::Web]);
        assert_eq!(mapping.delimiter, Delimiter::Character(b','));
    }

    #[test]
    fn targets_name_other_sources() {
        let text = "source = \"web\"\n[event]\nfield = \"e\"\n[event.names]\na = \"b\"\nc = \"form:d\"\n[fields]\nevent_time = \"t\"\nform_id = \"f\"\n";
        let mapping = Mapping::parse(text, Path::new("m.toml")).unwrap();
        assert_eq!(mapping.sources(), [Source::Web, Source::Form]);
        assert_eq!(mapping.targets["c"], Target { source: Source::Form, event: "d".to_owned() });
    }

    #[test]
    fn mistakes_are_named() {
        refused("source = \"wep\"\n", "unknown source `wep`");
        refused(&format!("{MINIMAL}anonymousid = \"x\"\n"), "did you mean `anonymous_id`?");
        refused(&format!("{MINIMAL}colour = \"x\"\n"), "[properties]");
        refused("source = \"web\"\nevent.constant = \"x\"\n", "fields.event_time is missing");
        refused("source = \"web\"\n[fields]\nevent_time = \"t\"\n", "event is missing");
        refused(&format!("{MINIMAL}[properties]\nemail = \"x\"\n"), "properties.email: `email` is a field");
        refused(&format!("{MINIMAL}[time]\nzone = \"Mars\"\n"), "time.zone");
        refused(&format!("{MINIMAL}[money]\ncurrency = \"XQX\"\n"), "ISO 4217");
        refused(&format!("{MINIMAL}[file]\nheader = false\n"), "file.columns");
        refused(
            &format!("{MINIMAL}[file]\ndelimeter = \";\"\n"),
            "line 6: unknown key `delimeter`, did you mean `delimiter`?",
        );
    }
}
