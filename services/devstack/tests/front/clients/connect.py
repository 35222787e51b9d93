"""clickhouse-connect with its defaults: sessions, native blocks, LZ4."""

import datetime
import decimal
import sys
import uuid

import clickhouse_connect
from clickhouse_connect.driver.exceptions import DatabaseError

port = int(sys.argv[1])
client = clickhouse_connect.get_client(host="127.0.0.1", port=port)
client.command("CREATE DATABASE connect")
client.command(
    "CREATE TABLE connect.t (n UInt64, s String, word LowCardinality(String), id UUID, maybe Nullable(Int32),"
    " list Array(Int64), map Map(String, String), at DateTime64(3), day Date, yes Bool, share Float64,"
    " money Decimal(18, 4), wide UInt128) ENGINE = MergeTree ORDER BY n"
)
begin = datetime.datetime(2024, 1, 1)
rows = [
    (
        i,
        f"a;\n\n{i}",
        "ab"[i % 2],
        uuid.UUID(int=i * 7919),
        None if i % 3 == 0 else i,
        [i, i + 1],
        {"k": str(i)},
        begin + datetime.timedelta(milliseconds=i),
        datetime.date(2024, 1, 1),
        i % 2 == 0,
        i / 3,
        decimal.Decimal(i) / 4,
        i << 70,
    )
    for i in range(100_000)
]
summary = client.insert("connect.t", rows)
assert summary.written_rows == len(rows), summary.summary
assert client.query("SELECT * FROM connect.t ORDER BY n").result_rows == rows
assert client.query("SELECT {a:String}, {b:Int32}", parameters={"a": "it's", "b": 5}).result_rows == [("it's", 5)]

client.command("SET max_threads = 1")
client.command("CREATE TEMPORARY TABLE mine (a Int32)")
client.insert("mine", [[1], [2]])
assert client.query("SELECT sum(a), getSetting('max_threads') FROM mine").result_rows == [(3, 1)]

with client.query_row_block_stream("SELECT number, toString(number) FROM numbers(3000000)") as stream:
    assert sum(len(block) for block in stream) == 3_000_000

for query, words in [
    ("SELECT nope", "UNKNOWN_IDENTIFIER"),
    ("SELECT throwIf(number = 900000, 'too late') FROM numbers(1000000)", "too late"),
]:
    try:
        client.query(query)
    except DatabaseError as error:
        assert words in str(error), error
    else:
        raise AssertionError(f"{query} did not fail")

for packed in ["lz4", "zstd", "gzip", False]:
    other = clickhouse_connect.get_client(host="127.0.0.1", port=port, compress=packed)
    other.command("TRUNCATE TABLE connect.t")
    other.insert("connect.t", rows[:20_000])
    assert other.query("SELECT * FROM connect.t ORDER BY n").result_rows == rows[:20_000], packed
