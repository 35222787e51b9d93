//! A schema registry that speaks Confluent's HTTP interface.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task;

use crate::backoff::Backoff;
use crate::{Result, StreamError};

/// How long "there is no such schema" is believed: it may be registered any moment, and asking for every record would
/// be an attack.
const ABSENT_FOR: Duration = Duration::from_secs(10);
/// How long one answer may take.
const WAIT: Duration = Duration::from_secs(10);
/// References may refer on, but not for ever.
const REFERENCE_DEPTH: usize = 16;

/// Where the schema registry is.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegistryConfig {
    /// Its URL; without one, records in Confluent's framing have no known schema.
    pub url: Option<String>,
    /// For basic authentication.
    pub username: Option<String>,
    /// For basic authentication. Never logged.
    pub password: Option<String>,
}

impl fmt::Debug for RegistryConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryConfig")
            .field("url", &self.url)
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| "(set)"))
            .finish()
    }
}

/// Fetches schemas and keeps them. Cheap to clone.
#[derive(Clone)]
pub struct SchemaRegistry {
    inner: Arc<Inner>,
}

struct Inner {
    url: String,
    authorization: Option<String>,
    agent: ureq::Agent,
    /// Schemas never change under their id.
    known: Mutex<HashMap<u32, Arc<str>>>,
    absent: Mutex<HashMap<u32, Instant>>,
}

impl SchemaRegistry {
    /// `None` when no registry is configured.
    pub fn new(config: &RegistryConfig) -> Result<Option<Self>> {
        let Some(url) = &config.url else {
            return Ok(None);
        };
        let url = url.trim_end_matches('/').to_owned();
        if !(url.starts_with("http://") || url.starts_with("https://")) {
            return Err(StreamError::Config(
                "the schema registry's URL must begin with http:// or https://".to_owned(),
            ));
        }
        let authorization = config.username.as_ref().map(|username| {
            let password = config.password.as_deref().unwrap_or_default();
            format!("Basic {}", BASE64_STANDARD.encode(format!("{username}:{password}")))
        });
        let agent = ureq::Agent::config_builder().timeout_global(Some(WAIT)).http_status_as_error(false).build().into();
        Ok(Some(Self {
            inner: Arc::new(Inner { url, authorization, agent, known: Mutex::default(), absent: Mutex::default() }),
        }))
    }

    /// The Avro schema with this id, the types of other subjects that it refers to written into it. `None` when the
    /// registry says that there is none, or that it is no Avro. A registry that does not answer is asked until it
    /// does: that is no reason to reject a record.
    pub async fn schema(&self, id: u32) -> Result<Option<Arc<str>>> {
        if let Some(schema) = self.inner.known.lock().get(&id) {
            return Ok(Some(Arc::clone(schema)));
        }
        if self.inner.absent.lock().get(&id).is_some_and(|since| since.elapsed() < ABSENT_FOR) {
            return Ok(None);
        }
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
        loop {
            let inner = Arc::clone(&self.inner);
            let answer = task::spawn_blocking(move || inner.fetch(id)).await.unwrap_or(Err(Failure::Closed));
            match answer {
                Ok(Some(schema)) => {
                    let schema: Arc<str> = Arc::from(schema);
                    self.inner.known.lock().insert(id, Arc::clone(&schema));
                    return Ok(Some(schema));
                }
                Ok(None) => {
                    self.inner.absent.lock().insert(id, Instant::now());
                    return Ok(None);
                }
                Err(Failure::Closed) => return Err(StreamError::Closed),
                Err(Failure::Refused(reason)) => return Err(StreamError::Registry(reason)),
                Err(Failure::Away(reason)) => {
                    tracing::warn!(id, reason, "the schema registry does not answer, asking again");
                    tokio::time::sleep(backoff.next_delay()).await;
                }
            }
        }
    }
}

enum Failure {
    /// Asking again may help.
    Away(String),
    /// Asking again cannot help before a person has done something.
    Refused(String),
    /// The runtime ends.
    Closed,
}

/// `GET /schemas/ids/{id}` and `GET /subjects/{subject}/versions/{version}`: what both have that matters here.
#[derive(Deserialize)]
struct Answer {
    schema: String,
    #[serde(rename = "schemaType")]
    schema_type: Option<String>,
    #[serde(default)]
    references: Vec<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    name: String,
    subject: String,
    version: i32,
}

