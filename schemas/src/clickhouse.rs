//! The ClickHouse tables, as numbered migrations. `store::migrate` fills the placeholders `{db}`,
//! `{ttl:column:table}` and `{dictionary_credentials}`.

/// Number, name and text of each migration, ascending. A released one never changes.
pub const MIGRATIONS: &[(u32, &str, &str)] = &[
    (1, "exact_tables", include_str!("../clickhouse/0001_exact_tables.sql")),
    (2, "identity", include_str!("../clickhouse/0002_identity.sql")),
    (3, "attribution", include_str!("../clickhouse/0003_attribution.sql")),
    (4, "views", include_str!("../clickhouse/0004_views.sql")),
    (5, "topics", include_str!("../clickhouse/0005_topics.sql")),
    (6, "identity_commands", include_str!("../clickhouse/0006_identity_commands.sql")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_listed_under_its_number() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/clickhouse");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".sql"))
            .collect();
        files.sort();
        let listed: Vec<String> =
            MIGRATIONS.iter().map(|(number, name, _)| format!("{number:04}_{name}.sql")).collect();
        assert_eq!(files, listed);
    }
}
