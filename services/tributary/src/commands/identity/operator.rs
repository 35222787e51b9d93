//! `tributary identity merge|unlink|allow|split|share|unshare|erase`

use anyhow::ensure;
use identity::Graph;
use schemas::{Command, Identifier, Key, Text};
use std::process::ExitCode;

use super::confirm::confirm;
use super::names::Names;
use super::replica::Replica;
use super::report::Report;
use super::view;
use crate::cli::{EraseArgs, IdentityAction, OneArgs, OperatorArgs, PairArgs, SplitArgs, Target};
use crate::config::Config;

/// Longer ones belong into a ticket.
const MAX_NOTE_BYTES: usize = 500;

/// Makes the command of its identifiers and its note.
type Build = Box<dyn FnOnce(&[Identifier], Text) -> Command + Send>;

/// A command that is not resolved yet.
struct Order {
    operator: OperatorArgs,
    targets: Vec<Target>,
    /// Asked before, unless it is a dry run.
    question: Option<&'static str>,
    yes: bool,
    build: Build,
}

/// Tells the graph, or only tries.
pub(super) async fn run(config: Config, action: IdentityAction) -> anyhow::Result<ExitCode> {
    let Some(order) = order(action) else {
        unreachable!("the other commands are answered elsewhere");
    };
    let note = order.operator.note.clone().unwrap_or_default();
    check_note(&note, &order.targets)?;
    let replica = Replica::follow(&config).await?;
    replica.require_log()?;
    let mut names = Names::new(replica.hasher());
    let identifiers = order.targets.iter().map(|target| names.resolve(&replica.graph, target));
    let identifiers = identifiers.collect::<anyhow::Result<Vec<Identifier>>>()?;
    if let [a, b] = identifiers.as_slice() {
        ensure!(a.key != b.key, "both are the same identifier");
    }
    for (target, identifier) in order.targets.iter().zip(&identifiers) {
        refuse_the_past(&replica.graph, target, *identifier)?;
    }
    let command = (order.build)(&identifiers, note.into());
    if order.operator.dry_run {
        let change = replica.try_out(&command).await?;
        return Report::new(&command, None, &change, &names).print(order.operator.json);
    }
    if let Some(question) = order.question {
        let customer = replica.graph.members(replica.graph.resolve(identifiers[0].key).identity_key);
        let question =
            format!("{question} customer {} with {} identifiers?", customer.customer_id, customer.keys.len());
        ensure!(confirm(&question, order.yes)?, "nothing was written");
    }
    let (offset, change) = replica.append(command.clone()).await?;
    Report::new(&command, Some(offset), &change, &names).print(order.operator.json)
}

fn order(action: IdentityAction) -> Option<Order> {
    let pair = |args: PairArgs, build: fn(Identifier, Identifier, Text) -> Command| Order {
        operator: args.operator,
        targets: vec![args.a, args.b],
        question: None,
        yes: false,
        build: Box::new(move |ids, note| build(ids[0], ids[1], note)),
    };
    let one = |args: OneArgs, build: fn(Identifier, Text) -> Command| Order {
        operator: args.operator,
        targets: vec![args.identifier],
        question: None,
        yes: false,
        build: Box::new(move |ids, note| build(ids[0], note)),
    };
    Some(match action {
        IdentityAction::Merge(args) => pair(args, |a, b, note| Command::Merge { a, b, note }),
        IdentityAction::Unlink(args) => pair(args, |a, b, note| Command::Unlink { a, b, note }),
        IdentityAction::Allow(args) => pair(args, |a, b, note| Command::Allow { a, b, note }),
        IdentityAction::Share(args) => one(args, |of, note| Command::Share { of, note }),
        IdentityAction::Unshare(args) => one(args, |of, note| Command::Unshare { of, note }),
        IdentityAction::Split(SplitArgs { identifier, yes, operator }) => Order {
            question: Some("Take apart"),
            yes,
            ..one(OneArgs { identifier, operator }, |of, note| Command::Split { of, note })
        },
        IdentityAction::Erase(EraseArgs { identifier, suppress, yes, operator }) => Order {
            operator,
            targets: vec![identifier],
            question: Some("Forget"),
            yes,
            build: Box::new(move |ids, note| Command::Erase { of: ids[0], suppress, note }),
        },
        _ => return None,
    })
}

/// Commands act on identifiers. The key of a closed generation, copied from a stored row, is another customer's past, so
/// that an erasure by it would forget the wrong one.
fn refuse_the_past(graph: &Graph, target: &Target, identifier: Identifier) -> anyhow::Result<()> {
    let Target::Key(uuid) = target else {
        return Ok(());
    };
    let key = Key(uuid.as_u128());
    let (generation, closed) = view::generation_of(graph, key);
    let belongs_to = graph.resolve_identity(key).customer_id;
    // The first generation's key is the identifier's own name; it is ambiguous only when it is somebody's past.
    let present = graph.resolve(identifier.key).customer_id;
    ensure!(
        !closed || belongs_to == present,
        "{key} is generation {generation} of its identifier, which is closed: its records belong to customer {belongs_to}, \
         the identifier itself to {present} by now; name an identifier of the customer you mean \
         (`tributary identity customer {belongs_to}`), or type:value"
    );
    Ok(())
}

/// PR-1: the log holds no raw values, in notes neither.
fn check_note(note: &str, targets: &[Target]) -> anyhow::Result<()> {
    ensure!(note.len() <= MAX_NOTE_BYTES, "the note has {} bytes, expected at most {MAX_NOTE_BYTES}", note.len());
    let folded = note.to_lowercase();
    let holds_value = targets.iter().any(|target| match target {
        Target::Value { value, .. } => value.trim().len() > 3 && folded.contains(&value.trim().to_lowercase()),
        Target::Key(_) => false,
    });
    let address =
        |word: &str| word.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'));
    ensure!(
        !holds_value && !note.split_whitespace().any(address),
        "the note names a person, by an e-mail address or the identifier itself: it stays in the log for ever"
    );
    ensure!(!note.chars().any(char::is_control), "the note holds a control character, expected one line of text");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_name_nobody() {
        let targets = ["email:jane@example.com".parse().unwrap(), "user_id:42".parse().unwrap()];
        for fine in ["", "jo: ticket 812, typo at the till", "user 42 twice", "asked @jo"] {
            check_note(fine, &targets).unwrap();
        }
        for refused in ["two\nlines", "it is JANE@example.com", "mail to (other@shop.example)", &"x".repeat(501)] {
            assert!(check_note(refused, &targets).is_err(), "{refused}");
        }
    }
}
