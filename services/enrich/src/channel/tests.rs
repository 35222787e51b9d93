use schemas::{Campaign, Utm};

use super::*;
use crate::campaign::Campaigns;
use crate::sources::Sources;
use crate::traffic::Traffic;
use crate::url::Url;
use crate::{EnrichConfig, SourceTable};

/// Checks the channel of visits given as (URL's query, referrer, channel).
fn check(config: &EnrichConfig, cases: &[(&str, &str, &str)]) {
    let campaigns = Campaigns::new(config).unwrap();
    let traffic =
        Traffic { sources: Sources::new(&config.sources).unwrap(), channels: Channels::new(&config.channels).unwrap() };
    for (query, referrer, expect) in cases {
        let page = format!("https://shop.example/?{query}");
        let (campaign, click_ids) = campaigns.read(&Utm::default(), &Url::parse(&page));
        let referrer_host = Url::parse(referrer).host;
        let channel = traffic.channel(&campaign, &click_ids, &referrer_host, &campaigns.click_ids);
        assert_eq!(channel, *expect, "query `{query}`, referrer `{referrer}`");
    }
}

#[test]
fn tagged_visits() {
    check(
        &EnrichConfig::default(),
        &[
            ("utm_source=(direct)&utm_medium=(none)", "", "Direct"),
            ("utm_source=(direct)", "", "Direct"),
            ("utm_source=google&utm_medium=cpc&utm_campaign=x-Cross-Network-y", "", "Cross-network"),
            ("utm_source=amazon&utm_medium=cpc", "", "Paid Shopping"),
            ("utm_source=google&utm_medium=cpc&utm_campaign=Shopping+DE", "", "Paid Shopping"),
            ("utm_source=google&utm_medium=cpc&utm_campaign=eshop", "", "Paid Shopping"),
            ("utm_source=google&utm_medium=cpc&utm_campaign=the-shop", "", "Paid Shopping"),
            ("utm_source=google&utm_medium=cpc&utm_campaign=workshop", "", "Paid Search"),
            ("utm_source=google&utm_medium=cpc", "", "Paid Search"),
            ("utm_source=Google&utm_medium=CPC", "", "Paid Search"),
            ("utm_source=bing&utm_medium=ppc", "", "Paid Search"),
            ("utm_source=baidu&utm_medium=cpc", "", "Paid Search"),
            ("utm_source=360&utm_medium=cpc", "", "Paid Search"),
            ("utm_source=sogou&utm_medium=paid", "", "Paid Search"),
            ("utm_source=yandex&utm_medium=cpc", "", "Paid Search"),
            ("utm_source=naver&utm_medium=paidsearch", "", "Paid Search"),
            ("utm_source=google.co.uk&utm_medium=retargeting", "", "Paid Search"),
            ("utm_source=facebook&utm_medium=cpc", "", "Paid Social"),
            ("utm_source=fb&utm_medium=paid_social", "", "Paid Social"),
            ("utm_source=ig&utm_medium=paid", "", "Paid Social"),
            ("utm_source=facebook&utm_medium=cpm", "", "Paid Social"),
            ("utm_source=tiktok&utm_medium=cpc", "", "Paid Social"),
            ("utm_source=wechat&utm_medium=cpc", "", "Paid Social"),
            ("utm_source=douyin&utm_medium=cpm", "", "Paid Social"),
            ("utm_source=xiaohongshu&utm_medium=cpe", "", "Paid Social"),
            ("utm_source=youtube&utm_medium=cpv", "", "Paid Video"),
            ("utm_source=youtube&utm_medium=cpc", "", "Paid Video"),
            ("utm_source=bilibili&utm_medium=cpm", "", "Paid Video"),
            ("utm_source=dsp&utm_medium=cpm", "", "Display"),
            ("utm_source=dsp&utm_medium=banner", "", "Display"),
            ("utm_source=dsp&utm_medium=Display", "", "Display"),
            ("utm_source=dsp&utm_medium=interstitial", "", "Display"),
            ("utm_source=partner&utm_medium=cpc", "", "Paid Other"),
            ("utm_source=partner&utm_medium=retargeting", "", "Paid Other"),
            ("utm_source=etsy", "", "Organic Shopping"),
            ("utm_source=newsletter&utm_medium=x&utm_campaign=shop", "", "Organic Shopping"),
            ("utm_source=facebook&utm_medium=post", "", "Organic Social"),
            ("utm_source=partner&utm_medium=social-media", "", "Organic Social"),
            ("utm_source=partner&utm_medium=sm", "", "Organic Social"),
            ("utm_source=weibo", "", "Organic Social"),
            ("utm_source=zhihu&utm_medium=answer", "", "Organic Social"),
            ("utm_source=partner&utm_medium=videos", "", "Organic Video"),
            ("utm_source=youtube&utm_medium=description", "", "Organic Video"),
            ("utm_source=google&utm_medium=organic", "", "Organic Search"),
            ("utm_source=google", "", "Organic Search"),
            ("utm_source=anything&utm_medium=organic", "", "Organic Search"),
            ("utm_source=chatgpt.com", "", "AI Assistant"),
            ("utm_source=perplexity&utm_medium=referral", "", "AI Assistant"),
            ("utm_source=x&utm_medium=ai-assistant", "", "Organic Social"),
            ("utm_source=house&utm_medium=ai-assistant", "", "AI Assistant"),
            ("utm_source=newsletter&utm_medium=email", "", "Email"),
            ("utm_source=newsletter&utm_medium=E-Mail", "", "Email"),
            ("utm_source=newsletter&utm_medium=e%20mail", "", "Email"),
            ("utm_source=email&utm_medium=may", "", "Email"),
            ("utm_source=partner&utm_medium=affiliate", "", "Affiliates"),
            ("utm_source=partner&utm_medium=referral", "", "Referral"),
            ("utm_source=partner&utm_medium=link", "", "Referral"),
            ("utm_source=podcast&utm_medium=audio", "", "Audio"),
            ("utm_source=sms&utm_medium=may", "", "SMS"),
            ("utm_source=crm&utm_medium=SMS", "", "SMS"),
            ("utm_source=crm&utm_medium=webpush", "", "Mobile Push Notifications"),
            ("utm_source=crm&utm_medium=mobile-app", "", "Mobile Push Notifications"),
            ("utm_source=crm&utm_medium=notification", "", "Mobile Push Notifications"),
            ("utm_source=firebase&utm_medium=x", "", "Mobile Push Notifications"),
            ("utm_source=newsletter", "", "Unassigned"),
            ("utm_source=18F8FA&utm_medium=9A780E", "", "Unassigned"),
            ("utm_campaign=spring", "", "Unassigned"),
        ],
    );
}

