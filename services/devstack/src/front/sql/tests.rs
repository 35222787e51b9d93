//! One line a statement: what the front sees in it.

use super::*;

/// A short word for what a statement is, with the texts that matter.
fn seen(text: &str) -> String {
    let at = |range: Range<usize>| text[range].to_owned();
    match shape(text.as_bytes()) {
        Ok(Shape::Select { output, end, format }) => {
            format!("select|{}|{}|{}", at(0..output), at(output..end), format.unwrap_or_default())
        }
        Ok(Shape::Insert { head, format, data }) => {
            format!("insert|{}|{format}|{}", at(0..head), at(data..text.len()))
        }
        Ok(Shape::InsertSelect { head, input, format, data }) => {
            format!("input|{}|{}|{format}|{}", at(0..input.start), at(input.end..head), at(data..text.len()))
        }
        Ok(Shape::Other { end, kind }) => format!("{kind:?}|{}", at(0..end)),
        Err(exception) => format!("error {}", exception.code),
    }
}

fn check(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(seen(text), *expected, "{text}");
    }
}

#[test]
fn queries_end_in_output_clauses() {
    check(&[
        ("SELECT 1", "select|SELECT 1||"),
        ("SELECT 1 FORMAT JSON", "select|SELECT 1 |FORMAT JSON|JSON"),
        ("select 1 format CSV settings a = 1;", "select|select 1 |format CSV settings a = 1|CSV"),
        ("SELECT 1 SETTINGS a = 1 FORMAT CSV -- x", "select|SELECT 1 SETTINGS a = 1 |FORMAT CSV -- x|CSV"),
        ("WITH 1 AS x SELECT x", "select|WITH 1 AS x SELECT x||"),
        ("(SELECT 1) UNION ALL (SELECT 2) FORMAT TSV", "select|(SELECT 1) UNION ALL (SELECT 2) |FORMAT TSV|TSV"),
        ("FROM t SELECT a", "select|FROM t SELECT a||"),
        ("/* FORMAT x */ SELECT 'FORMAT y' -- FORMAT z", "select|/* FORMAT x */ SELECT 'FORMAT y' -- FORMAT z||"),
    ]);
}

#[test]
fn the_word_format_may_be_a_name() {
    check(&[
        ("SELECT format FROM t", "select|SELECT format FROM t||"),
        ("SELECT 1 AS format ORDER BY format DESC", "select|SELECT 1 AS format ORDER BY format DESC||"),
        ("SELECT format('{}', a) FROM t", "select|SELECT format('{}', a) FROM t||"),
        ("SELECT * FROM (SELECT 1 FORMAT x)", "select|SELECT * FROM (SELECT 1 FORMAT x)||"),
        ("SELECT `format` x", "select|SELECT `format` x||"),
    ]);
}

#[test]
fn rows_follow_an_insert() {
    check(&[
        ("INSERT INTO t FORMAT TSV\n1\t2", "insert|INSERT INTO t |TSV|1\t2"),
        ("INSERT INTO t (a, b) FORMAT JSONEachRow {\"a\":1}", "insert|INSERT INTO t (a, b) |JSONEachRow|{\"a\":1}"),
        (
            "insert into db.t settings x = 1 format Native\r\n\n\n",
            "insert|insert into db.t settings x = 1 |Native|\n\n",
        ),
        ("INSERT INTO t VALUES (1, 'a;b')", "insert|INSERT INTO t |Values| (1, 'a;b')"),
        ("INSERT INTO t (values, format) VALUES (1)", "insert|INSERT INTO t (values, format) |Values| (1)"),
        ("INSERT INTO values.format VALUES (1)", "insert|INSERT INTO values.format |Values| (1)"),
        ("INSERT INTO `a b`.`select` FORMAT TSV ;\n\n", "insert|INSERT INTO `a b`.`select` |TSV|;\n\n"),
        ("INSERT INTO FUNCTION null('a Int8') FORMAT TSV\n1", "insert|INSERT INTO FUNCTION null('a Int8') |TSV|1"),
        ("INSERT INTO t", "insert|INSERT INTO t|Values|"),
        ("INSERT INTO t FORMAT TSV", "insert|INSERT INTO t |TSV|"),
    ]);
}

#[test]
fn a_select_may_read_the_rows() {
    check(&[
        (
            "INSERT INTO t SELECT *, {x:UInt8} FROM input('a Int8') FORMAT ArrowStream\nrows; input('')",
            "input|INSERT INTO t SELECT *, {x:UInt8} FROM |'a Int8') |ArrowStream|rows; input('')",
        ),
        (
            "INSERT INTO t (a) WITH 1 AS x SELECT x FROM input ( 'a Int8' ) WHERE a > 1 FORMAT TSV\n1",
            "input|INSERT INTO t (a) WITH 1 AS x SELECT x FROM | 'a Int8' ) WHERE a > 1 |TSV|1",
        ),
        ("INSERT INTO t SELECT input FROM s", "Write|INSERT INTO t SELECT input FROM s"),
        ("INSERT INTO t SELECT * FROM input('a Int8')", "error 62"),
    ]);
}

#[test]
fn other_statements_run_as_they_are() {
    check(&[
        ("INSERT INTO t SELECT 1;", "Write|INSERT INTO t SELECT 1"),
        ("INSERT INTO t (SELECT 1)", "Write|INSERT INTO t (SELECT 1)"),
        ("WITH 1 AS x INSERT INTO t SELECT x", "Write|WITH 1 AS x INSERT INTO t SELECT x"),
        ("CREATE TABLE t (a Int8) ENGINE = Memory ;", "Write|CREATE TABLE t (a Int8) ENGINE = Memory "),
        ("SHOW TABLES", "Read|SHOW TABLES"),
        ("use x", "Use|use x"),
        ("SET a = 1", "Set|SET a = 1"),
        ("KILL QUERY WHERE query_id = 'x'", "Kill|KILL QUERY WHERE query_id = 'x'"),
    ]);
}

#[test]
fn one_statement_at_a_time_and_no_files() {
    check(&[
        ("SELECT 1; SELECT 2", "error 62"),
        ("DROP TABLE a;; DROP TABLE b", "error 62"),
        ("SELECT 1; -- no more", "select|SELECT 1||"),
        ("SELECT ';' /* ; */;", "select|SELECT ';' /* ; */||"),
        ("SELECT $x$a;b$x$", "select|SELECT $x$a;b$x$||"),
        ("SELECT 'it''s; \\'x\\''", "select|SELECT 'it''s; \\'x\\''||"),
        ("SELECT 1 INTO OUTFILE 'x'", "error 344"),
        ("INSERT INTO t FROM INFILE 'x' FORMAT TSV", "error 78"),
        (" -- nothing\n", "error 62"),
    ]);
}

#[test]
fn words_are_replaced_outside_of_strings() {
    let replaced = replace_word(b"KILL QUERY WHERE query_id = 'query_id' AND Query_ID != ''", "query_id", "x");
    assert_eq!(replaced, b"KILL QUERY WHERE x = 'query_id' AND x != ''");
    assert_eq!(strings(b"a = 'b' AND `c` = \"d\" OR 'e'"), ["b", "e"]);
}

#[test]
fn any_bytes_are_looked_at_without_harm() {
    for text in [
        &b"SELECT '\xff\xfe"[..],
        b"'",
        b"/*",
        b"--",
        b"$",
        b"$$",
        b"INSERT",
        b"INSERT INTO",
        b"INSERT INTO t.",
        b"(",
        b")",
    ] {
        let _ = shape(text);
    }
}
