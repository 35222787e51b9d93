//! Which members of a record say who somebody is. They must not reach `properties`, which analysts read in the clear.

/// What stands in place of a text that is somebody's e-mail address.
pub(crate) const WITHHELD: &str = "[withheld]";

/// Objects that describe a person (a form's fields among them), and so hold a `name` that is a person's.
const PERSONS: [&str; 27] = [
    "account_owner",
    "agent",
    "answers",
    "assignee",
    "author",
    "billing",
    "billing_address",
    "cardholder",
    "contact",
    "customer",
    "fields",
    "form_data",
    "form_fields",
    "lead",
    "owner",
    "person",
    "recipient",
    "requester",
    "responses",
    "sender",
    "shipping",
    "shipping_address",
    "submitter",
    "traits",
    "user",
    "user_data",
    "visitor",
];

/// Last words of names whose value is an address or number that reaches a person.
const CONTACT_WORDS: [&str; 11] =
    ["email", "emails", "mail", "phone", "phones", "mobile", "telephone", "tel", "msisdn", "cellphone", "whatsapp"];

/// Last two words likewise.
const CONTACT_PAIRS: [(&str, &str); 8] = [
    ("e", "mail"),
    ("email", "address"),
    ("mail", "address"),
    ("phone", "number"),
    ("mobile", "number"),
    ("telephone", "number"),
    ("mobile", "phone"),
    ("cell", "phone"),
];

/// Words before `name` that make it a person's.
const NAMING_WORDS: [&str; 17] = [
    "agent",
    "billing",
    "cardholder",
    "contact",
    "customer",
    "family",
    "first",
    "full",
    "given",
    "last",
    "maiden",
    "middle",
    "person",
    "recipient",
    "requester",
    "shipping",
    "user",
];

/// Names that are a person's without another word.
const NAMES: [&str; 6] = ["firstname", "fullname", "lastname", "surname", "nickname", "middlename"];

/// Whether an object of this name describes a person.
pub(crate) fn is_person(key: &str) -> bool {
    with_words(key, |words| {
        let joined = words.join("_");
        PERSONS.binary_search(&joined.as_str()).is_ok()
    })
}

/// Whether the member's value is an e-mail address, a phone number or a person's name. `in_person` tells that the
/// object around it describes a person.
pub(crate) fn is_personal(key: &str, in_person: bool) -> bool {
    if !may_be_personal(key) {
        return false;
    }
    with_words(key, |words| match words {
        [.., last] if CONTACT_WORDS.contains(last) || NAMES.contains(last) => true,
        [.., before, last] if CONTACT_PAIRS.contains(&(before, last)) => true,
        [.., before, "name"] => NAMING_WORDS.contains(before),
        ["name"] => in_person,
        ["emailaddress" | "phonenumber" | "mobilenumber"] => true,
        _ => false,
    })
}

/// Whether a text is an e-mail address and nothing else. In what was a link once, the `@` is a `%40`.
pub(crate) fn is_email_address(text: &str) -> bool {
    let text = text.trim();
    let Some((local, domain)) = text.split_once('@').or_else(|| text.split_once("%40")) else {
        return false;
    };
    let is_part = |part: &str| !part.is_empty() && !part.contains([' ', '\t', '\n', '/', ',', ';', '@', '<', '>']);
    is_part(local) && is_part(domain) && domain.contains('.') && !domain.starts_with('.') && !domain.ends_with('.')
}

/// Whether a text is a phone number in its international form and nothing else. Without the plus it would be any number.
pub(crate) fn is_phone_number(text: &str) -> bool {
    let Some(number) = text.trim().strip_prefix('+') else {
        return false;
    };
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    (8..=15).contains(&digits)
        && number.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b' ' | b'-' | b'.' | b'(' | b')' | b'/'))
}

/// A quick look that spares most names the split into words: all words above hold one of these pairs of letters.
fn may_be_personal(key: &str) -> bool {
    // Setting this bit makes an ASCII letter lower case; what it makes of other bytes does no harm.
    const LOWER: u8 = 0x20;
    let mut before = 0;
    key.bytes().any(|byte| {
        let pair = [std::mem::replace(&mut before, byte | LOWER), byte | LOWER];
        matches!(&pair, b"am" | b"ai" | b"ho" | b"ob" | b"te" | b"ms" | b"wh")
    })
}

/// Calls `check` with the words of a name in lower case: `Billing-eMail`, `billingEmail` and `billing_email` have the
/// same two, but for the second word of the first.
fn with_words(key: &str, check: impl FnOnce(&[&str]) -> bool) -> bool {
    let mut spaced = String::with_capacity(key.len() + 4);
    let mut before = ' ';
    for character in key.chars() {
        if character.is_uppercase() && before.is_lowercase() {
            spaced.push(' ');
        }
        if character.is_alphanumeric() {
            spaced.extend(character.to_lowercase());
        } else {
            spaced.push(' ');
        }
        before = character;
    }
    let words: Vec<&str> = spaced.split_whitespace().collect();
    check(&words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_persons_is_sorted() {
        assert!(PERSONS.is_sorted());
    }

    #[test]
    fn every_word_passes_the_quick_look() {
        for word in
            CONTACT_WORDS.iter().chain(&NAMES).chain([&"name", &"emailaddress", &"phonenumber", &"mobilenumber"])
        {
            assert!(may_be_personal(word), "{word}");
        }
        for (first, second) in CONTACT_PAIRS {
            assert!(may_be_personal(first) || may_be_personal(second), "{first} {second}");
        }
    }

    #[test]
    fn personal_names_are_found_however_they_are_spelled() {
        for key in [
            "email",
            "Email",
            "e-mail",
            "e_mail",
            "userEmail",
            "user_email",
            "BILLING EMAIL",
            "emailAddress",
            "email_address",
            "emailaddress",
            "phone",
            "contactPhone",
            "phone_number",
            "phoneNumber",
            "mobile",
            "tel",
            "first_name",
            "firstName",
            "lastname",
            "Full Name",
            "customer.name",
            "cardholder_name",
        ] {
            assert!(is_personal(key, false), "{key}");
        }
        assert!(is_personal("name", true));
    }

    #[test]
    fn other_names_stay() {
        for key in [
            "name",
            "product_name",
            "campaign_name",
            "filename",
            "email_opened",
            "email_count",
            "headphone",
            "hotel",
            "items",
            "sku",
            "ticket_name",
            "page_name",
            "mailing_list",
            "template",
            "domain",
            "mobile_app",
        ] {
            assert!(!is_personal(key, false), "{key}");
        }
    }

    #[test]
    fn persons_are_known_by_name() {
        for key in ["requester", "Customer", "billingAddress", "shipping_address", "user"] {
            assert!(is_person(key), "{key}");
        }
        for key in ["item", "product", "campaign", "users_count"] {
            assert!(!is_person(key), "{key}");
        }
    }

    #[test]
    fn addresses_are_known_by_their_shape() {
        for text in [" Jane.Roe+x@example.co.uk ", "jane%40example.com"] {
            assert!(is_email_address(text), "{text}");
        }
        for text in ["jane@", "@example.com", "a@b", "write to jane@example.com", "https://x.y/@z", "a@b@c.d", "a@.d"] {
            assert!(!is_email_address(text), "{text}");
        }
    }
}
