use parking_lot::Mutex;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;

/// Sends librdkafka's log to ours, and remembers what it last complained of.
#[derive(Default)]
pub(crate) struct LogContext {
    complaint: Mutex<Option<String>>,
}

impl LogContext {
    /// Why the cluster cannot be reached, as far as librdkafka knows.
    pub(crate) fn complaint(&self) -> Option<String> {
        self.complaint.lock().clone()
    }
}

impl ClientContext for LogContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log_line(level as i32, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // Brokers away and the like: librdkafka reconnects by itself, and what waits for them says so.
        tracing::debug!(%error, reason, "Kafka client");
        let code = error.rdkafka_error_code();
        // "All brokers are down" comes last and says least.
        if code != Some(rdkafka::error::RDKafkaErrorCode::AllBrokersDown) {
            *self.complaint.lock() = Some(reason.to_owned());
        }
    }
}

impl ConsumerContext for LogContext {}

/// One line of librdkafka's log. `level` is syslog's.
pub(crate) fn log_line(level: i32, facility: &str, text: &str) {
    match level {
        0..=4 => tracing::warn!(facility, "Kafka client: {text}"),
        5..=6 => tracing::info!(facility, "Kafka client: {text}"),
        _ => tracing::debug!(facility, "Kafka client: {text}"),
    }
}