#[test]
fn untagged_visits() {
    check(
        &EnrichConfig::default(),
        &[
            ("", "", "Direct"),
            ("size=2&color=red", "", "Direct"),
            ("utm_term=x", "", "Direct"),
            ("utm_source=null&utm_medium={medium}", "", "Direct"),
            ("", "https://www.google.com/", "Organic Search"),
            ("", "https://www.google.com.hk/search?q=a", "Organic Search"),
            ("", "android-app://com.google.android.googlequicksearchbox/", "Organic Search"),
            ("", "https://cn.bing.com/", "Organic Search"),
            ("", "https://www.baidu.com/link?url=x", "Organic Search"),
            ("", "https://m.sogou.com/", "Organic Search"),
            ("", "https://www.so.com/link", "Organic Search"),
            ("", "https://yz.m.sm.cn/", "Organic Search"),
            ("", "https://duckduckgo.com/", "Organic Search"),
            ("", "https://yandex.ru/", "Organic Search"),
            ("", "https://search.naver.com/search.naver", "Organic Search"),
            ("", "https://l.facebook.com/", "Organic Social"),
            ("", "https://t.co/abc", "Organic Social"),
            ("", "https://mp.weixin.qq.com/s/x", "Organic Social"),
            ("", "https://weibo.com/", "Organic Social"),
            ("", "https://www.douyin.com/", "Organic Social"),
            ("", "https://www.xiaohongshu.com/", "Organic Social"),
            ("", "https://link.zhihu.com/?target=x", "Organic Social"),
            ("", "https://www.youtube.com/watch", "Organic Video"),
            ("", "https://www.bilibili.com/video/1", "Organic Video"),
            ("", "https://www.amazon.de/", "Organic Shopping"),
            ("", "https://item.taobao.com/", "Organic Shopping"),
            ("", "https://chatgpt.com/", "AI Assistant"),
            ("", "https://gemini.google.com/app", "AI Assistant"),
            ("", "https://www.doubao.com/", "AI Assistant"),
            ("", "https://chat.deepseek.com/", "AI Assistant"),
            ("", "https://mail.google.com/", "Referral"),
            ("", "https://blog.example/post", "Referral"),
            ("", "https://source-afb1343a.com/", "Referral"),
            ("utm_campaign=spring", "https://www.google.com/", "Organic Search"),
            ("utm_medium=cpc", "https://www.google.com/", "Paid Search"),
            ("utm_source=newsletter", "https://www.google.com/", "Unassigned"),
        ],
    );
}

