//! Runs the ClickHouse front by itself: `front <libchdb.so> <data folder> <address:port>`.

use std::process::ExitCode;

use devstack::front::{FrontConfig, serve};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [lib, data_dir, listen] = arguments.as_slice() else {
        eprintln!("usage: front <libchdb.so> <data folder> <address:port>");
        return ExitCode::FAILURE;
    };
    let Ok(listen) = listen.parse() else {
        eprintln!("`{listen}` is no address and port, such as 127.0.0.1:8123");
        return ExitCode::FAILURE;
    };
    match serve(FrontConfig::new(lib.into(), data_dir.into(), listen)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
