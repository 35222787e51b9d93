use super::*;

const MAC: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)";
const WIN: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)";
const IPHONE: &str =
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_3_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)";
const ANDROID: &str =
    "Mozilla/5.0 (Linux; Android 14; SM-F741U Build/UP1A.231005.007; wv) AppleWebKit/537.36 (KHTML, like Gecko)";
const CHROME: &str = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0";

/// Checks headers given as two halves, against (browser, system, device).
fn check(cases: &[(&str, &str, &str, &str, &str)]) {
    let agents = Agents::new(&EnrichConfig::default());
    for (start, end, browser, os, device) in cases {
        let agent = agents.read(&format!("{start} {end}"));
        assert_eq!(
            (agent.browser.as_str(), agent.os.as_str(), agent.device),
            (*browser, *os, *device),
            "{start} {end}"
        );
        assert_eq!(agent.is_bot, *device == "bot", "{start} {end}");
    }
}

#[test]
fn people() {
    check(&[
        (WIN, &format!("{CHROME} Safari/537.36"), "Chrome", "Windows 10", "desktop"),
        (WIN, &format!("{CHROME} Safari/537.36 Edg/133.0.0.0"), "Edge", "Windows 10", "desktop"),
        (WIN, &format!("{CHROME} Safari/537.36 OPR/117.0.0.0"), "Opera", "Windows 10", "desktop"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:135.0)",
            "Gecko/20100101 Firefox/135.0",
            "Firefox",
            "Windows 10",
            "desktop",
        ),
        (
            "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0)",
            "like Gecko",
            "Internet Explorer",
            "Windows 7",
            "desktop",
        ),
        (MAC, "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3 Safari/605.1.15", "Safari", "macOS", "desktop"),
        (MAC, &format!("{CHROME} Safari/537.36"), "Chrome", "macOS", "desktop"),
        ("Mozilla/5.0 (X11; Linux x86_64)", &format!("{CHROME} Safari/537.36"), "Chrome", "Linux", "desktop"),
        (
            "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0)",
            &format!("{CHROME} Safari/537.36"),
            "Chrome",
            "ChromeOS",
            "desktop",
        ),
        (IPHONE, "Version/18.3 Mobile/15E148 Safari/604.1", "Safari", "iOS", "mobile"),
        (IPHONE, "CriOS/133.0.6943.120 Mobile/15E148 Safari/604.1", "Chrome", "iOS", "mobile"),
        (IPHONE, "Version/18.3 Mobile/15E148 Safari/604.1 Ddg/18.3", "DuckDuckGo", "iOS", "mobile"),
        (
            IPHONE,
            "Mobile/15E148 MicroMessenger/8.0.54(0x18003631) NetType/WIFI Language/zh_CN",
            "WeChat",
            "iOS",
            "mobile",
        ),
        (IPHONE, "Mobile/15E148 Instagram 366.0.0.34.86 (iPhone15,2; iOS 18_3_1)", "Instagram", "iOS", "mobile"),
        (IPHONE, "Mobile/15E148 [FBAN/FBIOS;FBAV/500.0.0.52.96]", "Facebook", "iOS", "mobile"),
        (
            ANDROID,
            "Version/4.0 Chrome/133.0.6943.117 Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/502.0.0.66.79;]",
            "Facebook",
            "Android",
            "mobile",
        ),
        (
            "Mozilla/5.0 (Linux; Android 10; K)",
            &format!("{CHROME} Mobile Safari/537.36"),
            "Chrome",
            "Android",
            "mobile",
        ),
        ("Mozilla/5.0 (Linux; Android 10; K)", &format!("{CHROME} Safari/537.36"), "Chrome", "Android", "tablet"),
        (
            "Mozilla/5.0 (Linux; Android 14; SAMSUNG SM-S911B)",
            &format!("SamsungBrowser/26.0 {CHROME} Mobile Safari/537.36"),
            "Samsung Internet",
            "Android",
            "mobile",
        ),
        (
            "Mozilla/5.0 (Linux; Android 12; CUBOT P60)",
            &format!("{CHROME} Mobile Safari/537.36"),
            "Chrome",
            "Android",
            "mobile",
        ),
        (
            "Mozilla/5.0 (Linux; U; Android 13; zh-CN; V2148A)",
            "AppleWebKit/537.36 Chrome/100.0 UCBrowser/15.5 Mobile Safari/537.36",
            "UC Browser",
            "Android",
            "mobile",
        ),
        (
            "Mozilla/5.0 (iPad; CPU OS 17_6 like Mac OS X)",
            "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Mobile/15E148 Safari/604.1",
            "Safari",
            "iPadOS",
            "tablet",
        ),
        (
            "Mozilla/5.0 (Linux; Android 14; vivo)",
            "Chrome/123.0 Mobile Safari/537.36 aweme_300000 BytedanceWebview/d8a21c6",
            "Douyin",
            "Android",
            "mobile",
        ),
        ("", "", "", "", ""),
        ("-", "", "", "", ""),
    ]);
}

