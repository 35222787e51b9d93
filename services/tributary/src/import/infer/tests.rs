use super::*;
use crate::import::Mapping;
use std::path::PathBuf;

/// Infers from a file with this content; the proposal must load as it is.
#[track_caller]
fn inferred(name: &str, content: &str) -> (String, Mapping) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    let text = infer(&path).unwrap();
    let mapping = Mapping::parse(&text, Path::new("proposed.toml")).unwrap_or_else(|error| panic!("{error}\n{text}"));
    (text, mapping)
}

#[track_caller]
fn has(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|found| found.starts_with(line)), "no line `{line}` in\n{text}");
    }
}

#[test]
fn a_shop() {
    let (text, _) = inferred(
        "shop.csv",
        "clientId,page_url,timestamp,event_name,event_data,user_agent\n\
         c1,https://a/,2025-03-04T00:00:00Z,page_viewed,,M\n\
         c1,https://a/,2025-03-04T00:00:01Z,page_viewed,,M\n\
         c1,https://a/,2025-03-04T00:00:02Z,purchase,\"{\"\"transaction_id\"\":\"\"o\"\",\"\"revenue\"\":1.5,\"\"user_email\"\":\"\"x@y.example\"\",\"\"items\"\":[1]}\",M\n\
         c1,https://a/,2025-03-04T00:00:02Z,purchase,\"{\"\"transaction_id\"\":\"\"p\"\",\"\"revenue\"\":2}\",M\n",
    );
    has(
        &text,
        &[
            "source = \"web\"",
            "field = \"event_name\"",
            "purchase = \"order_completed\"",
            "event_time = \"timestamp\"",
            "anonymous_id = \"clientId\"",
            "email = \"event_data.user_email\"",
            "\"order.order_id\" = \"event_data.transaction_id\"",
            "\"order.value\" = \"event_data.revenue\"",
            "\"page.url\" = \"page_url\"",
            "# items = \"event_data.items\"",
        ],
    );
    assert!(!text.contains("x@y.example"), "a person's address must not be copied into a mapping\n{text}");
}

#[test]
fn a_continental_till() {
    let (text, _) = inferred(
        "kasse.csv",
        "Receipt No;Date;Store;Amount;Card Number\n1;31.12.2024 10:00;B;\"1.234,50\";L1\n2;01.01.2025 11:30;B;9,90;\n",
    );
    has(
        &text,
        &[
            "source = \"pos\"",
            "delimiter = \";\"",
            "format = \"%d.%m.%Y %H:%M\"",
            "decimal = \",\"",
            "constant = \"sale\"",
            "transaction_id = \"Receipt No\"",
            "loyalty_id = \"Card Number\"",
            "value = \"Amount\"",
            "store_id = \"Store\"",
        ],
    );
}

#[test]
fn ambiguous_days_are_pointed_out() {
    let (text, _) = inferred("a.csv", "date,email,form name\n01/02/2025,a@b.example,x\n03/04/2025,c@d.example,x\n");
    has(&text, &["source = \"form\"", "format = \"%m/%d/%Y\""]);
    assert!(text.contains("the other way round"), "{text}");
}

#[test]
fn ndjson_with_nested_objects() {
    let (text, _) = inferred(
        "t.jsonl",
        "{\"ticket_id\": 7, \"requester\": {\"email\": \"a@b.example\"}, \"created_at\": 1740268801, \"priority\": \"low\"}\n",
    );
    has(
        &text,
        &[
            "source = \"support\"",
            "format = \"ndjson\"",
            "ticket_id = \"ticket_id\"",
            "\"requester.email\" = \"requester.email\"",
        ],
    );
}

#[test]
fn blanks_without_header() {
    let (text, _) = inferred("t.txt", " 00004 0001 19970101  2   29.33\n 00004 0001 19970118  2   29.73\n");
    has(&text, &["source = \"pos\"", "delimiter = \"whitespace\"", "header = false", "event_time = \"column_3\""]);
}

#[test]
fn ad_spend() {
    let (text, _) =
        inferred("s.csv", "Day,Campaign,Campaign ID,Cost,Impressions,Clicks\n2025-03-04,Spring,77,12.50,1000,20\n");
    has(
        &text,
        &[
            "source = \"ad_spend\"",
            "day = \"Day\"",
            "campaign_id = \"Campaign ID\"",
            "cost = \"Cost\"",
            "clicks = \"Clicks\"",
        ],
    );
}

#[test]
fn what_is_no_text_has_no_mapping() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("e.csv");
    std::fs::write(&path, b"\x7fELF\x02\x01\0\0,1,2\n\0,3,4\n").unwrap();
    let refusal = infer(&path).unwrap_err().to_string();
    assert!(refusal.ends_with("is no text; a mapping can be proposed for CSV and NDJSON"), "{refusal}");
}

#[test]
fn real_exports() {
    for name in ["clickstream/events_20250223.csv", "clickstream/events_20250304.csv", "cdnow_sample.txt"] {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(name);
        if !path.exists() {
            eprintln!("skipped: {} is not there", path.display());
            continue;
        }
        let text = infer(&path).unwrap();
        let mapping =
            Mapping::parse(&text, Path::new("proposed.toml")).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let mut complaints = Vec::new();
        crate::import::dry_run(&mapping, &[path], 1, &mut std::io::sink(), &mut |line| {
            complaints.push(line.to_owned())
        })
        .unwrap();
        assert!(complaints.is_empty(), "{complaints:?}\n{text}");
    }
}