impl Inner {
    fn fetch(&self, id: u32) -> Result<Option<String>, Failure> {
        let Some(answer) = self.get(&format!("/schemas/ids/{id}"))? else {
            return Ok(None);
        };
        let Some(schema) = self.resolve(answer, REFERENCE_DEPTH)? else {
            return Ok(None);
        };
        Ok(Some(schema.to_string()))
    }

    /// The schema with what it refers to in it; `None` if it is no Avro or not whole.
    fn resolve(&self, answer: Answer, depth: usize) -> Result<Option<Value>, Failure> {
        if answer.schema_type.is_some_and(|kind| kind != "AVRO") || depth == 0 {
            return Ok(None);
        }
        // A primitive type may stand there without quotes.
        let mut schema = serde_json::from_str(&answer.schema).unwrap_or(Value::String(answer.schema));
        for reference in answer.references {
            let subject = percent_encoded(&reference.subject);
            let path = format!("/subjects/{subject}/versions/{}", reference.version);
            let Some(referred) = self.get(&path)? else {
                return Ok(None);
            };
            let Some(referred) = self.resolve(referred, depth - 1)? else {
                return Ok(None);
            };
            write_in(&mut schema, &reference.name, &mut Some(referred));
        }
        Ok(Some(schema))
    }

    fn get(&self, path: &str) -> Result<Option<Answer>, Failure> {
        let mut request = self
            .agent
            .get(format!("{}{path}", self.url))
            .header("accept", "application/vnd.schemaregistry.v1+json, application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        let mut response = request.call().map_err(|error| Failure::Away(error.to_string()))?;
        match response.status().as_u16() {
            200 => {
                let text = response.body_mut().read_to_string().map_err(|error| Failure::Away(error.to_string()))?;
                serde_json::from_str(&text)
                    .map(Some)
                    .map_err(|error| Failure::Away(format!("the answer is not the registry's: {error}")))
            }
            404 => {
                // Only the registry's own "no such schema, subject or version" counts: a proxy's 404 does not.
                let text = response.body_mut().read_to_string().unwrap_or_default();
                let code = serde_json::from_str::<Value>(&text).ok().and_then(|body| body.get("error_code")?.as_i64());
                match code {
                    Some(40401..=40403) => Ok(None),
                    _ => Err(Failure::Away(format!("404 without a registry's error code for {path}"))),
                }
            }
            status @ (401 | 403) => Err(Failure::Refused(format!("status {status}: check its user name and password"))),
            status => Err(Failure::Away(format!("status {status}"))),
        }
    }
}

/// Puts a type's definition where the schema names it first; later uses stay names.
fn write_in(schema: &mut Value, name: &str, definition: &mut Option<Value>) {
    write_in_namespace(schema, name, definition, "");
}

fn write_in_namespace(schema: &mut Value, name: &str, definition: &mut Option<Value>, namespace: &str) {
    match schema {
        Value::String(used) if definition.is_some() => {
            let qualified = !used.contains('.') && !namespace.is_empty() && format!("{namespace}.{used}") == name;
            if used == name || qualified {
                *schema = definition.take().unwrap_or_default();
            }
        }
        Value::Array(branches) => {
            for branch in branches {
                write_in_namespace(branch, name, definition, namespace);
            }
        }
        Value::Object(object) => {
            let own = object.get("namespace").and_then(Value::as_str).map(str::to_owned);
            let from_name = || {
                let (namespace, _) = object.get("name")?.as_str()?.rsplit_once('.')?;
                Some(namespace.to_owned())
            };
            let namespace = own.or_else(from_name).unwrap_or_else(|| namespace.to_owned());
            for key in ["type", "items", "values"] {
                if let Some(inner) = object.get_mut(key) {
                    write_in_namespace(inner, name, definition, &namespace);
                }
            }
            for field in object.get_mut("fields").and_then(Value::as_array_mut).into_iter().flatten() {
                if let Some(inner) = field.get_mut("type") {
                    write_in_namespace(inner, name, definition, &namespace);
                }
            }
        }
        _ => {}
    }
}

/// Subjects may hold any character.
fn percent_encoded(subject: &str) -> String {
    use std::fmt::Write;
    subject.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}
