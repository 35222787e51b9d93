//! Kafka's own command-line tools, for counts that must not be our own.

use super::Cache;
use crate::error::{Error, Result};

impl Cache {
    /// Runs a tool of Kafka by its class, and returns what it prints.
    pub(crate) fn kafka_tool(&self, class: &str, arguments: &[&str]) -> Result<String> {
        let (java, jars) = (self.java()?, self.kafka()?);
        let output = self
            .machine()
            .command(&java)
            // It is over in a second, so time spent compiling is lost.
            .args(["-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"])
            .args(["-cp", &format!("{}/*", jars.display()), class])
            .args(arguments)
            .output()
            .map_err(|source| Error::Run { program: "java".to_owned(), source })?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = [output.stderr, output.stdout].concat();
        Err(Error::KafkaTool { class: class.to_owned(), said: super::last_words(&said) })
    }
}
