use schemas::Command;
use schemas::command::encode_commands;
use std::sync::Arc;
use std::time::Duration;
use tokio::task;

use crate::sender::{Outgoing, Sender};
use crate::{KafkaConfig, Result, StreamError, TopicInfo};
use rdkafka::producer::Producer as _;

/// The log has one partition.
pub(super) const PARTITION: i32 = 0;

/// A message's size, about: small enough for any broker, large enough that packing costs nothing.
const MESSAGE_BYTES: usize = 512 * 1024;
/// So many commands are tried in one message first.
const MESSAGE_COMMANDS: usize = 4096;

const WAIT: Duration = Duration::from_secs(15);

/// Appends to the identity log. Cheap to clone.
#[derive(Clone)]
pub struct LogProducer {
    sender: Sender,
    topic: Arc<str>,
}

impl LogProducer {
    /// For this log.
    pub fn new(config: &KafkaConfig, topic: &TopicInfo) -> Result<Self> {
        if topic.partitions != 1 {
            return Err(StreamError::Config(format!(
                "topic `{}` has {} partitions: the identity log must have one, which is its order",
                topic.name, topic.partitions
            )));
        }
        Ok(Self { sender: Sender::new(config)?, topic: Arc::clone(&topic.name) })
    }

    /// Appends the commands, many to a message, and waits for the broker; the offset of the last message. Retried as
    /// long as it takes; a command may then be in the log twice, which changes nothing.
    pub async fn append(&self, commands: &[Command]) -> Result<Option<i64>> {
        let messages = pack(commands, MESSAGE_BYTES).into_iter().map(|payload| Outgoing {
            topic: Arc::clone(&self.topic),
            partition: Some(PARTITION),
            key: None,
            payload: Some(payload),
            headers: None,
        });
        let offsets = self.sender.send_all(messages).await?;
        Ok(offsets.into_iter().max())
    }

    /// The log's exclusive end now.
    pub async fn end_offset(&self) -> Result<i64> {
        self.ends().await.map(|(_, end)| end)
    }

    /// Lowest offset and exclusive end.
    pub async fn ends(&self) -> Result<(i64, i64)> {
        let (producer, topic) = (self.sender.native(), Arc::clone(&self.topic));
        task::spawn_blocking(move || {
            producer
                .client()
                .fetch_watermarks(&topic, PARTITION, WAIT)
                .map_err(StreamError::kafka("read the ends of the identity log"))
        })
        .await
        .unwrap_or(Err(StreamError::Closed))
    }
}

/// Messages of at most about `limit_bytes` that hold the commands in order.
fn pack(commands: &[Command], limit_bytes: usize) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    for commands in commands.chunks(MESSAGE_COMMANDS) {
        pack_into(commands, limit_bytes, &mut messages);
    }
    messages
}

fn pack_into(commands: &[Command], limit_bytes: usize, messages: &mut Vec<Vec<u8>>) {
    let message = encode_commands(commands);
    if message.len() <= limit_bytes || commands.len() <= 1 {
        return messages.push(message);
    }
    let (first, second) = commands.split_at(commands.len() / 2);
    pack_into(first, limit_bytes, messages);
    pack_into(second, limit_bytes, messages);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use schemas::command::decode_commands;

    fn rules(length: usize) -> Command {
        Command::Rules { hash: [7; 16], rules_json: "x".repeat(length) }
    }

    #[test]
    fn nothing_is_no_message() {
        assert!(pack(&[], 100).is_empty());
    }

    proptest! {
        #[test]
        fn keeps_every_command_in_order_and_messages_small(
            lengths in prop::collection::vec(0usize..300, 1..60),
            limit in 200usize..2000,
        ) {
            let commands: Vec<Command> = lengths.into_iter().map(rules).collect();
            let mut unpacked = Vec::new();
            for message in pack(&commands, limit) {
                let inside = decode_commands(&message).unwrap();
                prop_assert!(message.len() <= limit || inside.len() == 1);
                unpacked.extend(inside);
            }
            prop_assert_eq!(unpacked, commands);
        }
    }
}