#[test]
fn clicks() {
    check(
        &EnrichConfig::default(),
        &[
            ("gclid=a", "", "Paid Search"),
            ("GBRAID=a", "", "Paid Search"),
            ("wbraid=a", "https://www.google.com/", "Paid Search"),
            ("gclid=a&utm_campaign=shopping", "", "Paid Shopping"),
            ("gclid=a&utm_source=google", "", "Paid Search"),
            ("gclid=a&utm_source=partner&utm_medium=affiliate", "", "Affiliates"),
            ("gclid=a&utm_source=18F8FA&utm_medium=9A780E", "", "Paid Search"),
            ("gclid={gclid}", "", "Direct"),
            ("dclid=a", "", "Display"),
            ("msclkid=a", "", "Paid Search"),
            ("ttclid=a", "", "Paid Social"),
            ("twclid=a", "https://t.co/", "Paid Social"),
            ("li_fat_id=a", "", "Paid Social"),
            ("yclid=a", "", "Paid Search"),
            ("irclickid=a", "https://blog.example/", "Affiliates"),
            ("irclickid=a&clickid=a", "", "Affiliates"),
            ("bd_vid=a", "https://www.baidu.com/", "Paid Search"),
            ("gdt_vid=a", "", "Paid Social"),
            ("qz_gdt=a", "", "Paid Social"),
            ("clickid=a", "", "Paid Other"),
            ("clickid=a", "https://www.douyin.com/", "Paid Social"),
            ("clickid=a&utm_source=toutiao", "", "Paid Social"),
            ("fbclid=a", "", "Organic Social"),
            ("fbclid=a", "https://l.instagram.com/", "Organic Social"),
            ("fbclid=a&utm_source=facebook&utm_medium=cpc", "", "Paid Social"),
            ("fbclid=a&utm_source=newsletter&utm_medium=email", "", "Email"),
            ("fbclid=a&gclid=b", "", "Paid Search"),
        ],
    );
}

#[test]
fn configured_rules_come_first() {
    let config: EnrichConfig = toml::from_str(
        "[channels.pattern.brand]\ncontains = [\"Brand\"]\n\
         [[channels.rule]]\nchannel = \"Brand Search\"\ncategory = \"search\"\nmedium = \"paid\"\ncampaign = \"brand\"\n",
    )
    .unwrap();
    check(
        &config,
        &[("gclid=a&utm_campaign=BRAND-de", "", "Brand Search"), ("gclid=a&utm_campaign=other", "", "Paid Search")],
    );
}

#[test]
fn mistakes_in_rules_are_named() {
    let error = |text: &str| Channels::new(&toml::from_str(text).unwrap()).unwrap_err().to_string();
    assert_eq!(
        error("[[rule]]\nchannel = \"A\"\nmedium = \"nope\""),
        "the rule of channel `A` names the pattern `nope`, which is not defined"
    );
    assert_eq!(error("[[rule]]\nchannel = \"A\""), "the rule of channel `A` has no condition");
    assert!(toml::from_str::<ChannelTable>("[[rule]]\nchanel = \"A\"").is_err());
}

#[test]
fn the_built_in_table_names_every_channel_in_order() {
    let table: ChannelTable = toml::from_str(include_str!("../../data/channels.toml")).unwrap();
    let mut names: Vec<String> = table.rule.into_iter().map(|rule| rule.channel).collect();
    names.dedup();
    assert_eq!(
        names,
        [
            "Direct",
            "Cross-network",
            "Paid Shopping",
            "Paid Search",
            "Paid Social",
            "Paid Video",
            "Display",
            "Paid Other",
            "Organic Shopping",
            "Organic Social",
            "Organic Video",
            "Organic Search",
            "AI Assistant",
            "Email",
            "Affiliates",
            "Referral",
            "Audio",
            "SMS",
            "Mobile Push Notifications",
        ]
    );
    assert_eq!(SourceTable::default().version, "");
    assert_eq!(Campaign::default().source, "");
}
