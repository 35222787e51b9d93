/// Second-level names under which countries register domains (`shop.co.uk`). The public suffix list has thousands of
/// entries; these cover what matters for "is this the same site", and own hosts can be configured.
const SECOND_LEVEL: [&str; 13] = ["co", "com", "org", "net", "gov", "edu", "ac", "ne", "or", "go", "gob", "nom", "ltd"];

/// Domains under which every name belongs to somebody else.
const HOSTING: [&str; 24] = [
    "blogspot.com",
    "wordpress.com",
    "myshopify.com",
    "github.io",
    "gitlab.io",
    "netlify.app",
    "vercel.app",
    "pages.dev",
    "workers.dev",
    "web.app",
    "firebaseapp.com",
    "herokuapp.com",
    "azurewebsites.net",
    "cloudfront.net",
    "amazonaws.com",
    "wixsite.com",
    "webflow.io",
    "squarespace.com",
    "substack.com",
    "tumblr.com",
    "weebly.com",
    "onrender.com",
    "fly.dev",
    "youzan.com",
];

/// How many bytes of a lower-case host are its public suffix, the dot before it included: 4 for `shop.com`, 6 for
/// `shop.co.uk`. The whole host when it is nothing but a suffix or an address.
pub(crate) fn suffix_start(host: &str) -> usize {
    if host.contains(':') || host.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return host.len();
    }
    let Some(last) = host.rfind('.') else {
        return host.len();
    };
    if let Some(hosting) = HOSTING.iter().find(|hosting| is_under(host, hosting)) {
        let start = host.len() - hosting.len();
        return start.saturating_sub(1);
    }
    let country = host.len() - last - 1 == 2;
    let second = host[..last].rfind('.');
    match second {
        Some(second) if country && SECOND_LEVEL.contains(&&host[second + 1..last]) => second,
        _ => last,
    }
}

/// The part that is registered as a whole: `shop.co.uk` of `www.m.shop.co.uk`.
pub(crate) fn registrable(host: &str) -> &str {
    let stem = &host[..suffix_start(host)];
    match stem.rfind('.') {
        Some(dot) if stem.len() < host.len() => &host[dot + 1..],
        _ => host,
    }
}

/// Whether a host is a domain or one of its subdomains.
pub(crate) fn is_under(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|front| front.is_empty() || front.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registrable_domains() {
        for (host, expect) in [
            ("shop.example", "shop.example"),
            ("a.b.shop.example", "shop.example"),
            ("m.shop.co.uk", "shop.co.uk"),
            ("shop.co.uk", "shop.co.uk"),
            ("co.uk", "co.uk"),
            ("m.shop.com.cn", "shop.com.cn"),
            ("news.shop.de", "shop.de"),
            ("com.shop.de", "shop.de"),
            ("a.myshopify.com", "a.myshopify.com"),
            ("x.a.myshopify.com", "a.myshopify.com"),
            ("myshopify.com", "myshopify.com"),
            ("localhost", "localhost"),
            ("192.168.0.1", "192.168.0.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("", ""),
            ("m.bücher.example", "bücher.example"),
        ] {
            assert_eq!(registrable(host), expect, "{host}");
        }
    }

    #[test]
    fn under_a_domain() {
        assert!(is_under("a.shop.example", "shop.example"));
        assert!(is_under("shop.example", "shop.example"));
        assert!(!is_under("myshop.example", "shop.example"));
        assert!(!is_under("example", "shop.example"));
    }
}
