//! ClickHouse: Arrow batches in, look-ups out, migrations.
