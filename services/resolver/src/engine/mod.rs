//! The machine that every pipeline runs on: a topic read in batches, stages, rows acknowledged by ClickHouse, offsets
//! committed last. `pipeline` says what a pipeline must be able to do, `partition` runs it on one partition, `group`
//! starts and stops partitions as the consumer group deals them out.

mod pipeline;
mod group;
mod partition;
mod collector;
mod cpu;
mod stuck;

pub(crate) use collector::Limits;
pub(crate) use cpu::Cpu;
pub(crate) use group::{Group, GroupSettings};
pub(crate) use pipeline::{Assignment, Pipeline, SendMode};
pub(crate) use stuck::Stuck;
