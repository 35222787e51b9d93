use clickhouse::Row;
use schemas::clickhouse::MIGRATIONS;
use serde::Deserialize;
use std::collections::HashMap;

use crate::batch::ExactTable;
use crate::fnv::fnv1a;
use crate::statements::{Ttl, statements, ttls};
use crate::{Error, Result, Store};

/// Inserts that a table must remember the tokens of. Twice the peak of a whole table over the life of a stale insert;
/// the shipped DDL sets 10,000.
const MIN_WINDOW: u64 = 1_000;

#[derive(Row, Deserialize)]
struct Applied {
    version: u32,
    name: String,
    checksum: u64,
}

#[derive(Row, Deserialize)]
struct TableRow {
    name: String,
    engine: String,
    create_table_query: String,
}

impl Store {
    /// Brings the database to this version: creates it, applies what is missing, sets TTLs as configured. Returns
    /// what was applied, empty when nothing was left to do. Can be repeated, also by several at once.
    pub async fn migrate(&self) -> Result<Vec<String>> {
        self.check_ttl_names()?;
        let database = self.database();
        // Who may not create databases can still be given one.
        let exists = "SELECT count() FROM system.databases WHERE name = {database:String}";
        let ask = || self.pool().query_raw(exists).param("database", database).fetch_one::<u64>();
        if self.read("looking for the database", ask).await? == 0 {
            self.run_ddl(&format!("CREATE DATABASE IF NOT EXISTS {database}")).await?;
        }
        self.run_ddl(&format!(
            "CREATE TABLE IF NOT EXISTS {database}.schema_migrations (version UInt32, name String, \
             checksum UInt64, applied_at DateTime DEFAULT now()) \
             ENGINE = ReplacingMergeTree(applied_at) ORDER BY version"
        ))
        .await?;
        let applied = self.applied().await?;
        let mut done = Vec::new();
        for (version, name, sql) in MIGRATIONS {
            if applied.iter().any(|row| row.version == *version) {
                continue;
            }
            for statement in statements(sql, self.config()) {
                self.run_ddl(&statement).await?;
            }
            self.run_ddl(&format!(
                "INSERT INTO {database}.schema_migrations (version, name, checksum) \
                 VALUES ({version}, '{name}', {})",
                checksum(sql)
            ))
            .await?;
            done.push(format!("{version:04} {name}"));
        }
        done.extend(self.apply_ttls().await?);
        Ok(done)
    }

    /// Whether the database can be written to exactly once by this version; an error says what to do.
    pub async fn check(&self) -> Result<()> {
        let tables = self.tables().await?;
        if !tables.contains_key("schema_migrations") {
            return self.unfit("it has no tables yet; run `tributary migrate`");
        }
        let applied = self.applied().await?;
        if let Some((version, name, _)) =
            MIGRATIONS.iter().find(|(version, ..)| applied.iter().all(|row| row.version != *version))
        {
            return self.unfit(&format!("migration {version:04} {name} is missing; run `tributary migrate`"));
        }
        for table in ExactTable::ALL {
            let name = table.name();
            let Some(row) = tables.get(name) else {
                return self.unfit(&format!("table {name} is missing; run `tributary migrate`"));
            };
            let setting = window_setting(&row.engine);
            let window = setting_value(&row.create_table_query, setting);
            if window < MIN_WINDOW {
                return self.unfit(&format!(
                    "{setting} of table {name} is {window}, at least {MIN_WINDOW} is needed for inserts to be \
                     recognised when they are sent again; run ALTER TABLE {}.{name} MODIFY SETTING {setting} = 10000",
                    self.database()
                ));
            }
        }
        Ok(())
    }

    /// Applied migrations, after making sure that they are those of this version.
    async fn applied(&self) -> Result<Vec<Applied>> {
        let sql =
            format!("SELECT version, name, checksum FROM {} FINAL ORDER BY version", self.table("schema_migrations"));
        let read = || self.pool().query_raw(&sql).fetch_all::<Applied>();
        let applied = self.read("reading which migrations are applied", read).await?;
        for row in &applied {
            let known = MIGRATIONS.iter().find(|(version, ..)| *version == row.version);
            let Some((_, name, sql)) = known else {
                return Err(Error::Migration(format!(
                    "migration {:04} {} of database `{}` is not known: it was made by a newer version of tributary",
                    row.version,
                    row.name,
                    self.database()
                )));
            };
            if row.checksum != checksum(sql) {
                return Err(Error::Migration(format!(
                    "migration {:04} {name} of database `{}` was applied with another text than this version's",
                    row.version,
                    self.database()
                )));
            }
        }
        Ok(applied)
    }

