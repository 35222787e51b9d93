//! Which values identify somebody, and which values are the same.
#![allow(clippy::unwrap_used, reason = "a test")]

use identity::{Hasher, Rules};
use schemas::RawIdentifier;

/// What becomes of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// Identifies nobody.
    Junk,
    /// The same as this other way of writing it, and it links.
    Is(&'static str),
    /// The same as this other way of writing it, but it never links.
    Alone(&'static str),
}
use Expect::{Alone, Is, Junk};

const JANE: &str = "3fcc2b249a87d5fb78ddfde34baf8bc48bbc853c9ecc1ab59456153059892e9d";

#[rustfmt::skip]
const CASES: &[(&str, &str, Expect)] = &[
    // Ids: only white space goes.
    ("user_id", "abc123", Is("abc123")),
    ("user_id", "  abc123\t", Is("abc123")),
    ("user_id", "\u{feff}abc123", Is("abc123")),
    ("user_id", "\u{3000}abc123\u{200b}", Is("abc123")),
    ("user_id", "7", Is("7")),
    ("user_id", "00417", Is("00417")),
    ("user_id", "o'neil", Is("o'neil")),
    ("user_id", "张伟", Is("张伟")),
    ("user_id", "jane@shop.test", Is("jane@shop.test")),
    ("anonymous_id", "1740268798-lvfV1k5nHCN8", Is("1740268798-lvfV1k5nHCN8")),
    ("anonymous_id", "GA1.2.1021.1740", Is("GA1.2.1021.1740")),
    ("device_id", "6D92078A-8246-4BA4-AE5B-76104861E7DC", Is("6D92078A-8246-4BA4-AE5B-76104861E7DC")),
    // What programs write when there is none.
    ("user_id", "", Junk), ("user_id", "   ", Junk), ("user_id", "\u{a0}\u{2003}", Junk),
    ("user_id", "null", Junk), ("user_id", "NULL", Junk), ("user_id", "Null", Junk), ("user_id", " null ", Junk),
    ("user_id", "\"null\"", Junk), ("user_id", "'null'", Junk), ("user_id", "(null)", Junk), ("user_id", "<null>", Junk),
    ("user_id", "undefined", Junk), ("user_id", "Undefined", Junk), ("user_id", "none", Junk), ("user_id", "None", Junk),
    ("user_id", "nan", Junk), ("user_id", "NaN", Junk), ("user_id", "nil", Junk), ("user_id", "N/A", Junk),
    ("user_id", "#N/A", Junk), ("user_id", "\\N", Junk), ("user_id", "true", Junk), ("user_id", "false", Junk),
    ("user_id", "[object Object]", Junk), ("user_id", "[OBJECT OBJECT]", Junk), ("user_id", "{}", Junk), ("user_id", "[]", Junk),
    ("user_id", "-1", Junk), ("user_id", "(not set)", Junk), ("user_id", "not_authenticated", Junk),
    ("user_id", "distinct_id", Junk), ("user_id", "distinctId", Junk), ("user_id", "anonymous", Junk),
    ("user_id", "Guest", Junk), ("user_id", "user_id", Junk), ("user_id", "email", Junk), ("user_id", "test", Junk),
    ("anonymous_id", "unknown", Junk), ("anonymous_id", "default", Junk), ("loyalty_id", "no_id", Junk),
    // Zeros and nothing but marks.
    ("user_id", "0", Junk), ("user_id", "000000", Junk), ("user_id", "0.0", Junk), ("user_id", "-0", Junk),
    ("user_id", "0x0", Junk), ("loyalty_id", "0000-0000-0000", Junk), ("user_id", "０００", Junk),
    ("device_id", "00000000-0000-0000-0000-000000000000", Junk),
    ("device_id", "{00000000-0000-0000-0000-000000000000}", Junk),
    ("device_id", "00000000000000000000000000000000", Junk),
    ("device_id", "ffffffff-ffff-ffff-ffff-ffffffffffff", Junk),
    ("device_id", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", Junk),
    ("user_id", "-", Junk), ("user_id", "--", Junk), ("user_id", "???", Junk), ("user_id", ".", Junk), ("user_id", "n\0ll", Junk),
    // Other languages.
    ("user_id", "无", Junk), ("user_id", "未知", Junk), ("user_id", "匿名", Junk), ("user_id", "测试", Junk),
    ("user_id", "游客", Junk), ("user_id", "遊客", Junk), ("user_id", "访客", Junk), ("user_id", "未登录", Junk),
    ("user_id", "ゲスト", Junk), ("user_id", "없음", Junk), ("user_id", "unbekannt", Junk), ("user_id", "Invité", Junk),
    ("user_id", "anónimo", Junk), ("user_id", "ANÓNIMO", Junk), ("user_id", "гость", Junk), ("user_id", "misafir", Junk),
    // Templates that nobody filled in.
    ("user_id", "{{user.id}}", Junk), ("user_id", "${userId}", Junk), ("user_id", "%%EMAIL%%", Junk),
    ("user_id", "%user_id%", Junk), ("user_id", "__CLIENT_ID__", Junk), ("user_id", "[USER_ID]", Junk),
    ("user_id", "<USER_ID>", Junk), ("user_id", "{user_id}", Junk), ("user_id", "<%= user.id %>", Junk),
    ("user_id", "*|UNIQID|*", Junk), ("user_id", "#{id}", Junk), ("user_id", "$(uid)", Junk), ("user_id", "u-{{id}}", Junk),
    ("email", "{{email}}@shop.test", Junk), ("phone", "{{phone}}", Junk),
    // Configured values.
    ("user_id", "Walk-In Customer", Junk), ("loyalty_id", "walk-in customer", Junk),
    // E-mail: lower case, trimmed, the plus part kept, the domain in ASCII.
    ("email", "jane@doe.org", Is(JANE)),
    ("email", "  Jane@Doe.ORG ", Is("jane@doe.org")),
    ("email", "mailto:jane@doe.org", Is("jane@doe.org")),
    ("email", "Jane Doe <jane@doe.org>", Is("jane@doe.org")),
    ("email", "<jane@doe.org>", Is("jane@doe.org")),
    ("email", "jane@doe.org.", Is("jane@doe.org")),
    ("email", "JANE+shop@doe.org", Is("jane+shop@doe.org")),
    ("email", "j.a.n.e@gmail.com", Is("j.a.n.e@gmail.com")),
    ("email", "jürgen@Bücher.de", Is("jürgen@xn--bcher-kva.de")),
    ("email", "wei@例子.中国", Is("wei@xn--fsqu00a.xn--fiqs8s")),
    ("email", "12345@qq.com", Is("12345@qq.com")),
    ("email", "3FCC2B249A87D5FB78DDFDE34BAF8BC48BBC853C9ECC1AB59456153059892E9D", Is(JANE)),
    ("email", "jane", Junk), ("email", "jane@", Junk), ("email", "@doe.org", Junk), ("email", "jane@doe", Junk),
    ("email", "jane@doe..org", Junk), ("email", "jane@-doe.org", Junk), ("email", "ja ne@doe.org", Junk),
    ("email", "jane@localhost", Junk), ("email", "jane@127.0.0.1", Junk), ("email", "jane@doe@org.com", Junk),
    ("email", "jane@doe.org, joe@doe.org", Junk), ("email", "5d41402abc4b2a76b9719d911017c592", Junk),
    ("email", "test@doe.org", Junk), ("email", "Test+1@doe.org", Junk), ("email", "noreply@doe.org", Junk),
    ("email", "no-reply@doe.org", Junk), ("email", "do-not-reply@doe.org", Junk), ("email", "null@doe.org", Junk),
    ("email", "undefined@doe.org", Junk), ("email", "无@doe.org", Junk), ("email", "0@doe.org", Junk),
    // Hashes of "", "null" and "undefined": somebody hashed nothing.
    ("email", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", Junk),
    ("email", "74234e98afe7498fb5daf1f36ac2d78acc339464f950703b8c019892f982b90b", Junk),
    ("email", "eb045d78d273107348b0300c01d29b7552d622abbc6faf81b3ec55359aa9950c", Junk),
    ("email", "0000000000000000000000000000000000000000000000000000000000000000", Junk),
    // A group of people, or the company itself.
    ("email", "info@doe.org", Alone("INFO@doe.org")), ("email", "sales+eu@doe.org", Alone("sales+eu@doe.org")),
    ("email", "kontakt@doe.org", Alone("kontakt@doe.org")), ("email", "agent7@ourshop.test", Alone("agent7@ourshop.test")),
    ("email", "agent7@mail.OurShop.test", Alone("agent7@mail.ourshop.test")),
    ("email", "jane@notourshop.test", Is("jane@notourshop.test")),
    ("phone", "+49 30 901820", Alone("030 901820")),
    // Phones: E.164; Germany is the region for numbers without a country code.
    ("phone", "+4915112345678", Is("+4915112345678")),
    ("phone", "0151 1234 5678", Is("+4915112345678")),
    ("phone", "(0151) 1234-5678", Is("+4915112345678")),
    ("phone", "0151/12345678", Is("+4915112345678")),
    ("phone", "0049 151 12345678", Is("+4915112345678")),
    ("phone", "+49 (0)151 12345678", Is("+4915112345678")),
    ("phone", "0049 (0) 151 12345678", Is("+4915112345678")),
    ("phone", "＋４９１５１１２３４５６７８", Is("+4915112345678")),
    ("phone", "tel:+49-151-1234-5678", Is("+4915112345678")),
    ("phone", "\u{202a}+49 151 12345678\u{202c}", Is("+4915112345678")),
    ("phone", "+1 (415) 555-2671", Is("+14155552671")),
    ("phone", "+1.415.555.2671", Is("+14155552671")),
    ("phone", "+86 138 1234 5678", Is("+8613812345678")),
    ("phone", "+٤٩١٥١١٢٣٤٥٦٧٨", Is("+4915112345678")),
    ("phone", "+1 415 555 2671 ext. 12", Is("+14155552671x12")),
    ("phone", "12345", Junk), ("phone", "0000000000", Junk), ("phone", "+49 151", Junk), ("phone", "phone", Junk),
    ("phone", "call me", Junk), ("phone", "+999 123 456 789", Junk), ("phone", "+1 111 111 1111", Junk),
    ("phone", "0151 1234 5678 9012 3456", Junk), ("phone", "0151-CALL-ME", Junk), ("phone", "jane@doe.org", Junk),
    // Not a type that is configured.
    ("shoe_size", "43", Junk),
];

fn hasher() -> Hasher {
    let rules = Rules {
        own_domains: vec!["OurShop.test".into()],
        own_phones: vec!["030 901820".into()],
        blocked_values: vec!["Walk-in customer".into()],
        default_region: Some("DE".into()),
        ..Rules::default()
    };
    Hasher::new(b"a secret for tests", rules).unwrap()
}

fn raw(kind: &str, value: &str) -> RawIdentifier {
    RawIdentifier { kind: kind.into(), value: value.into() }
}

fn observe(hasher: &Hasher, kind: &str, value: &str, expected: Expect) -> Expect {
    let Some(identifier) = hasher.key(kind, value) else {
        return Junk;
    };
    let beside = hasher.identifiers(&[raw(kind, value), raw("crm_id", "lead-1")]);
    let links = beside.len() == 2;
    let (Is(other) | Alone(other)) = expected else {
        return Is("itself");
    };
    match (hasher.key(kind, other) == Some(identifier), links) {
        (false, _) => Is("something else"),
        (true, true) => Is(other),
        (true, false) => Alone(other),
    }
}

#[test]
fn every_value_of_the_table() {
    assert!(CASES.len() >= 150, "the table has {} cases", CASES.len());
    let hasher = hasher();
    let wrong: Vec<String> = CASES
        .iter()
        .map(|(kind, value, expected)| (kind, value, expected, observe(&hasher, kind, value, *expected)))
        .filter(|(_, _, expected, observed)| *expected != observed)
        .map(|(kind, value, expected, observed)| format!("{kind} {value:?}: expected {expected:?}, got {observed:?}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn values_that_differ_stay_different() {
    let hasher = hasher();
    let different = [
        ("user_id", "abc123"),
        ("user_id", "ABC123"),
        ("crm_id", "abc123"),
        ("anonymous_id", "abc123"),
        ("email", "jane@doe.org"),
        ("email", "jane+a@doe.org"),
        ("email", "j.ane@doe.org"),
        ("user_id", JANE),
        ("phone", "+14155552671"),
        ("phone", "+1 415 555 2671 ext 12"),
        ("phone", "+1 415 555 2671 x 13"),
    ];
    let mut keys: Vec<_> = different.iter().map(|(kind, value)| hasher.key(kind, value).unwrap().key).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), different.len());
}

#[test]
fn over_long_values_identify_nobody() {
    let hasher = hasher();
    assert!(hasher.key("user_id", &"x".repeat(256)).is_some());
    assert!(hasher.key("user_id", &"x".repeat(257)).is_none());
    assert!(hasher.key("user_id", &format!("  {}  ", "x".repeat(256))).is_some());
    assert!(hasher.key("email", &format!("{}@doe.org", "x".repeat(65))).is_none());
}

#[test]
fn the_secret_decides_the_keys() {
    let other = Hasher::new(b"another secret", Rules::default()).unwrap();
    let ours = Hasher::new(b"a secret for tests", Rules::default()).unwrap();
    assert_ne!(other.key("user_id", "abc123"), ours.key("user_id", "abc123"));
    assert_ne!(other.rules_hash(), ours.rules_hash());
    assert_eq!(ours.difference_from(other.rules_json()), ["the secret is another one"]);
}

#[test]
fn without_a_region_only_international_numbers_count() {
    let hasher = Hasher::new(b"s", Rules::default()).unwrap();
    assert!(hasher.key("phone", "0151 12345678").is_none());
    assert!(hasher.key("phone", "+49 151 12345678").is_some());
}

#[test]
fn identifiers_are_sorted_by_strength_and_each_once() {
    let hasher = hasher();
    let record = [
        raw("anonymous_id", "a1"),
        raw("email", "jane@doe.org"),
        raw("email", JANE),
        raw("user_id", "null"),
        raw("user_id", "u1"),
        raw("transaction_id", "t1"),
        raw("email", "info@doe.org"),
    ];
    let kinds: Vec<&str> = hasher.identifiers(&record).iter().map(|i| hasher.type_name(i.kind)).collect();
    assert_eq!(kinds, ["user_id", "email", "anonymous_id"]);
}

#[test]
fn what_never_links_stands_in_when_there_is_nothing_else() {
    let hasher = hasher();
    let only = |record: &[RawIdentifier]| hasher.identifiers(record).to_vec();
    let sale = hasher.key("transaction_id", "t1").unwrap();
    assert_eq!(only(&[raw("transaction_id", "t1"), raw("phone", "0000000000")]), [sale]);
    assert_eq!(only(&[raw("phone", "030 901820"), raw("transaction_id", "t1")]), [sale]);
    let switchboard = hasher.key("email", "info@doe.org").unwrap();
    assert_eq!(only(&[raw("email", "info@doe.org"), raw("user_id", "guest")]), [switchboard]);
    assert_eq!(only(&[raw("user_id", "guest")]), []);
}
