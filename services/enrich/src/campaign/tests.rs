use proptest::prelude::*;

use super::*;

fn campaigns() -> Campaigns {
    Campaigns::new(&EnrichConfig::default()).unwrap()
}

/// What was read, as `field=value` in the order of the fields, then the click ids.
fn show(campaign: &Campaign, click_ids: &[ClickId]) -> String {
    let Campaign { id, source, medium, campaign, term, content, source_platform } = campaign;
    let fields = [
        ("id", id),
        ("source", source),
        ("medium", medium),
        ("campaign", campaign),
        ("term", term),
        ("content", content),
        ("platform", source_platform),
    ];
    let fields = fields.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name, value.as_str()));
    let clicks = click_ids.iter().map(|click| (click.kind, click.value.as_str()));
    fields.chain(clicks).map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("|")
}

fn check(url: &str, expect: &str) {
    let (campaign, click_ids) = campaigns().read(&Utm::default(), &Url::parse(url));
    assert_eq!(show(&campaign, &click_ids), expect, "{url}");
}

#[test]
fn campaigns_in_urls() {
    for (query, expect) in [
        ("", ""),
        ("utm_source=a", "source=a"),
        (
            "utm_id=1&utm_source=a&utm_medium=b&utm_campaign=c&utm_term=d&utm_content=e&utm_source_platform=f",
            "id=1|source=a|medium=b|campaign=c|term=d|content=e|platform=f",
        ),
        ("UTM_Source=A&Utm_MEDIUM=B", "source=A|medium=B"),
        ("utm_campaign=spring+sale", "campaign=spring sale"),
        ("utm_campaign=spring%20sale", "campaign=spring sale"),
        ("utm_campaign=a%2Bb", "campaign=a+b"),
        ("utm_campaign=%E6%98%A5%E8%8A%82", "campaign=春节"),
        ("utm_campaign=春节", "campaign=春节"),
        ("utm_campaign=50%", "campaign=50%"),
        ("utm_campaign=50%zz", "campaign=50%zz"),
        ("utm_campaign=%E6%98", "campaign=\u{fffd}"),
        ("utm_campaign=a=b", "campaign=a=b"),
        ("utm_source=", ""),
        ("utm_source", ""),
        ("utm_source=%20", ""),
        ("utm_source=++", ""),
        ("utm_source=null", ""),
        ("utm_source=NULL", ""),
        ("utm_source=undefined", ""),
        ("utm_source=(not%20set)", ""),
        ("utm_source={source}", ""),
        ("utm_source={{site_source_name}}", ""),
        ("utm_source=%7Bsource%7D", ""),
        ("utm_source=%7B%7Bsource%7D%7D", ""),
        ("utm_source=%257Bsource%257D", ""),
        ("utm_source=__SOURCE__", ""),
        ("utm_source=${source}", ""),
        ("utm_source=%25%25SITE%25%25", ""),
        ("utm_source=%%SITE%%", ""),
        ("utm_source=__", "source=__"),
        ("utm_source=____", "source=____"),
        ("utm_source=__a b__", "source=__a b__"),
        ("utm_source=a_{b}", "source=a_{b}"),
        ("utm_source=nullable", "source=nullable"),
        ("utm_source=&utm_source=b", "source=b"),
        ("utm_source=a&utm_source=b", "source=a"),
        ("utm_source={x}&utm_source=b", "source=b"),
        ("a=b&amp;utm_source=c&amp;utm_medium=d", "source=c|medium=d"),
        ("?utm_source=c", "source=c"),
        ("utm_=a&utm_foo=b&xutm_source=c&utm-source=d", ""),
        ("&&&utm_source=a&&", "source=a"),
        ("utm_source=a#utm_source=b&utm_medium=c", "source=a|medium=c"),
        ("x=1#utm_source=b", "source=b"),
        ("x=1#/path?utm_source=b", "source=b"),
    ] {
        check(&format!("https://shop.example/p?{query}"), expect);
    }
}