    fn check_ttl_names(&self) -> Result<()> {
        let known: Vec<Ttl> = MIGRATIONS.iter().flat_map(|(.., sql)| ttls(sql)).collect();
        for table in self.config().ttl_days.keys() {
            if !known.iter().any(|ttl| ttl.table == *table) {
                let names: Vec<&str> = known.iter().map(|ttl| ttl.table.as_str()).collect();
                return Err(Error::Config(format!(
                    "clickhouse.ttl_days names `{table}`, expected one of {}",
                    names.join(", ")
                )));
            }
        }
        Ok(())
    }

    /// A TTL that was configured after the table was made.
    async fn apply_ttls(&self) -> Result<Vec<String>> {
        let tables = self.tables().await?;
        let mut done = Vec::new();
        for ttl in MIGRATIONS.iter().flat_map(|(.., sql)| ttls(sql)) {
            let Some(row) = tables.get(&ttl.table) else {
                continue;
            };
            let current = table_ttl(&row.create_table_query);
            let wanted = self.config().ttl_days.get(&ttl.table).map(|days| ttl.expression(*days));
            if current == wanted {
                continue;
            }
            let table = self.table(&ttl.table);
            match &wanted {
                Some(expression) => {
                    self.run_ddl(&format!("ALTER TABLE {table} MODIFY TTL {expression}")).await?;
                    done.push(format!("ttl of {}: {expression}", ttl.table));
                }
                None => {
                    self.run_ddl(&format!("ALTER TABLE {table} REMOVE TTL")).await?;
                    done.push(format!("ttl of {}: none", ttl.table));
                }
            }
        }
        Ok(done)
    }

    async fn tables(&self) -> Result<HashMap<String, TableRow>> {
        let sql = "SELECT name, engine, create_table_query FROM system.tables WHERE database = {database:String}";
        let read = || self.pool().query_raw(sql).param("database", self.database()).fetch_all::<TableRow>();
        let rows = self.read("reading which tables there are", read).await?;
        Ok(rows.into_iter().map(|row| (row.name.clone(), row)).collect())
    }

    async fn run_ddl(&self, sql: &str) -> Result<()> {
        let subject: String = sql.chars().take_while(|c| *c != '\n' && *c != '(').take(80).collect();
        let doing = format!("`{}`", subject.trim());
        self.read(&doing, || self.pool().query_raw(sql).execute()).await
    }

    fn unfit<T>(&self, problem: &str) -> Result<T> {
        Err(Error::Unfit { database: self.database().to_owned(), problem: problem.to_owned() })
    }
}

fn checksum(sql: &str) -> u64 {
    fnv1a(sql.bytes())
}

fn window_setting(engine: &str) -> &'static str {
    if engine.starts_with("Replicated") || engine.starts_with("Shared") {
        "replicated_deduplication_window"
    } else {
        "non_replicated_deduplication_window"
    }
}

/// A number in the `SETTINGS` of a `CREATE TABLE`, as ClickHouse prints it. Absent means ClickHouse's default: 0 for
/// the window of plain tables, 10,000 for that of replicated ones.
fn setting_value(create: &str, setting: &str) -> u64 {
    let default = if setting.starts_with("non_") { 0 } else { 10_000 };
    let Some(at) = create.rfind(&format!(" {setting} = ")) else {
        return default;
    };
    let value = &create[at + setting.len() + " = ".len() + 1..];
    let digits = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    value[..digits].parse().unwrap_or(default)
}

/// The table's TTL expression, as ClickHouse prints it.
fn table_ttl(create: &str) -> Option<String> {
    let at = create.rfind(" TTL ")?;
    let rest = &create[at + " TTL ".len()..];
    let end = rest.find(" SETTINGS ").unwrap_or(rest.len());
    Some(rest[..end].trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_and_ttl_are_read_back() {
        let create = "CREATE TABLE t.x (`a` DateTime) ENGINE = MergeTree ORDER BY a TTL toDateTime(a) + \
                      toIntervalDay(3) SETTINGS non_replicated_deduplication_window = 17, index_granularity = 8192";
        assert_eq!(setting_value(create, "non_replicated_deduplication_window"), 17);
        assert_eq!(setting_value(create, "replicated_deduplication_window"), 10_000);
        assert_eq!(table_ttl(create).as_deref(), Some("toDateTime(a) + toIntervalDay(3)"));
        let plain = "CREATE TABLE t.x (`a` DateTime) ENGINE = MergeTree ORDER BY a SETTINGS index_granularity = 8192";
        assert_eq!(setting_value(plain, "non_replicated_deduplication_window"), 0);
        assert_eq!(table_ttl(plain), None);
    }
}
