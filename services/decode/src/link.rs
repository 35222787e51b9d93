//! Addresses of pages without what says who somebody is: links in newsletters carry the reader's address, and a form
//! that is sent by GET all that was typed into it.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::personal::{self, WITHHELD};

/// How deep links within links are looked into.
const MAX_DEPTH: u32 = 2;

/// The link without user and password, and with `[withheld]` in place of each value whose name says that it is an
/// e-mail address, a phone number or a person's name, and of each part with an e-mail address in it.
pub(crate) fn without_persons(link: &str) -> String {
    cleaned(link, 0)
}

fn cleaned(link: &str, depth: u32) -> String {
    // There is no value without `=` and no address without `@`, which may be written `%40`.
    if !link.bytes().any(|byte| matches!(byte, b'=' | b'@' | b'%')) {
        return link.to_owned();
    }
    let (scheme, mut rest) = without_user(link);
    let mut out = String::with_capacity(link.len());
    out.push_str(scheme);
    let mut in_query = false;
    loop {
        let mut end = rest.find(['/', ';', '&', '?', '#']).unwrap_or(rest.len());
        if in_query || rest[..end].contains('=') {
            // A value may hold slashes.
            end = rest.find(['&', '?', '#']).unwrap_or(rest.len());
        }
        write_part(&rest[..end], depth, &mut out);
        let Some(delimiter) = rest[end..].chars().next() else {
            return out;
        };
        out.push(delimiter);
        in_query = delimiter == '?' || (in_query && delimiter == '&');
        rest = &rest[end + 1..];
    }
}

/// A link's scheme with its slashes, and what follows the user and password.
fn without_user(link: &str) -> (&str, &str) {
    let Some(slashes) = link.find("//").filter(|at| !link[..*at].contains(['/', '?', '#'])) else {
        return ("", link);
    };
    let (scheme, rest) = link.split_at(slashes + "//".len());
    let authority = rest.find(['/', '?', '#']).map_or(rest, |end| &rest[..end]);
    (scheme, authority.rfind('@').map_or(rest, |at| &rest[at + 1..]))
}

/// Writes one segment of a path or one member of a query.
fn write_part(part: &str, depth: u32, out: &mut String) {
    let Some((name, value)) = part.split_once('=') else {
        out.push_str(if names_person(part, depth) { WITHHELD } else { part });
        return;
    };
    out.push_str(if names_person(name, depth) { WITHHELD } else { name });
    out.push('=');
    let is_withheld = !value.is_empty() && (personal::is_personal(&decoded(name), true) || names_person(value, depth));
    out.push_str(if is_withheld { WITHHELD } else { value });
}

/// Whether there is an e-mail address in a part, or a link from which something is withheld.
fn names_person(part: &str, depth: u32) -> bool {
    if !part.bytes().any(|byte| matches!(byte, b'=' | b'@' | b'%')) {
        return false;
    }
    let part = decoded(part);
    part.split([' ', '+', ',', ';', '<', '>']).any(personal::is_email_address)
        || (depth < MAX_DEPTH && cleaned(&part, depth + 1) != part)
}

fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(link: &str, expected: &str) {
        assert_eq!(without_persons(link), expected, "{link}");
    }

    #[test]
    fn values_under_a_persons_name_are_withheld() {
        for name in [
            "email",
            "E-Mail",
            "e_mail",
            "mail",
            "phone",
            "tel",
            "mobile",
            "name",
            "first_name",
            "lastName",
            "user%5Bemail%5D",
            "amp;email",
            "contact.phone",
        ] {
            check(
                &format!("https://h.example/p?a=1&{name}=x/y;z&b=2#top"),
                &format!("https://h.example/p?a=1&{name}=[withheld]&b=2#top"),
            );
        }
        check("?email=", "?email=");
        check("/p#email=x/y&a=1", "/p#email=[withheld]&a=1");
        check("https://h.example/#/route?phone=0612345678", "https://h.example/#/route?phone=[withheld]");
        check("/p;name=Jane/next?a=1", "/p;name=[withheld]?a=1");
    }

    #[test]
    fn addresses_are_withheld_under_any_name() {
        for address in [
            "carl@secret.example",
            "carl%40secret.example",
            "carl%2Bx%40secret.example",
            "carl+x@secret.example",
            "carl%2540secret.example",
            "a%40b.cd,carl%40secret.example",
            "Carl+%3Ccarl@secret.example%3E",
            "mailto:carl@secret.example",
        ] {
            check(&format!("https://h.example/p?u={address}&a=1"), "https://h.example/p?u=[withheld]&a=1");
            check(&format!("https://h.example/u/{address}/edit?a=1"), "https://h.example/u/[withheld]/edit?a=1");
            check(&format!("https://h.example/p?{address}"), "https://h.example/p?[withheld]");
            check(&format!("https://h.example/p?{address}=1"), "https://h.example/p?[withheld]=1");
            check(&format!("https://h.example/p#{address}"), "https://h.example/p#[withheld]");
            check(address, "[withheld]");
        }
    }

    #[test]
    fn links_within_links_are_looked_into() {
        check("/login?next=https%3A%2F%2Fh.example%2Fp%3Femail%3Dcarl", "/login?next=[withheld]");
        check("/login?next=/p%3Femail%3Dcarl%2540secret.example&a=1", "/login?next=[withheld]&a=1");
        check("/login?next=https://h.example/p?email=carl", "/login?next=https://h.example/p?email=[withheld]");
        check("/login?next=https://h.example/u/carl@secret.example", "/login?next=[withheld]");
        check("/login?next=https%3A%2F%2Fh.example%2Fp%3Fa%3D1", "/login?next=https%3A%2F%2Fh.example%2Fp%3Fa%3D1");
    }

    #[test]
    fn users_and_passwords_go() {
        check("https://carl:pass@h.example:8443/p?a=1", "https://h.example:8443/p?a=1");
        check("//carl@h.example", "//h.example");
        check("https://carl@secret.example@h.example/@x", "https://h.example/@x");
    }

    #[test]
    fn everything_else_stays_as_written() {
        for link in [
            "",
            "not a link",
            "https://h.example",
            "https://shop.example/pricing?utm_source=google&utm_medium=cpc&gclid=Cj0KCQ#top",
            "https://h.example/a=b/c;d=e?f&g=&=h&&i=%zz%ff#?x",
            "https://medium.example/@jane/post?utm_campaign=mail&product_name=Shirt&page=2",
            "https://maps.example/@48.85,2.35,15z?q=50%25+off",
            "https://h.example/größe?q=日本%20語&x=1",
        ] {
            check(link, link);
        }
    }

    #[test]
    fn deep_nesting_costs_little() {
        let link = format!("?a=%{}40b", "25".repeat(500_000));
        check(&link, &link);
    }

    proptest::proptest! {
        #[test]
        fn no_link_panics_and_cleaning_again_changes_nothing(link in "[a-c:/?#@&;=%+.,é\\[\\]24 ]{0,40}|\\PC*") {
            let once = without_persons(&link);
            proptest::prop_assert_eq!(without_persons(&once), once);
        }
    }
}