#[test]
fn click_ids_in_urls() {
    for (query, expect) in [
        ("gclid=Cj0K-_x", "gclid=Cj0K-_x"),
        ("GCLID=Cj0K", "gclid=Cj0K"),
        ("gclid=a%2Bb+c", "gclid=a%2Bb+c"),
        ("fbclid=1&gclid=2", "gclid=2|fbclid=1"),
        ("gclid=1&gclid=2", "gclid=1"),
        ("gclid=&gclid=2", "gclid=2"),
        ("gclid={gclid}", ""),
        ("gclid=%7Bgclid%7D", ""),
        ("clickid=__CLICKID__", ""),
        ("gclid=undefined", ""),
        ("gbraid=1&wbraid=2&dclid=3", "gbraid=1|wbraid=2|dclid=3"),
        ("msclkid=1&ttclid=2&twclid=3&li_fat_id=4&yclid=5", "msclkid=1|ttclid=2|twclid=3|li_fat_id=4|yclid=5"),
        ("irclickid=1&clickid=1", "irclickid=1|clickid=1"),
        ("bd_vid=1&gdt_vid=2&qz_gdt=3", "bd_vid=1|gdt_vid=2|qz_gdt=3"),
        ("gclid=1&utm_source=a", "source=a|gclid=1"),
        ("#gclid=1", "gclid=1"),
        ("mygclid=1&gclid2=2", ""),
    ] {
        check(&format!("https://shop.example/p?{query}"), expect);
    }
}

#[test]
fn explicit_fields_win() {
    type Case = (&'static [(&'static str, &'static str)], &'static str, &'static str);
    let cases: [Case; 8] = [
        (&[("source", "a")], "", "source=a"),
        (&[("source", " a%20b+c ")], "", "source=a%20b+c"),
        (&[("source", "null"), ("medium", "{m}")], "utm_source=b", "source=b"),
        (&[("source", "a")], "utm_source=a&utm_medium=b", "source=a|medium=b"),
        (&[("medium", "b")], "utm_source=a", "source=a|medium=b"),
        (&[("source", "a")], "utm_source=b&utm_medium=cpc", "source=a"),
        (&[("content", "x")], "utm_source=b&utm_content=y", "source=b|content=x"),
        (&[("source", "a")], "utm_source=b&gclid=1", "source=a|gclid=1"),
    ];
    for (explicit, query, expect) in cases {
        let mut utm = Utm::default();
        for (field, value) in explicit {
            match *field {
                "source" => utm.source = Text::new(value),
                "medium" => utm.medium = Text::new(value),
                _ => utm.content = Text::new(value),
            }
        }
        let url = format!("https://shop.example/p?{query}");
        let (campaign, click_ids) = campaigns().read(&utm, &Url::parse(&url));
        assert_eq!(show(&campaign, &click_ids), expect, "{explicit:?} over {query}");
    }
}

#[test]
fn values_without_end_are_bounded() {
    let long = "é".repeat(2_000);
    let (campaign, click_ids) =
        campaigns().read(&Utm::default(), &Url::parse(&format!("https://s.example/?utm_term=a{long}&gclid={long}")));
    assert_eq!(campaign.term.len(), 511, "cut between characters");
    assert!(click_ids.is_empty());
}

proptest! {
    #[test]
    fn nothing_panics(query in "\\PC*", explicit in "\\PC*") {
        let utm = Utm { source: Text::new(&explicit), ..Utm::default() };
        campaigns().read(&utm, &Url::parse(&query));
    }

    #[test]
    fn nothing_that_looks_like_a_query_panics(query in "(utm_source|UTM_MEDIUM|gclid|&|=|%|%7b|%E6|\\+|#|\\?|é|__){0,30}") {
        campaigns().read(&Utm::default(), &Url::parse(&format!("https://shop.example/?{query}")));
    }

    /// Whatever a value is, encoding it for a URL and reading it back gives it again.
    #[test]
    fn decoding_undoes_encoding(value in "\\PC{1,40}") {
        let encoded: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
        prop_assert_eq!(decode(&encoded), value.as_str());
    }
}
