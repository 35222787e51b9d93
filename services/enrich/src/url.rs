use schemas::Text;

/// The parts of a URL that marketing reads. Whatever is given, something comes back: a URL is written by a browser, an
/// app, an export or a person, and none of them may stop a partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Url<'a> {
    /// Lower case, without user, port, `www.` and trailing dot; empty when there is none.
    pub(crate) host: Text,
    /// From the first slash to the query; `/` when a host has nothing behind it.
    pub(crate) path: &'a str,
    /// Behind the question mark, not decoded.
    pub(crate) query: &'a str,
    /// Behind the hash, not decoded.
    pub(crate) fragment: &'a str,
}

impl<'a> Url<'a> {
    /// Takes a URL apart: absolute, without scheme (`//host/path`, `host/path`), or relative.
    pub(crate) fn parse(text: &'a str) -> Url<'a> {
        let text = text.trim();
        let (before, fragment) = text.split_once('#').unwrap_or((text, ""));
        let (before, query) = before.split_once('?').unwrap_or((before, ""));
        let Some((authority, path)) = split_authority(before) else {
            return if is_opaque(before) {
                Url::default()
            } else {
                Url { host: Text::default(), path: before, query, fragment }
            };
        };
        let host = host_of(authority);
        let path = if path.is_empty() && !host.is_empty() { "/" } else { path };
        Url { host, path, query, fragment }
    }
}

/// Splits what stands before the query into authority and path; `None` when there is no authority.
fn split_authority(before: &str) -> Option<(&str, &str)> {
    let slash = |c| matches!(c, '/' | '\\');
    let rest = match before.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) => rest,
        _ => match before.strip_prefix("//") {
            Some(rest) => rest,
            None if before.starts_with(slash) => return None,
            None => {
                let first = before.split(slash).next().unwrap_or_default();
                return looks_like_host(first).then(|| before.split_at(first.len()));
            }
        },
    };
    Some(rest.split_at(rest.find(slash).unwrap_or(rest.len())))
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

/// `mailto:…`, `about:blank`, `javascript:…`: a scheme and no place.
fn is_opaque(before: &str) -> bool {
    before.split_once(':').is_some_and(|(scheme, _)| is_scheme(scheme) && !scheme.contains('.'))
}

/// Whether the first segment of a text without scheme is a host and no file name: `shop.example`, not `index.html`.
fn looks_like_host(segment: &str) -> bool {
    const FILES: [&str; 9] = ["html", "htm", "php", "asp", "aspx", "jsp", "js", "css", "xml"];
    let name = segment.split(':').next().unwrap_or_default();
    let Some((front, last)) = name.rsplit_once('.') else {
        return name == "localhost";
    };
    let is_domain = !front.is_empty()
        && !front.starts_with('.')
        && last.len() >= 2
        && last.chars().all(char::is_alphabetic)
        && !FILES.iter().any(|file| last.eq_ignore_ascii_case(file));
    is_domain || name.parse::<std::net::Ipv4Addr>().is_ok()
}

fn host_of(authority: &str) -> Text {
    /// Longest name that the domain system allows.
    const LONGEST: usize = 253;
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = match host.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((inner, _)) => inner,
        None => host.split(':').next().unwrap_or_default(),
    };
    let host = host.trim_end_matches('.');
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ':') || !c.is_ascii();
    if host.len() > LONGEST || host.starts_with('.') || !host.chars().all(is_name) {
        return Text::default();
    }
    let mut host = if host.is_ascii() { Text::new(host) } else { Text::from(host.to_lowercase()) };
    host.make_ascii_lowercase();
    match host.strip_prefix("www.") {
        Some(rest) if rest.contains('.') => Text::new(rest),
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, host: &str, path: &str, query: &str, fragment: &str) {
        let url = Url::parse(text);
        assert_eq!((url.host.as_str(), url.path, url.query, url.fragment), (host, path, query, fragment), "{text}");
    }

    #[test]
    fn urls_as_they_come() {
        check("https://Shop.Example/a/b?x=1#top", "shop.example", "/a/b", "x=1", "top");
        check("https://www.shop.example", "shop.example", "/", "", "");
        check("https://shop.example?utm_source=a", "shop.example", "/", "utm_source=a", "");
        check("https://shop.example#a?b", "shop.example", "/", "", "a?b");
        check("http://user:pass@shop.example:8080/a", "shop.example", "/a", "", "");
        check("HTTP://WWW.SHOP.EXAMPLE./", "shop.example", "/", "", "");
        check("//cdn.shop.example/a", "cdn.shop.example", "/a", "", "");
        check("shop.example/a?b=c", "shop.example", "/a", "b=c", "");
        check("shop.example:8080/a", "shop.example", "/a", "", "");
        check("localhost:3000/a", "localhost", "/a", "", "");
        check("/a/b?c=d", "", "/a/b", "c=d", "");
        check("index.html?c=d", "", "index.html", "c=d", "");
        check("?c=d", "", "", "c=d", "");
        check("", "", "", "", "");
        check("   https://shop.example/a  ", "shop.example", "/a", "", "");
        check("https://[2001:DB8::1]:443/a", "2001:db8::1", "/a", "", "");
        check("http://192.168.0.1:8080/a", "192.168.0.1", "/a", "", "");
        check("192.168.0.1/a", "192.168.0.1", "/a", "", "");
        check("android-app://com.google.android.gm/", "com.google.android.gm", "/", "", "");
        check("https://Bücher.Example/ä", "bücher.example", "/ä", "", "");
        check("https://xn--bcher-kva.example/", "xn--bcher-kva.example", "/", "", "");
        check("https://MÜNCHEN.example/", "münchen.example", "/", "", "");
        check("https:\\\\shop.example", "", "", "", "");
        check("https://shop.example\\a", "shop.example", "\\a", "", "");
        check("about:blank", "", "", "", "");
        check("mailto:a@b.example?subject=x", "", "", "", "");
        check("javascript:void(0)", "", "", "", "");
        check("data:text/html,hi", "", "", "", "");
        check("file:///tmp/a.html", "", "/tmp/a.html", "", "");
        check("https://", "", "", "", "");
        check("https:///a", "", "/a", "", "");
        check("https://bad host/a", "", "/a", "", "");
        check("https://www./a", "www", "/a", "", "");
        check("https://www.com/a", "www.com", "/a", "", "");
        check("1.5", "", "1.5", "", "");
        check("not a url", "", "not a url", "", "");
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "\\PC*") {
            Url::parse(&text);
        }

        #[test]
        fn nothing_that_looks_like_a_url_panics(text in "[a-z:/?#@\\[\\]\\\\.%é🙂 ]{0,40}") {
            let url = Url::parse(&text);
            prop_assert_eq!(url.host.to_lowercase(), url.host.as_str());
        }
    }
}
