//! The rules as configuration, and what depends on them for ever.
#![allow(clippy::unwrap_used, reason = "a test")]

use identity::{Error, Hasher, Normalizer, OnConflict, Rules, Tier};
use proptest::prelude::*;

fn refused(toml: &str) -> String {
    match toml::from_str::<Rules>(toml) {
        Ok(rules) => rules.validate().expect_err("the rules were accepted").to_string(),
        Err(error) => error.message().to_owned(),
    }
}

#[test]
fn the_defaults_are_those_of_the_design() {
    let rules = Rules::default();
    rules.validate().unwrap();
    let rule = |name: &str| &rules.types[usize::from(rules.type_index(name).unwrap())];
    let limits = ["user_id", "crm_id", "wechat_unionid", "loyalty_id", "email", "phone", "anonymous_id"]
        .map(|name| rule(name).max_per_customer);
    assert_eq!(limits, [Some(1), Some(1), Some(1), Some(3), Some(5), Some(3), None]);
    for rule in &rules.types {
        let device = rule.tier == Tier::Device;
        assert_eq!(rule.on_conflict, if device { OnConflict::Share } else { OnConflict::KeepFirst });
        assert_eq!(rule.max_links, if rule.tier == Tier::Account { 20 } else { 3 });
        assert_eq!(rule.links, rule.name != "transaction_id");
    }
    assert_eq!(rules.max_identifiers, 500);
    assert_eq!(toml::from_str::<Rules>("").unwrap(), rules);
}

#[test]
fn a_type_says_only_what_differs_from_its_tier() {
    let rules: Rules = toml::from_str(
        r#"
        default_region = "DE"
        secret = "hush"
        types = [
            { name = "user_id", tier = "account", priority = 1, max_per_customer = 1 },
            { name = "work_email", tier = "contact", priority = 2, normalizer = "email", on_conflict = "share" },
            { name = "phone", tier = "contact", priority = 2 },
            { name = "anonymous_id", tier = "device", priority = 9, max_links = 7 },
        ]
        "#,
    )
    .unwrap();
    rules.validate().unwrap();
    let seen: Vec<_> =
        rules.types.iter().map(|r| (r.normalizer, r.on_conflict, r.max_links, r.max_per_customer)).collect();
    let expected = [
        (Normalizer::Id, OnConflict::KeepFirst, 20, Some(1)),
        (Normalizer::Email, OnConflict::Share, 3, None),
        (Normalizer::Phone, OnConflict::KeepFirst, 3, None),
        (Normalizer::Id, OnConflict::Share, 7, None),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn what_contradicts_itself_is_refused_with_a_sentence() {
    for (toml, part) in [
        ("max_identifier = 5", "unknown field `max_identifier`"),
        ("types = [{ name = 'a', tier = 'account', priority = 1, max = 1 }]", "unknown field `max`"),
        ("types = [{ name = 'a', tier = 'device', priority = 1, on_conflict = 'follow' }]", "unknown variant `follow`"),
        ("types = []", "0 types are configured"),
        ("types = [{ name = 'User', tier = 'account', priority = 1 }]", "type name `User`"),
        ("types = [{ name = 'a', tier = 'account', priority = 1, max_links = 0 }]", "type `a` has a limit of 0"),
        (
            "types = [{ name = 'a', tier = 'account', priority = 1 }, { name = 'a', tier = 'device', priority = 2 }]",
            "type `a` is configured twice",
        ),
        (
            "types = [{ name = 'd', tier = 'device', priority = 1 }, { name = 'a', tier = 'account', priority = 2 }]",
            "type `d` has priority 1 but is weaker than `a` with priority 2",
        ),
        ("default_region = 'Germany'", "default_region `Germany`"),
        ("max_identifiers = 1", "max_identifiers is 1"),
    ] {
        let text = refused(toml);
        assert!(text.contains(part), "`{toml}`: `{part}` is not in `{text}`");
    }
    for rules in [
        Rules { own_domains: vec!["not a domain".into()], ..Rules::default() },
        Rules { own_phones: vec!["12".into()], ..Rules::default() },
    ] {
        assert!(matches!(Hasher::new(b"", rules), Err(Error::Rules(_))));
    }
}

#[test]
fn the_secret_is_never_shown() {
    let rules = Rules { secret: "hush-hush".into(), ..Rules::default() };
    let hasher = Hasher::new(rules.secret.as_bytes(), rules.clone()).unwrap();
    let shown = [format!("{rules:?}"), serde_json::to_string(&rules).unwrap(), hasher.rules_json().to_owned()];
    for text in shown {
        assert!(!text.contains("hush"), "PR-1: {text}");
    }
}

#[test]
fn equal_rules_have_equal_hashes() {
    let hash = |own: [&str; 2], limit| {
        let own_domains = own.map(str::to_owned).to_vec();
        Hasher::new(b"s", Rules { own_domains, max_identifiers: limit, ..Rules::default() }).unwrap().rules_hash()
    };
    assert_eq!(hash(["a.test", "b.test"], 500), hash(["b.test", "a.test"], 500));
    assert_ne!(hash(["a.test", "b.test"], 500), hash(["a.test", "b.test"], 501));
    assert_ne!(hash(["a.test", "b.test"], 500), hash(["a.test", "c.test"], 500));
}

/// Keys are stored for ever: whoever changes one of these makes every history unreadable.
#[test]
fn keys_stay_what_they_are() {
    let hasher = Hasher::new(b"golden", Rules { default_region: Some("DE".into()), ..Rules::default() }).unwrap();
    let key = |kind: &str, value: &str| hasher.key(kind, value).unwrap().key.to_string();
    assert_eq!(key("user_id", "abc123"), "9c2c71bb-aafe-1af9-b812-7274f2584479");
    assert_eq!(key("email", "Jane@Doe.org"), "576ecd1d-e3ca-ae4e-5c3b-5326c3fda1b8");
    assert_eq!(key("phone", "0151 12345678"), "147d6985-3802-18dd-36bf-8613fcc884bc");
    assert_eq!(key("anonymous_id", "1740268798-lvfV1k5nHCN8"), "18321f80-2996-c213-a4d8-d6b45aaa0174");
}

proptest! {
    /// Whatever a source writes, nothing panics, and writing it once more in its normal form changes nothing.
    #[test]
    fn any_text_is_survived(text in "\\PC{0,40}", digits in "[0-9+() .x;=-]{0,24}", mail in "[a-zé.+<> -]{0,9}@[a-zé0-9.-]{0,12}") {
        let hasher = Hasher::new(b"s", Rules { default_region: Some("DE".into()), ..Rules::default() }).unwrap();
        for kind in ["user_id", "email", "phone", "anonymous_id"] {
            for value in [&text, &digits, &mail] {
                let padded = format!(" {value}\t");
                prop_assert_eq!(hasher.key(kind, value), hasher.key(kind, &padded));
            }
        }
        prop_assert_eq!(hasher.key("email", &mail), hasher.key("email", &mail.to_uppercase().to_lowercase()));
    }
}
