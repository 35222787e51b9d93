//! The proposal as the text of a mapping file.

use std::fmt::Write;
use std::path::Path;

use super::guess::Proposal;
use super::profile::{Profile, reads_all};
use super::sniff::Sample;
use crate::import::mapping::FileFormat;
use crate::import::wire::{self, Kind};

/// Fields whose values are personal: no example of them is written.
const PERSONAL: [&str; 7] = ["email", "phone", "ip", "requester.", "user_id", "anonymous_id", "loyalty_id"];

/// The whole file.
pub(super) fn mapping_text(path: &Path, sample: &Sample, profiles: &[Profile], proposal: &Proposal) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let mut text = format!(
        "# Proposed from the first {} rows of {name}. Read it, correct it, then try:\n\
         #   tributary import --dry-run <this file> {name}\n\n\
         source = \"{}\"                  # one of web, form, pos, support, crm, ad_spend\n\n",
        sample.rows.len(),
        proposal.source,
    );
    file_section(&mut text, sample);
    time_section(&mut text, profiles, proposal);
    money_section(&mut text, proposal);
    event_section(&mut text, profiles, proposal);
    fields_section(&mut text, profiles, proposal);
    properties_section(&mut text, profiles, proposal);
    text
}

fn put(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("writing to a string does not fail");
}

/// `key = "value"`, then a comment in its column.
fn put_pair(text: &mut String, key: &str, value: &str, comment: &str) {
    let bare = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')) && !key.is_empty();
    let key = if bare { key.to_owned() } else { quoted(key) };
    let pair = format!("{key} = {}", quoted(value));
    put(text, if comment.is_empty() { pair } else { format!("{pair:<44}    # {comment}") }.as_str());
}

/// A TOML basic string.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn file_section(text: &mut String, sample: &Sample) {
    put(text, "[file]");
    if sample.file.format == Some(FileFormat::Ndjson) {
        put(text, "format = \"ndjson\"\n");
        return;
    }
    put(text, "format = \"csv\"");
    put_pair(text, "delimiter", &sample.file.delimiter, "");
    if !sample.file.header {
        put(text, "header = false                                  # give the columns better names, here and below");
        let names: Vec<String> = sample.file.columns.iter().map(|name| quoted(name)).collect();
        put(text, &format!("columns = [{}]", names.join(", ")));
    }
    put(text, "");
}

fn time_section(text: &mut String, profiles: &[Profile], proposal: &Proposal) {
    put(text, "[time]");
    put_pair(text, "zone", "UTC", "of times that name no offset: an IANA name like Europe/Berlin");
    let format = proposal.time_format.unwrap_or("auto");
    let time = proposal.fields.get(wire::time_field(proposal.source)).map(|found| &profiles[found[0]]);
    let swapped = format.replace("%m/%d", "%d/%m");
    let values: Vec<String> = time.map(|profile| profile.distinct.iter().cloned().collect()).unwrap_or_default();
    let doubt = if swapped != format && reads_all(&swapped, &values) {
        "check: day and month could be the other way round (%d/%m)"
    } else {
        "auto, rfc3339, epoch_s, epoch_ms, or a pattern like %d.%m.%Y %H:%M"
    };
    put_pair(text, "format", format, doubt);
    put(text, "");
}

fn money_section(text: &mut String, proposal: &Proposal) {
    let Some((path, _)) = wire::fields(proposal.source).find(|(_, kind)| *kind == Kind::Money) else {
        return;
    };
    if !proposal.fields.contains_key(path) {
        return;
    }
    put(text, "[money]");
    put_pair(text, "decimal", &proposal.decimal.to_string(), "");
    let thousands = if proposal.decimal == ',' { "." } else { "," };
    put_pair(text, "thousands", thousands, "signs between thousands, left out when reading");
    put_pair(text, "currency", "USD", "check: of amounts whose row names none");
    put(text, "");
}

fn event_section(text: &mut String, profiles: &[Profile], proposal: &Proposal) {
    if wire::event_field(proposal.source).is_none() {
        return;
    }
    put(text, "[event]");
    let Some(column) = proposal.event else {
        let constant = match proposal.source {
            schemas::Source::Form => "form_submitted",
            schemas::Source::Pos => "sale",
            schemas::Source::Support => "ticket_created",
            schemas::Source::Crm => "lead",
            schemas::Source::Web | schemas::Source::AdSpend => "page_viewed",
        };
        put_pair(text, "constant", constant, "no column says what happened: the same for all rows");
        put(text, "");
        return;
    };
    put_pair(text, "field", &profiles[column].path, "");
    put_pair(text, "other", "keep", "names not listed: keep, skip or reject");
    put(
        text,
        "\n[event.names]                                   # as in the file = as in the pipeline; \"form:name\" for another source",
    );
    for (written, name) in &proposal.names {
        put_pair(text, written, name, "");
    }
    put(text, "");
}

fn fields_section(text: &mut String, profiles: &[Profile], proposal: &Proposal) {
    put(
        text,
        "[fields]                                        # field of the record = column; `a | b` are alternatives",
    );
    let time = wire::time_field(proposal.source);
    if !proposal.fields.contains_key(time) {
        put_pair(text, time, "?", "no column looks like a time: name the one that is");
    }
    for (path, _) in wire::fields(proposal.source) {
        let Some(found) = proposal.fields.get(path) else {
            continue;
        };
        let columns: Vec<&str> = found.iter().map(|at| profiles[*at].path.as_str()).collect();
        let personal = PERSONAL.iter().any(|name| path.starts_with(name));
        let comment = if personal { String::new() } else { format!("e.g. {}", one_line(&profiles[found[0]])) };
        put_pair(text, path, &columns.join(" | "), &comment);
    }
    let known = wire::fields(proposal.source).map(|(path, _)| path);
    let left: Vec<&str> = known.filter(|path| !proposal.fields.contains_key(*path) && *path != time).collect();
    put(text, &format!("# not found in the file: {}", left.join(", ")));
    put(text, "");
}

fn properties_section(text: &mut String, profiles: &[Profile], proposal: &Proposal) {
    put(
        text,
        "[properties]                                    # kept as JSON; take the # away from what is worth keeping",
    );
    for (at, profile) in profiles.iter().enumerate() {
        if proposal.uses(at) {
            continue;
        }
        let name = profile.path.rsplit('.').next().unwrap_or(&profile.path);
        let mut line = String::new();
        put_pair(&mut line, name, &profile.path, &format!("e.g. {}", one_line(profile)));
        text.push_str("# ");
        text.push_str(&line);
    }
}

fn one_line(profile: &Profile) -> String {
    profile.example().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