#[test]
fn machines() {
    let headless = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/133.0.0.0";
    let nexus = "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.6943.126 Mobile Safari/537.36";
    let agents = Agents::new(&EnrichConfig::default());
    for header in [
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        &format!("{nexus} (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"),
        "Googlebot-Image/1.0",
        "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
        "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
        "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
        "Sogou web spider/4.0(+http://www.sogou.com/docs/help/webmasters.htm#07)",
        "Mozilla/5.0 (compatible; 360Spider)",
        "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
        "Mozilla/5.0 (compatible; SemrushBot/7~bl; +http://www.semrush.com/bot.html)",
        &format!("{headless} Safari/537.36"),
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 Chrome/133.0 Safari/537.36 Chrome-Lighthouse",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko); compatible; ChatGPT-User/1.0; +https://openai.com/bot",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ClaudeBot/1.0; +claudebot@anthropic.com)",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; PerplexityBot/1.0; +https://perplexity.ai/perplexitybot)",
        "CCBot/2.0 (https://commoncrawl.org/faq/)",
        "Mozilla/5.0 (Linux; Android 5.0) AppleWebKit/537.36 (KHTML, like Gecko) Mobile Safari/537.36 (compatible; Bytespider; spider-feedback@bytedance.com)",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_10_1) AppleWebKit/600.2.5 (KHTML, like Gecko) Version/8.0.2 Safari/600.2.5 (Applebot/0.1)",
        "meta-externalagent/1.1 (+https://developers.facebook.com/docs/sharing/webmasters/crawler)",
        "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
        "Mozilla/5.0 (compatible; PetalBot;+https://webmaster.petalsearch.com/site/petalbot)",
        "curl/8.5.0",
        "Wget/1.21.4",
        "python-requests/2.32.3",
        "Go-http-client/2.0",
        "Java/17.0.2",
        "PostmanRuntime/7.43.0",
        "Mozilla/5.0 (compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)",
        "Pingdom.com_bot_version_1.4_(http://www.pingdom.com/)",
        "WhatsApp/2.23.20.0",
        "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    ] {
        let agent = agents.read(header);
        assert!(agent.is_bot && agent.device == "bot", "{header}: {agent:?}");
    }
}

#[test]
fn bots_can_be_configured() {
    let config = EnrichConfig { bots: vec!["OurProbe".into(), "".into()], ..EnrichConfig::default() };
    let agents = Agents::new(&config);
    assert!(agents.read("ourprobe 1.0").is_bot);
    assert!(!agents.read("Mozilla/5.0").is_bot, "an empty entry is no pattern");
}

proptest::proptest! {
    #[test]
    fn nothing_panics(header in "\\PC*") {
        Agents::new(&EnrichConfig::default()).read(&header);
    }
}

#[test]
fn what_is_remembered_changes_nothing() {
    let agents = Agents::new(&EnrichConfig::default());
    let long = format!("{WIN} {}", "x".repeat(LONGEST_REMEMBERED));
    let headers = [WIN, "curl/8.5.0", "", &long, WIN];
    let first = agents.read_all(headers.into_iter());
    assert_eq!(first, headers.map(|header| agents.read(header)));
    assert_eq!(agents.read_all(headers.into_iter()), first);
    assert_eq!(agents.read.read().len(), 3, "the long one is not remembered");
    for index in 0..REMEMBERED {
        agents.read.write().insert(index.to_string().into(), Agent::default());
    }
    assert_eq!(agents.read_all(["curl/8.5.1"].into_iter())[0].device, "bot");
    assert_eq!(agents.read.read().len(), 1, "all were forgotten");
}
