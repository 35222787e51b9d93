//! What a statement may carry and how it fails.

use crate::running::front;

#[test]
fn routes_answer_as_a_servers_do() {
    let front = front();
    assert_eq!(front.run("SELECT 1, 'a'"), "1\ta\n");
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let get = |path: &str, parameters: &[(&str, &str)]| {
        let mut response = agent.get(front.url(path, parameters)).call().unwrap();
        (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
    };
    assert_eq!(get("ping", &[]), (200, "Ok.\n".into()));
    assert_eq!(get("", &[]), (200, "Ok.\n".into()));
    assert_eq!(get("", &[("query", "SELECT 2")]), (200, "2\n".into()));
    assert_eq!(get("nowhere", &[]).0, 404);
    let (status, text) = get("", &[("query", "CREATE TABLE x (a Int8) ENGINE = Memory")]);
    assert_eq!(status, 500);
    assert!(text.starts_with("Code: 164. DB::Exception: Cannot execute query in readonly mode"), "{text}");
}

#[test]
fn errors_carry_clickhouses_number_text_and_status() {
    let front = front();
    let cases = [
        ("SELECT nope", 404, 47, "UNKNOWN_IDENTIFIER"),
        ("SELECT * FROM no.table", 404, 81, "UNKNOWN_DATABASE"),
        ("SELECT 1 FORMAT Nope", 404, 73, "UNKNOWN_FORMAT"),
        ("selec 1", 400, 62, "SYNTAX_ERROR"),
        ("SELECT 1 +", 400, 62, "SYNTAX_ERROR"),
        ("SELECT 1; SELECT 2", 400, 62, "Multi-statements are not allowed"),
        ("SELECT throwIf(number = 3, 'own words') FROM numbers(5)", 500, 395, "own words"),
        ("SELECT 1 INTO OUTFILE '/tmp/x'", 500, 344, "INTO OUTFILE is not allowed"),
    ];
    for (statement, status, code, text) in cases {
        let answer = front.ask(statement, &[]);
        assert_eq!(answer.status, status, "{statement}: {}", answer.body);
        assert_eq!(answer.header("x-clickhouse-exception-code"), code.to_string(), "{statement}");
        assert!(answer.body.starts_with(&format!("Code: {code}. DB::Exception: ")), "{}", answer.body);
        assert!(answer.body.contains(text) && answer.body.contains("(version "), "{}", answer.body);
        assert!(!answer.body.contains("OUTFILE '/dev"), "{}", answer.body);
    }
}

#[test]
fn settings_parameters_and_database_come_from_the_url() {
    let front = front();
    front.run("CREATE DATABASE settings");
    let answer = front.ask(
        "SELECT getSetting('max_threads'), getSetting('log_comment'), {word:String}, {many:Array(UInt8)}, currentDatabase()",
        &[
            ("max_threads", "3"),
            ("log_comment", "it's; \\"),
            ("param_word", "a'b;"),
            ("param_many", "[1,2]"),
            ("database", "settings"),
            ("user", "anyone"),
            ("password", "anything"),
            ("default_format", "TabSeparatedRaw"),
        ],
    );
    assert_eq!(answer.body, "3\tit's; \\\ta'b;\t[1,2]\tsettings\n");
    assert_eq!(answer.header("x-clickhouse-format"), "TabSeparatedRaw");
    let unknown = front.ask("SELECT 1", &[("no_such_setting", "1")]);
    assert_eq!((unknown.status, unknown.header("x-clickhouse-exception-code")), (404, "115"));
    assert_eq!(front.run("SELECT currentDatabase()"), "default\n", "nothing stays behind");
}

#[test]
fn a_read_only_request_reads() {
    let front = front();
    let parameters = [("readonly", "1"), ("session_id", "read only")];
    assert_eq!(front.run_with("SELECT 1", &parameters), "1\n");
    let refused = front.ask("CREATE TEMPORARY TABLE t (a UInt8)", &parameters);
    assert_eq!(refused.header("x-clickhouse-exception-code"), "164");
    front.run_with("CREATE TEMPORARY TABLE t (a UInt8)", &parameters[1..]);
}

#[test]
fn summaries_count_what_was_read_and_written() {
    let front = front();
    front.run("CREATE DATABASE summary");
    front.run("CREATE TABLE summary.t (a UInt64) ENGINE = MergeTree ORDER BY a");
    let answer = front.insert("INSERT INTO summary.t FORMAT TSV", &[("query_id", "mine")], b"1\n2\n3\n");
    assert_eq!(answer.summary("written_rows"), 3);
    assert_eq!(answer.header("x-clickhouse-query-id"), "mine");
    let answer = front.ask("SELECT a FROM summary.t WHERE a > 1", &[]);
    assert_eq!((answer.summary("read_rows"), answer.summary("result_rows")), (3, 2));
    let answer = front.ask("INSERT INTO summary.t SELECT * FROM summary.t", &[]);
    assert_eq!((answer.summary("read_rows"), answer.summary("written_rows")), (3, 3));
}

#[test]
fn a_token_stores_a_block_once() {
    let front = front();
    front.run("CREATE DATABASE tokens");
    front.run(
        "CREATE TABLE tokens.t (a UInt64, lease DateTime64(3, 'UTC')) ENGINE = MergeTree ORDER BY a \
         SETTINGS non_replicated_deduplication_window = 100",
    );
    let count = || front.run("SELECT count(), uniqExact(lease) FROM tokens.t");
    let pins = [("deduplicate_insert", "enable"), ("deduplicate_insert_select", "force_enable"), ("async_insert", "0")];
    for lease in ["2026-01-01 00:00:01", "2026-01-01 00:00:02"] {
        let parameters = [&pins[..], &[("insert_deduplication_token", "a"), ("param_lease", lease)]].concat();
        let statement =
            "INSERT INTO tokens.t SELECT *, {lease:DateTime64(3, 'UTC')} FROM input('a UInt64') FORMAT JSONEachRow";
        let answer = front.insert(statement, &parameters, b"{\"a\":1}\n\n{\"a\":2}");
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(count(), "2\t1\n");
    }
    for (token, rows) in [("a", "2\t1\n"), ("b", "3\t2\n"), ("b", "3\t2\n")] {
        let parameters = [&pins[..], &[("insert_deduplication_token", token)]].concat();
        assert_eq!(front.insert("INSERT INTO tokens.t (a) FORMAT TSV", &parameters, b"7\n").status, 200);
        assert_eq!(count(), rows, "a token is the same in both kinds of insert");
    }
}

#[test]
fn sessions_keep_settings_and_tables_and_are_used_by_one_at_a_time() {
    let front = front();
    let session = [("session_id", "s1")];
    let refused = front.ask("SELECT 1", &[("session_id", "s1"), ("session_check", "1")]);
    assert_eq!(refused.header("x-clickhouse-exception-code"), "372");
    front.run_with("CREATE TEMPORARY TABLE mine (a UInt8)", &session);
    front.run_with("INSERT INTO mine VALUES (7)", &session);
    front.run_with("SET max_threads = 5", &session);
    let own = [("session_id", "s1"), ("max_block_size", "77"), ("database", "system")];
    let query = "SELECT getSetting('max_threads'), getSetting('max_block_size'), currentDatabase()";
    assert_eq!(front.run_with(query, &own), "5\t77\tsystem\n");
    let after = front.run_with(query, &session);
    assert!(after.starts_with("5\t") && after.ends_with("\tdefault\n") && !after.contains("77"), "{after}");
    assert_eq!(front.run_with("SELECT a FROM mine", &session), "7\n");
    assert_eq!(front.ask("SELECT a FROM mine", &[]).status, 404);
    assert_eq!(front.ask("SELECT nope", &session).status, 404, "a failure does not end the session");
    assert_eq!(front.run("SELECT count() FROM system.processes WHERE query LIKE 'SELECT nope%'"), "0\n");

    std::thread::scope(|scope| {
        let slow = scope.spawn(|| front.run_with("SELECT sleep(1)", &session));
        crate::running::eventually("the slow query runs", std::time::Duration::from_secs(5), || {
            front.run("SELECT count() FROM system.processes WHERE query LIKE 'SELECT sleep(1)%'") == "1\n"
        });
        let locked = front.ask("SELECT 1", &session);
        assert_eq!(locked.header("x-clickhouse-exception-code"), "373", "{}", locked.body);
        slow.join().unwrap();
    });
    assert_eq!(front.run_with("SELECT a FROM mine", &session), "7\n");

    front.run_with("SELECT 1", &[("session_id", "short"), ("session_timeout", "0")]);
    std::thread::sleep(std::time::Duration::from_millis(50));
    let gone = front.ask("SELECT 1", &[("session_id", "short"), ("session_check", "1")]);
    assert_eq!(gone.header("x-clickhouse-exception-code"), "372");
}

#[test]
fn dictionaries_read_tables_of_the_engine_and_reload() {
    let front = front();
    front.run("CREATE DATABASE dict");
    front.run("CREATE TABLE dict.t (k UUID, v UUID, version UInt64) ENGINE = ReplacingMergeTree(version) ORDER BY k");
    front.run(
        "CREATE DICTIONARY dict.d (k UUID, v UUID, version UInt64) PRIMARY KEY k \
         SOURCE(CLICKHOUSE(QUERY 'SELECT k, v, version FROM dict.t FINAL' USER 'default' PASSWORD '')) \
         LAYOUT(COMPLEX_KEY_HASHED_ARRAY()) LIFETIME(0)",
    );
    let of = |n: u8| format!("toUUID('00000000-0000-0000-0000-0000000000{n:02}')");
    let value = || front.run(&format!("SELECT dictGetOrDefault('dict.d', 'v', tuple({}), {})", of(1), of(0)));
    assert!(value().ends_with("00\n"));
    for (version, n) in [(1, 10), (2, 11)] {
        front.run(&format!("INSERT INTO dict.t SELECT {}, {}, {version}", of(1), of(n)));
        front.run("SYSTEM RELOAD DICTIONARY dict.d");
        assert!(value().ends_with(&format!("{n}\n")));
    }
}

#[test]
fn many_ask_at_once() {
    let front = front();
    std::thread::scope(|scope| {
        for i in 0..16u32 {
            scope.spawn(move || {
                for j in 0..10u32 {
                    let settings = [("max_threads", "1"), ("log_comment", &*format!("{i}-{j}"))];
                    let answer =
                        front.run_with("SELECT getSetting('log_comment'), sum(number) FROM numbers(1000)", &settings);
                    assert_eq!(answer, format!("{i}-{j}\t499500\n"));
                }
            });
        }
    });
}
