//! A TCP proxy in front of ClickHouse that breaks connections at chosen moments: the fault injector.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Nothing of the request reaches the server.
    BeforeRequest,
    /// The server gets the head and a part of the body.
    InBody,
    /// The server gets everything, the answer does not come back.
    BeforeResponse,
    /// Nothing of the request reaches the server, and no connection is taken for a while.
    Outage,
}

struct Fault {
    cut: Cut,
    table: String,
    times: u32,
}

#[derive(Clone)]
pub struct Proxy {
    address: SocketAddr,
    fault: Arc<Mutex<Option<Fault>>>,
    cuts: Arc<Mutex<u32>>,
    closing: Arc<Notify>,
}

impl Proxy {
    pub async fn start(upstream_url: &str) -> Self {
        let upstream = upstream_url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            address: listener.local_addr().unwrap(),
            fault: Arc::default(),
            cuts: Arc::default(),
            closing: Arc::default(),
        };
        let task = proxy.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (proxy, upstream) = (task.clone(), upstream.clone());
                tokio::spawn(async move { proxy.serve(client, &upstream).await });
            }
        });
        proxy
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Cuts the next `times` inserts into a table.
    pub fn arm(&self, cut: Cut, table: &str, times: u32) {
        *self.fault.lock().unwrap() = Some(Fault { cut, table: table.to_owned(), times });
        *self.cuts.lock().unwrap() = 0;
    }

    pub fn cuts(&self) -> u32 {
        *self.cuts.lock().unwrap()
    }

    /// Closes every open connection.
    pub fn close_all(&self) {
        self.closing.notify_waiters();
    }

    fn fault_for(&self, request: &[u8]) -> Option<Cut> {
        let text = String::from_utf8_lossy(request);
        let mut armed = self.fault.lock().unwrap();
        let fault = armed.as_mut()?;
        let insert = text.contains("INSERT+INTO") && text.contains(&format!(".{}+%28", fault.table));
        if !insert || fault.times == 0 {
            return None;
        }
        fault.times -= 1;
        *self.cuts.lock().unwrap() += 1;
        Some(fault.cut)
    }

    async fn serve(&self, mut client: TcpStream, upstream: &str) {
        let Ok(mut server) = TcpStream::connect(upstream).await else {
            return;
        };
        let (mut from_client, mut from_server) = (vec![0; 1 << 20], vec![0; 1 << 20]);
        let mut drop_answer = false;
        loop {
            tokio::select! {
                _ = self.closing.notified() => return,
                read = client.read(&mut from_client) => {
                    let Ok(len @ 1..) = read else { return };
                    let request = &from_client[..len];
                    match self.fault_for(request) {
                        Some(Cut::BeforeRequest) => return,
                        Some(Cut::Outage) => {
                            tokio::time::sleep(Duration::from_millis(300)).await;
                            return;
                        }
                        Some(Cut::InBody) => {
                            let head = request.windows(4).position(|w| w == b"\r\n\r\n").map_or(len, |at| at + 4);
                            let _ = server.write_all(&request[..head + (len - head) / 2]).await;
                            tokio::time::sleep(Duration::from_millis(50)).await;
                            return;
                        }
                        Some(Cut::BeforeResponse) => drop_answer = true,
                        None => {}
                    }
                    if server.write_all(request).await.is_err() { return }
                }
                read = server.read(&mut from_server) => {
                    let Ok(len @ 1..) = read else { return };
                    if drop_answer { return }
                    if client.write_all(&from_server[..len]).await.is_err() { return }
                }
            }
        }
    }
}
