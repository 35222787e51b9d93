#!/usr/bin/env bash
# Runs a command with a Kafka and a ClickHouse of its own, on free ports, and stops them whatever the command does.
#   deploy/test-stack.sh cargo test --workspace
set -euo pipefail
cd "$(dirname "$0")/.."

target=$(cargo metadata --format-version 1 --no-deps | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
state="$target/test-stack"

echo "building (the first time takes some minutes) …" >&2
# Tests, programs and examples at once: `cargo test` then finds everything compiled.
cargo test --workspace --no-run --quiet

# Tests must never write to the user's own servers.
unset KAFKA_BROKERS CLICKHOUSE_URL
stack=("$target/debug/examples/stack")
options=(--state-dir "$state" --kafka-port 0 --clickhouse-port 0)

stop() {
    status=$?
    trap - EXIT INT TERM
    # Quietly, so that the command's own last line stays the last.
    said=$("${stack[@]}" reset "${options[@]}" 2>&1) || echo "$said" >&2
    exit "$status"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# A killed run may have left servers and data behind.
"${stack[@]}" reset "${options[@]}"
"${stack[@]}" up "${options[@]}" </dev/null
eval "$("${stack[@]}" env "${options[@]}")"
export TRIBUTARY_TEST_KAFKA="$KAFKA_BROKERS"
export TRIBUTARY_TEST_CLICKHOUSE="$CLICKHOUSE_URL"
TRIBUTARY_TEST_CHDB_LIB=$("${stack[@]}" library)
export TRIBUTARY_TEST_CHDB_LIB
unset KAFKA_BROKERS CLICKHOUSE_URL

"$@"
