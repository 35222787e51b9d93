//! Logs that can be anything.

use super::knobs::{self, Knobs};
use super::oracle::{DAY_MS, World, link, rules_command};
use proptest::collection::vec;
use proptest::prelude::*;
use schemas::{Command, Identifier};

/// `type:value`.
pub(crate) type Name = String;

#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Edges of one record, which happened so many days ago.
    Link(Vec<(Name, Name)>, i64),
    Merge(Name, Name),
    Unlink(Name, Name),
    Allow(Name, Name),
    Split(Name),
    Share(Name),
    Unshare(Name),
    Erase(Name, bool),
    Rules(Box<Knobs>),
}

/// One message of the log, so many days after the one before.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) days: i64,
    pub(crate) steps: Vec<Step>,
}

/// What a log consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mix {
    /// Links alone.
    Links,
    /// Every command that operators have, now and then.
    Operators,
    /// The same with many erasures.
    Erasure,
    /// The same with changes of the rules.
    Rules,
}

impl Message {
    /// Lets the days pass in the world and gives the message's commands. Names of types that are not configured are left
    /// out.
    pub(crate) fn commands(&self, world: &mut World) -> Vec<Command> {
        world.pass_days(self.days);
        // Types are only ever added.
        let mut has_union_ids = world.hasher.rules().type_index("wechat_unionid").is_some();
        let mut commands = Vec::new();
        for step in &self.steps {
            if let Step::Rules(knobs) = step {
                has_union_ids |= knobs.union_ids;
                commands.push(rules_command(Knobs { union_ids: has_union_ids, ..(**knobs).clone() }.rules()));
            } else {
                commands.extend(command(world, step));
            }
        }
        commands
    }
}

fn command(world: &World, step: &Step) -> Option<Command> {
    let id = |name: &Name| -> Option<Identifier> {
        let kind = name.split(':').next()?;
        world.hasher.rules().type_index(kind).map(|_| world.id(name))
    };
    Some(match step {
        Step::Link(edges, days_ago) => {
            let edges: Vec<_> = edges.iter().filter_map(|(a, b)| Some((id(a)?, id(b)?))).collect();
            link(&edges, world.now_ms - days_ago * DAY_MS)
        }
        Step::Merge(a, b) => Command::Merge { a: id(a)?, b: id(b)?, note: "".into() },
        Step::Unlink(a, b) => Command::Unlink { a: id(a)?, b: id(b)?, note: "".into() },
        Step::Allow(a, b) => Command::Allow { a: id(a)?, b: id(b)?, note: "".into() },
        Step::Split(of) => Command::Split { of: id(of)?, note: "".into() },
        Step::Share(of) => Command::Share { of: id(of)?, note: "".into() },
        Step::Unshare(of) => Command::Unshare { of: id(of)?, note: "".into() },
        Step::Erase(of, suppress) => Command::Erase { of: id(of)?, suppress: *suppress, note: "".into() },
        Step::Rules(_) => return None,
    })
}

fn name(values: u8) -> impl Strategy<Value = Name> {
    let kinds = prop_oneof![
        6 => Just("user_id"), 6 => Just("loyalty_id"), 8 => Just("email"), 4 => Just("phone"), 10 => Just("anonymous_id"),
        1 => Just("transaction_id"), 1 => Just("wechat_unionid"),
    ];
    (kinds, 0..values).prop_map(|(kind, value)| format!("{kind}:{value}"))
}

fn step(mix: Mix, values: u8) -> impl Strategy<Value = Step> {
    let days_ago = prop_oneof![4 => Just(0i64), 2 => 0i64..5, 1 => 80i64..200, 1 => Just(-3i64)];
    let links = (vec((name(values), name(values)), 1..4), days_ago).prop_map(|(edges, days)| Step::Link(edges, days));
    let pair = || (name(values), name(values));
    let operator = prop_oneof![
        3 => pair().prop_map(|(a, b)| Step::Merge(a, b)),
        3 => pair().prop_map(|(a, b)| Step::Unlink(a, b)),
        2 => pair().prop_map(|(a, b)| Step::Allow(a, b)),
        1 => name(values).prop_map(Step::Split),
        1 => name(values).prop_map(Step::Share),
        2 => name(values).prop_map(Step::Unshare),
    ];
    let erase = (name(values), 0u8..8).prop_map(|(of, suppress)| Step::Erase(of, suppress == 0));
    let rules = knobs::any().prop_map(|knobs| Step::Rules(Box::new(knobs)));
    let (operators, erasures, rule_changes) = match mix {
        Mix::Links => (0, 0, 0),
        Mix::Operators => (10, 1, 0),
        Mix::Erasure => (6, 6, 0),
        Mix::Rules => (6, 1, 4),
    };
    prop_oneof![24 => links, operators => operator, erasures => erase, rule_changes => rules]
}

pub(crate) fn message(mix: Mix, values: u8) -> impl Strategy<Value = Message> {
    let days = prop_oneof![6 => Just(0i64), 2 => 1i64..4, 1 => Just(50i64), 1 => Just(120i64)];
    (days, vec(step(mix, values), 1..4)).prop_map(|(days, steps)| Message { days, steps })
}

pub(crate) fn log(mix: Mix, values: u8, messages: usize) -> impl Strategy<Value = Vec<Message>> {
    vec(message(mix, values), 1..messages)
}

/// A batch of records: each with its names and how many days ago it happened.
pub(crate) fn records(values: u8) -> impl Strategy<Value = Vec<(Vec<Name>, i64)>> {
    let days_ago = prop_oneof![3 => Just(0i64), 1 => 0i64..150];
    vec((vec(name(values), 1..5), days_ago), 1..6)
}
