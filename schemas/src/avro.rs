//! The Avro schemas, their fingerprints and the single-object framing.

use apache_avro::rabin::Rabin;

use crate::Source;

/// First bytes of Avro's single-object encoding; eight bytes of fingerprint follow.
pub const SINGLE_OBJECT_MAGIC: [u8; 2] = [0xC3, 0x01];

/// A schema of ours: its name, its text as released now, and the texts of all earlier releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AvroSchema {
    /// File name without `.avsc`.
    pub name: &'static str,
    /// Text of the schema that is written today.
    pub current: &'static str,
    /// Texts of every released version, oldest first, today's included.
    pub released: &'static [&'static str],
}

macro_rules! schema {
    ($name:literal, [$($version:literal),*]) => {
        AvroSchema {
            name: $name,
            current: include_str!(concat!("../avro/", $name, ".avsc")),
            released: &[$(include_str!(concat!("../avro/released/", $name, "/", $version, ".avsc"))),*],
        }
    };
}

/// Records of `events.web`.
pub const WEB_EVENT: AvroSchema = schema!("web_event", ["1"]);
/// Records of `events.form`.
pub const FORM_SUBMISSION: AvroSchema = schema!("form_submission", ["1"]);
/// Records of `events.pos`.
pub const POS_TRANSACTION: AvroSchema = schema!("pos_transaction", ["1"]);
/// Records of `events.support`.
pub const SUPPORT_RECORD: AvroSchema = schema!("support_record", ["1"]);
/// Records of `events.crm`.
pub const CRM_UPDATE: AvroSchema = schema!("crm_update", ["1"]);
/// Records of `ad.spend`.
pub const AD_SPEND: AvroSchema = schema!("ad_spend", ["1"]);
/// Messages of `identity.log`.
pub const IDENTITY_COMMANDS: AvroSchema = schema!("identity_commands", ["1", "2"]);
/// Messages of `attribution.requests`.
pub const ATTRIBUTION_REQUEST: AvroSchema = schema!("attribution_request", ["1"]);

/// All schemas.
pub const ALL: [AvroSchema; 8] = [
    WEB_EVENT,
    FORM_SUBMISSION,
    POS_TRANSACTION,
    SUPPORT_RECORD,
    CRM_UPDATE,
    AD_SPEND,
    IDENTITY_COMMANDS,
    ATTRIBUTION_REQUEST,
];

/// The schema of a source's records.
pub const fn of_source(source: Source) -> AvroSchema {
    match source {
        Source::Web => WEB_EVENT,
        Source::Form => FORM_SUBMISSION,
        Source::Pos => POS_TRANSACTION,
        Source::Support => SUPPORT_RECORD,
        Source::Crm => CRM_UPDATE,
        Source::AdSpend => AD_SPEND,
    }
}

/// The CRC-64-AVRO fingerprints by which senders may name a schema: first that of the specification's canonical form,
/// then, if it differs, that of the Rust `apache-avro` crate, which keeps `{"type":"long"}` around a primitive whose
/// logical type it stripped where everybody else writes `"long"`.
pub fn fingerprints(text: &str) -> Result<Vec<[u8; 8]>, String> {
    let canonical: serde_avro_fast::Schema = text.parse().map_err(|error| format!("{error}"))?;
    let mut fingerprints = vec![*canonical.rabin_fingerprint()];
    let rust = apache_avro::Schema::parse_str(text).map_err(|error| error.to_string())?.fingerprint::<Rabin>();
    fingerprints.extend(<[u8; 8]>::try_from(rust.bytes.as_slice()).ok().filter(|other| *other != fingerprints[0]));
    Ok(fingerprints)
}

/// The single-object framing of a schema: magic and fingerprint, ten bytes.
pub fn single_object_header(fingerprint: [u8; 8]) -> [u8; 10] {
    let mut header = [0; 10];
    header[..2].copy_from_slice(&SINGLE_OBJECT_MAGIC);
    header[2..].copy_from_slice(&fingerprint);
    header
}

/// Takes the framing off: the fingerprint and the datum, or `None` when the bytes are not framed so.
pub fn split_single_object(bytes: &[u8]) -> Option<([u8; 8], &[u8])> {
    let framed = bytes.strip_prefix(&SINGLE_OBJECT_MAGIC)?;
    let (fingerprint, datum) = framed.split_first_chunk::<8>()?;
    Some((*fingerprint, datum))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Published vectors of the Avro project's fingerprint tests.
    #[test]
    fn fingerprints_agree_with_the_avro_project() {
        for (text, expected) in [("\"null\"", 7195948357588979594_i64), ("\"int\"", 8247732601305521295)] {
            assert_eq!(fingerprints(text), Ok(vec![expected.to_le_bytes()]), "{text}");
        }
        let logical = fingerprints(r#"{"type":"long","logicalType":"timestamp-millis"}"#).unwrap();
        assert_eq!(logical[0], fingerprints("\"long\"").unwrap()[0]);
        assert_eq!(logical.len(), 2);
    }

    #[test]
    fn the_framing_comes_off_as_it_went_on() {
        let mut bytes = single_object_header([1, 2, 3, 4, 5, 6, 7, 8]).to_vec();
        assert_eq!(split_single_object(&bytes), Some(([1, 2, 3, 4, 5, 6, 7, 8], &[][..])));
        bytes.push(9);
        assert_eq!(split_single_object(&bytes).unwrap().1, [9]);
        assert_eq!(split_single_object(&bytes[..9]), None);
        assert_eq!(split_single_object(b"{}"), None);
    }
}
