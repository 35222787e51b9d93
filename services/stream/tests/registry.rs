//! The schema registry's client against a server that answers what it is told to.

#![allow(clippy::unwrap_used, reason = "a test's failure is a panic")]

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use stream::{RegistryConfig, SchemaRegistry, StreamError};

/// A server on a free port: the answers in turn, and the requests it got.
struct Server {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

fn serve(answers: &[(u16, &str)]) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    let mut answers: VecDeque<(u16, String)> = answers.iter().map(|(s, b)| (*s, (*b).to_owned())).collect();
    std::thread::spawn(move || {
        while let Some((status, body)) = answers.pop_front() {
            let Ok((mut stream, _)) = listener.accept() else {
                return;
            };
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let head: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
            seen.lock().unwrap().push(head.join("\n").to_lowercase());
            let length = body.len();
            write!(stream, "HTTP/1.1 {status} x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
                .unwrap();
        }
    });
    Server { url, requests }
}

impl Server {
    fn client(&self) -> SchemaRegistry {
        let config = RegistryConfig {
            url: Some(self.url.clone()),
            username: Some("me".to_owned()),
            password: Some("secret".to_owned()),
        };
        assert!(!format!("{config:?}").contains("secret"));
        SchemaRegistry::new(&config).unwrap().unwrap()
    }

    fn asked(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

#[tokio::test]
async fn a_schema_is_fetched_once_with_credentials() {
    let server = serve(&[(200, r#"{"schema":"{\"type\":\"string\"}"}"#)]);
    let registry = server.client();
    for _ in 0..3 {
        assert_eq!(registry.schema(7).await.unwrap().as_deref(), Some(r#"{"type":"string"}"#));
    }
    assert_eq!(server.asked(), 1);
    let request = server.requests.lock().unwrap()[0].clone();
    assert!(request.starts_with("get /schemas/ids/7 "), "{request}");
    // "me:secret" in Base64, lower case like the rest.
    assert!(request.contains("authorization: basic bwu6c2vjcmv0"), "{request}");
}

#[tokio::test]
async fn a_registry_that_is_away_is_asked_again() {
    let server =
        serve(&[(500, "oops"), (404, "<html>a proxy</html>"), (200, "not json"), (200, r#"{"schema":"\"long\""}"#)]);
    let registry = server.client();
    assert_eq!(registry.schema(1).await.unwrap().as_deref(), Some("\"long\""));
    assert_eq!(server.asked(), 4);
}

#[tokio::test]
async fn an_unknown_id_and_a_schema_that_is_no_avro_are_none_and_not_asked_for_again_soon() {
    let server = serve(&[
        (404, r#"{"error_code":40403,"message":"Schema not found"}"#),
        (200, r#"{"schemaType":"PROTOBUF","schema":"syntax"}"#),
    ]);
    let registry = server.client();
    for _ in 0..3 {
        assert_eq!(registry.schema(1).await.unwrap(), None);
    }
    assert_eq!(registry.schema(2).await.unwrap(), None);
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn wrong_credentials_are_an_error() {
    let server = serve(&[(401, "")]);
    let error = server.client().schema(1).await.unwrap_err();
    assert!(matches!(error, StreamError::Registry(_)), "{error}");
}

#[tokio::test]
async fn types_of_other_subjects_are_written_in_where_they_are_first_used() {
    let server = serve(&[
        (
            200,
            r#"{"schema":"{\"type\":\"record\",\"name\":\"Order\",\"namespace\":\"shop\",\"fields\":[{\"name\":\"a\",\"type\":[\"null\",\"Address\"]},{\"name\":\"b\",\"type\":\"shop.Address\"}]}","references":[{"name":"shop.Address","subject":"shop/address","version":3}]}"#,
        ),
        (
            200,
            r#"{"subject":"shop/address","id":9,"version":3,"schema":"{\"type\":\"record\",\"name\":\"Address\",\"namespace\":\"shop\",\"fields\":[]}"}"#,
        ),
    ]);
    let schema = server.client().schema(5).await.unwrap().unwrap();
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    assert_eq!(schema["fields"][0]["type"][1]["name"], "Address");
    assert_eq!(schema["fields"][1]["type"], "shop.Address");
    assert!(server.requests.lock().unwrap()[1].starts_with("get /subjects/shop%2faddress/versions/3 "));
}

#[tokio::test]
async fn a_registry_that_does_not_listen_is_waited_for() {
    let config = RegistryConfig { url: Some("http://127.0.0.1:9".to_owned()), ..Default::default() };
    let registry = SchemaRegistry::new(&config).unwrap().unwrap();
    assert!(tokio::time::timeout(Duration::from_secs(1), registry.schema(1)).await.is_err());
}

#[test]
fn none_configured_is_none_and_a_url_must_be_one() {
    assert!(SchemaRegistry::new(&RegistryConfig::default()).unwrap().is_none());
    let config = RegistryConfig { url: Some("registry:8081".to_owned()), ..Default::default() };
    assert!(SchemaRegistry::new(&config).is_err());
}
