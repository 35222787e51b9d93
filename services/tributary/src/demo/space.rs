//! A database and topics of their own on a site: several runs on one stack do not meet.

use schemas::topics::Topics;
use std::fs;
use std::path::{Path, PathBuf};
use store::Store;
use stream::Admin;

use super::Site;
use super::account::text;
use crate::config::{Config, load};
use crate::error::{Error, Result};

/// A configuration with its tables and topics.
pub struct Space {
    /// The configuration.
    pub config: Config,
    /// The file that holds it, for processes.
    pub file: PathBuf,
    /// The topics under their names here.
    pub topics: Topics,
    /// Connected.
    pub store: Store,
    /// Connected.
    pub admin: Admin,
}

impl Space {
    /// Writes the configuration, creates tables and topics. `kafka` holds further lines of the section of that name,
    /// `settings` further sections.
    pub async fn create(site: &Site, database: &str, topic_prefix: &str, kafka: &str, settings: &str) -> Result<Self> {
        let file = site.folder().join(format!("{database}.toml"));
        let endpoints = site.endpoints();
        let text = format!(
            "# Written at every start; changes here are lost.\n\
             [kafka]\nbrokers = {:?}\ntopic_prefix = {topic_prefix:?}\ngroup_prefix = {:?}\n{kafka}\n\
             [clickhouse]\nurl = {:?}\ndatabase = {database:?}\n\n\
             [snapshots]\ndir = {:?}\n\n{settings}",
            endpoints.brokers,
            format!("{topic_prefix}tributary"),
            endpoints.clickhouse_url,
            site.snapshots(),
        );
        fs::write(&file, text).map_err(|source| Error::Write { path: file.clone(), source })?;
        Self::open(&file).await
    }

    /// Deletes tables and topics.
    pub async fn remove(self) -> Result<()> {
        text(&self.store, "DROP DATABASE {db}", "TabSeparated").await?;
        let names = self.topics.all().map(|topic| topic.name.as_str());
        Ok(self.admin.delete_topics(&names).await?)
    }

    async fn open(file: &Path) -> Result<Self> {
        let config = load(Some(file), std::iter::empty())?.config;
        let store = Store::connect_patiently(&config.clickhouse).await?;
        store.migrate().await?;
        let admin = Admin::connect(&config.kafka)?;
        let topics = Topics::load_default().with_prefix(&config.kafka.topic_prefix);
        admin.ensure_topics(&topics).await?;
        Ok(Self { config, file: file.to_owned(), topics, store, admin })
    }
}
