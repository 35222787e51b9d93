//! `/metrics`, `/healthz`, `/readyz` and `/status` of this process.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use std::sync::Arc;
use tokio::net::TcpListener;

use crate::health::Health;
use crate::{HttpConfig, ResolverError, Result, Shutdown};

/// Opens the port and serves until told to stop.
pub(crate) async fn serve(
    config: &HttpConfig,
    prometheus: PrometheusHandle,
    health: Arc<Health>,
    shutdown: Shutdown,
) -> Result<()> {
    let address = config.listen;
    let listener = TcpListener::bind(address).await.map_err(|source| ResolverError::Listen { address, source })?;
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "metrics and health");
    }
    let router = Router::new()
        .route("/metrics", get(async move || prometheus.render()))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/status", get(async |State(health): State<Arc<Health>>| Json(health.report())))
        .with_state(health);
    tokio::spawn(async move {
        let served = axum::serve(listener, router).with_graceful_shutdown(async move { shutdown.stopping().await });
        if let Err(error) = served.await {
            tracing::error!(%error, "the port for metrics and health closed");
        }
    });
    Ok(())
}

async fn ready(State(health): State<Arc<Health>>) -> impl IntoResponse {
    let obstacles = health.obstacles();
    if obstacles.is_empty() {
        (StatusCode::OK, "ready\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, obstacles.join("\n") + "\n")
    }
}
