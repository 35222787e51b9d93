//! The shop that the people of a scenario visit.

use rand::Rng;
use rand::seq::IndexedRandom;

/// A product and its price in cents.
pub(crate) const PRODUCTS: [(&str, i64); 6] = [
    ("trail-shoes", 11_990),
    ("rain-jacket", 18_900),
    ("day-pack", 7_450),
    ("wool-socks", 1_695),
    ("head-torch", 4_299),
    ("camp-stove", 8_999),
];

/// How a visit begins: (query string, referrer, weight).
const ARRIVALS: [(&str, &str, u32); 12] = [
    ("", "", 30),
    ("", "https://www.google.com/", 16),
    ("", "https://www.bing.com/search?q=trail+shoes", 3),
    ("", "https://www.baidu.com/s?wd=shoes", 2),
    ("", "https://blog.hiking-example.org/gear", 5),
    ("utm_source=google&utm_medium=cpc&utm_campaign=brand&gclid={id}", "https://www.google.com/", 12),
    ("utm_source=google&utm_medium=cpc&utm_campaign=shoes%20sale&gclid={id}", "https://www.google.com/", 8),
    ("utm_source=facebook&utm_medium=paid_social&utm_campaign=spring&fbclid={id}", "https://l.facebook.com/", 9),
    ("utm_source=newsletter&utm_medium=email&utm_campaign=weekly", "", 8),
    ("fbclid={id}", "https://m.facebook.com/", 3),
    ("utm_source=tiktok&utm_medium=paid_social&utm_campaign=__CAMPAIGN_NAME__&ttclid={id}", "", 2),
    ("utm_source=partner&utm_medium=affiliate&utm_campaign=blogs&irclickid={id}", "https://partner.example.net/", 2),
];

const AGENTS: [&str; 6] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3 Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_3_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.6943.126 Mobile Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:135.0) Gecko/20100101 Firefox/135.0",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
];

/// Query string and referrer of a visit's landing page.
pub(crate) fn arrival(random: &mut impl Rng) -> (String, &'static str) {
    let (query, referrer, _) =
        ARRIVALS.choose_weighted(random, |arrival| arrival.2).expect("the weights are positive constants");
    let id = format!("{:016x}", random.random::<u64>());
    (query.replace("{id}", &id), referrer)
}

/// A User-Agent header; one visitor in forty is a crawler.
pub(crate) fn agent(random: &mut impl Rng) -> &'static str {
    let last = AGENTS.len() - 1;
    AGENTS[if random.random_ratio(1, 40) { last } else { random.random_range(0..last) }]
}
