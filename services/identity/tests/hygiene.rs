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
    // Real values that look like placeholders.
    ("user_id", "test-1234", Is("test-1234")), ("user_id", "guest-77", Is("guest-77")), ("user_id", "nulla", Is("nulla")),
    ("user_id", "Nanette", Is("Nanette")), ("user_id", "userid-5", Is("userid-5")), ("user_id", "1001", Is("1001")),
    ("user_id", "111111", Is("111111")), ("user_id", "12345678", Is("12345678")), ("user_id", "0000417", Is("0000417")),
    ("user_id", "tom", Is("tom")), ("user_id", "demo@shop.test", Is("demo@shop.test")), ("user_id", "-17", Is("-17")),
    ("user_id", "x1", Is("x1")), ("user_id", "__ga_17", Is("__ga_17")), ("user_id", "a%b%c", Is("a%b%c")),
    ("user_id", "测试员小王", Is("测试员小王")), ("user_id", "гостев", Is("гостев")), ("user_id", "अतिथिराज", Is("अतिथिराज")),
    ("anonymous_id", "$device:17f9a", Is("$device:17f9a")),
    ("device_id", "{6D92078A-8246-4BA4-AE5B-76104861E7DC}", Is("{6D92078A-8246-4BA4-AE5B-76104861E7DC}")),
    ("device_id", "ffffffff-ffff-ffff-ffff-fffffffffffe", Is("ffffffff-ffff-ffff-ffff-fffffffffffe")),
    ("email", "nan@doe.org", Is("nan@doe.org")), ("email", "nanette@doe.org", Is("nanette@doe.org")),
    ("email", "testa@doe.org", Is("testa@doe.org")), ("email", "gast@doe.org", Is("gast@doe.org")),
    ("email", "jennifer.null@doe.org", Is("jennifer.null@doe.org")), ("email", "n.o@doe.org", Is("n.o@doe.org")),
    ("email", "user123@doe.org", Is("user123@doe.org")), ("email", "bob@bob.com", Is("bob@bob.com")),
    ("email", "infante@doe.org", Is("infante@doe.org")), ("email", "jane@example.com", Is("jane@example.com")),
    ("email", "nora.replyson@doe.org", Is("nora.replyson@doe.org")), ("email", "art@doe.org", Is("art@doe.org")),
    ("phone", "+1 415 555 2671", Is("+14155552671")), ("phone", "+49 1511 2345670", Is("+4915112345670")),
    // Ways of writing one placeholder.
    ("user_id", "not set", Junk), ("user_id", "Not-Set", Junk), ("user_id", "NOT__SET", Junk), ("user_id", "(not provided)", Junk),
    ("user_id", "-- none --", Junk), ("user_id", "*** UNKNOWN ***", Junk), ("user_id", "[null]", Junk), ("user_id", "n/a.", Junk),
    ("user_id", "“null”", Junk), ("user_id", "ｎｕｌｌ", Junk), ("user_id", "ＧＵＥＳＴ", Junk), ("user_id", "Invite\u{301}", Junk),
    ("user_id", "undefined undefined", Junk), ("user_id", "[object HTMLInputElement]", Junk), ("user_id", "Invalid Date", Junk),
    ("user_id", "Infinity", Junk), ("user_id", "dbnull", Junk), ("user_id", "#REF!", Junk), ("user_id", "Walk-In", Junk),
    ("user_id", "walk_in customer", Junk), ("user_id", "Guest Checkout", Junk), ("user_id", "1234567890", Junk),
    ("loyalty_id", "9999999999", Junk), ("loyalty_id", "9999-9999-9999", Junk), ("loyalty_id", "xxxx", Junk),
    ("loyalty_id", "11111111", Junk), ("user_id", "asdf", Junk), ("user_id", "Lorem ipsum", Junk),
    // What many devices report.
    ("device_id", "02:00:00:00:00:00", Junk), ("device_id", "00:00:00:00:00:00", Junk), ("device_id", "9774D56D682E549C", Junk),
    ("device_id", "000000000000000", Junk), ("device_id", "0123456789ABCDEF", Junk), ("advertising_id", "00000000-0000-0000-0000-000000000000", Junk),
    ("device_id", "123e4567-e89b-12d3-a456-426614174000", Junk), ("anonymous_id", "deadbeef-dead-beef-dead-beefdeadbeef", Junk),
    // Digests of nothing, in fields that should hold an id.
    ("user_id", "d41d8cd98f00b204e9800998ecf8427e", Junk), ("crm_id", "DA39A3EE5E6B4B0D3255BFEF95601890AFD80709", Junk),
    ("user_id", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", Junk),
    ("user_id", "37a6259cc0c1dae299a7866489dff0bd", Junk), ("user_id", "5e543256c480ac577d30f76f9120eb74", Junk),
    // More languages.
    ("user_id", "無名氏", Junk), ("user_id", "微信用户", Junk), ("user_id", "散客", Junk), ("user_id", "默认用户", Junk), ("user_id", "未注册", Junk),
    ("user_id", "名無し", Junk), ("user_id", "ユーザー", Junk), ("user_id", "非会員", Junk), ("user_id", "テスト", Junk), ("user_id", "未入力", Junk),
    ("user_id", "비회원", Junk), ("user_id", "알 수 없음", Junk), ("user_id", "익명", Junk), ("user_id", "테스트", Junk), ("user_id", "손님", Junk),
    ("user_id", "НЕИЗВЕСТНО", Junk), ("user_id", "Не указано", Junk), ("user_id", "нет данных", Junk), ("user_id", "тест", Junk),
    ("user_id", "Аноним", Junk), ("user_id", "невідомо", Junk), ("user_id", "Keine Angabe", Junk), ("user_id", "k.A.", Junk),
    ("user_id", "Laufkunde", Junk), ("user_id", "Max Mustermann", Junk), ("user_id", "Non renseigné", Junk), ("user_id", "NÉANT", Junk),
    ("user_id", "client de passage", Junk), ("user_id", "Público en general", Junk), ("user_id", "CONSUMIDOR FINAL", Junk),
    ("user_id", "sin nombre", Junk), ("user_id", "não informado", Junk), ("user_id", "Nao Informado", Junk), ("user_id", "usuário", Junk),
    ("user_id", "sconosciuto", Junk), ("user_id", "Cliente Generico", Junk), ("user_id", "nessuno", Junk), ("user_id", "N.v.t.", Junk),
    ("user_id", "onbekend", Junk), ("user_id", "Brak danych", Junk), ("user_id", "gość", Junk), ("user_id", "neznámý", Junk),
    ("user_id", "BİLİNMİYOR", Junk), ("user_id", "isimsiz", Junk), ("user_id", "ziyaretçi", Junk), ("user_id", "okänd", Junk),
    ("user_id", "tuntematon", Junk), ("user_id", "ismeretlen", Junk), ("user_id", "necunoscut", Junk), ("user_id", "άγνωστος", Junk),
    ("user_id", "nepoznato", Junk), ("user_id", "غير معروف", Junk), ("user_id", "زائر", Junk), ("user_id", "مجهول", Junk), ("user_id", "ناشناس", Junk),
    ("user_id", "نامعلوم", Junk), ("user_id", "אנונימי", Junk), ("user_id", "לא ידוע", Junk), ("user_id", "अज्ञात", Junk), ("user_id", "अतिथि", Junk),
    ("user_id", "मेहमान", Junk), ("user_id", "कोई नहीं", Junk), ("user_id", "অজানা", Junk), ("user_id", "không có", Junk),
    ("user_id", "KHÁCH LẺ", Junk), ("user_id", "ไม่ทราบ", Junk), ("user_id", "ไม่ระบุ", Junk), ("user_id", "tidak diketahui", Junk), ("user_id", "tamu", Junk),
    // More templates.
    ("user_id", "%7B%7Buser.id%7D%7D", Junk), ("user_id", "%24%7BuserId%7D", Junk), ("user_id", "%5BUSER_ID%5D", Junk),
    ("user_id", "#USERID#", Junk), ("user_id", "$userid$", Junk), ("user_id", "@@ID@@", Junk), ("user_id", "((user_id))", Junk),
    ("user_id", "«user_id»", Junk), ("user_id", "[[user]]", Junk), ("user_id", "[%user.id%]", Junk), ("user_id", "{0}", Junk),
    ("user_id", "%s", Junk), ("user_id", "%%=v(@id)=%%", Junk), ("anonymous_id", "{clickid}", Junk), ("email", "%%emailaddr%%", Junk),
    ("email", "*|EMAIL|*", Junk), ("email", "[email]@doe.org", Junk), ("user_id", "@{triggerBody()?['id']}", Junk),
    // More addresses.
    ("email", "ｊａｎｅ＠ｄｏｅ．ｏｒｇ", Is(JANE)), ("email", "jane%40doe.org", Is(JANE)), ("email", "\u{2068}jane@doe.org\u{2069}", Is(JANE)),
    ("email", "ja\u{200b}ne@doe.org", Is(JANE)), ("email", "jane@doe.o", Junk),
    ("email", "no.reply@doe.org", Junk), ("email", "noreply-orders@doe.org", Junk), ("email", "No_Reply2@doe.org", Junk),
    ("email", "ne-pas-repondre@doe.org", Junk), ("email", "nicht-antworten@doe.org", Junk), ("email", "nao-responda@doe.org", Junk),
    ("email", "no-responder@doe.org", Junk), ("email", "mailer-daemon@doe.org", Junk), ("email", "bounce-4711@doe.org", Junk),
    ("email", "test42@doe.org", Junk), ("email", "test.user@doe.org", Junk), ("email", "no-email@doe.org", Junk), ("email", "keine@doe.org", Is("keine@doe.org")),
    ("email", "keine-email@doe.org", Junk), ("email", "sincorreo@doe.org", Junk), ("email", "asdf@doe.org", Junk), ("email", "a@a.com", Junk),
    ("email", "123@123.com", Junk), ("email", "xxx@doe.org", Junk), ("email", "тест@doe.org", Junk), ("email", "匿名@doe.org", Junk),
    // SHA-256 of test@test.com and noreply@example.com.
    ("email", "f660ab912ec121d1b1e928a0bb4bc61b15f5ad44d5efdc4e1c92a25e99b8e44a", Junk),
    ("email", "1cda5bd6e45a02b158eb2bd4c364c0b7ad30a2fce6bdaba38d985d4d42682d79", Junk),
    // More groups of people.
    ("email", "office@doe.org", Alone("office@doe.org")), ("email", "contato@doe.org", Alone("contato@doe.org")),
    ("email", "comercial@doe.org", Alone("comercial@doe.org")), ("email", "segreteria@doe.org", Alone("segreteria@doe.org")),
    ("email", "biuro@doe.org", Alone("biuro@doe.org")), ("email", "bilgi@doe.org", Alone("bilgi@doe.org")),
    ("email", "客服@doe.org", Alone("客服@doe.org")), ("email", "accueil@doe.org", Alone("accueil@doe.org")),
    // More numbers.
    ("phone", "+49\u{200b}151\u{2060}12345678", Is("+4915112345678")), ("phone", "\u{2068}+49 151 12345678\u{2069}", Is("+4915112345678")),
    ("phone", "+86 138 0013 8000", Junk), ("phone", "+86 138 0000 0000", Junk), ("phone", "+86 138 8888 8888", Junk),
    ("phone", "+1 415 555 0123", Junk), ("phone", "+44 7700 900123", Junk), ("phone", "+91 98765 43210", Junk),
    ("phone", "+33 6 00 00 00 00", Junk), ("phone", "+1 234 567 8901", Junk), ("phone", "+82 10-1234-5678", Junk),
    ("phone", "unknown", Junk), ("phone", "{{phone}}", Junk), ("phone", "+49 151 123456789012", Junk),
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
    assert!(CASES.len() >= 350, "the table has {} cases", CASES.len());
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
    assert!(hasher.key("user_id", &"xy".repeat(128)).is_some());
    assert!(hasher.key("user_id", &format!("{}z", "xy".repeat(128))).is_none());
    assert!(hasher.key("user_id", &format!("  {}  ", "xy".repeat(128))).is_some());
    assert!(hasher.key("email", &format!("{}z@doe.org", "xy".repeat(32))).is_none());
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

/// Numbers as people of a region write them at home.
#[test]
fn each_region_reads_its_own_numbers() {
    let cases = [
        ("DE", "030/901820-0", "+49309018200"),
        ("DE", "(0 30) 90 18 20", "+4930901820"),
        ("US", "(415) 555-2671", "+14155552671"),
        ("US", "1-415-555-2671", "+14155552671"),
        ("US", "011 49 151 12345678", "+4915112345678"),
        ("CN", "13812345679", "+8613812345679"),
        ("CN", "138 1234 5679", "+8613812345679"),
        ("CN", "010-6552 9988", "+861065529988"),
        ("RU", "8 (916) 765-43-21", "+79167654321"),
        ("RU", "+7 916 765 43 21", "+79167654321"),
        ("JP", "090-8765-4321", "+819087654321"),
        ("JP", "０９０－８７６５－４３２１", "+819087654321"),
        ("KR", "010-8765-4321", "+821087654321"),
        ("FR", "06 12 34 56 79", "+33612345679"),
        ("GB", "07911 123457", "+447911123457"),
        ("ES", "612 34 56 79", "+34612345679"),
        ("IT", "06 6982 1234", "+390669821234"),
        ("IT", "347 123 4568", "+393471234568"),
        ("BR", "(11) 98765-4321", "+5511987654321"),
        ("IN", "098765 43211", "+919876543211"),
        ("IN", "९८७६५४३२११", "+919876543211"),
        ("TR", "0532 765 43 21", "+905327654321"),
        ("AE", "٠٥٠ ٧٦٥ ٤٣٢١", "+971507654321"),
        ("IR", "۰۹۱۲ ۳۴۵ ۶۷۸۹", "+989123456789"),
        ("PL", "512 345 679", "+48512345679"),
        ("MX", "55 8765 4321", "+525587654321"),
    ];
    let wrong: Vec<String> = cases
        .iter()
        .filter(|(region, written, e164)| {
            let rules = Rules { default_region: Some((*region).into()), ..Rules::default() };
            let hasher = Hasher::new(b"s", rules).unwrap();
            let key = hasher.key("phone", written);
            key.is_none() || key != hasher.key("phone", e164)
        })
        .map(|case| format!("{case:?}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn newly_blocked_values_are_known_by_their_keys() {
    let rules = |values: &[&str], phones: &[&str]| {
        let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect();
        Hasher::new(b"s", Rules { blocked_values: list(values), own_phones: list(phones), ..Rules::default() }).unwrap()
    };
    let before = rules(&["walk-in"], &[]);
    let known = |kind: &str, value: &str| before.key(kind, value).unwrap();
    let after = rules(&["WALK-IN", "kiosk seven", "shop@doe-family.org"], &["+49 30 901820"]);
    let blocked = after.newly_blocked(&before);
    for value in ["kiosk seven", "Kiosk Seven", "KIOSK SEVEN"] {
        assert!(blocked.contains(&known("user_id", value)) && blocked.contains(&known("loyalty_id", value)), "{value}");
        assert!(after.key("user_id", value).is_none());
    }
    assert!(blocked.contains(&known("email", "shop@doe-family.org")));
    assert!(blocked.contains(&known("phone", "+49 30 901820")));
    assert!(!blocked.contains(&known("user_id", "kiosk eight")));
    assert!(blocked.is_sorted_by_key(|identifier| (identifier.kind, identifier.key)));
    assert_eq!(after.newly_blocked(&after), []);
    assert_eq!(before.newly_blocked(&after), []);
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
