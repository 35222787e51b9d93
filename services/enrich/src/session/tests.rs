use proptest::prelude::*;

use super::*;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
/// 30 min before a midnight (UTC).
const T: i64 = 1_740_268_800_000 - 30 * MINUTE;

#[derive(Debug, Clone)]
struct Given {
    key: u128,
    id: String,
    time: i64,
    append: i64,
    campaign: Option<u64>,
}

fn at(minutes: i64, campaign: Option<u64>) -> Given {
    let time = T + minutes * MINUTE;
    Given { key: 1, id: format!("e{minutes}"), time, append: time, campaign }
}

fn advance(state: &mut SessionState, given: &Given, config: &SessionConfig) -> (Session, Option<TouchKind>) {
    let visit = Visit {
        anonymous_key: Key(given.key),
        event_id: &given.id,
        event_time_ms: given.time,
        append_time_ms: given.append,
        campaign_hash: given.campaign,
    };
    state.advance(&visit, config)
}

/// Runs events through one state and shows for each the number of its session, in order of appearance, and its touch:
/// `s` session start, `c` campaign change, `-` none.
fn run(events: &[Given], config: &SessionConfig) -> String {
    let mut state = SessionState::default();
    let mut ids: Vec<Key> = Vec::new();
    let shown = events.iter().map(|event| {
        let (session, touch) = advance(&mut state, event, config);
        let number = ids.iter().position(|id| *id == session.id).unwrap_or_else(|| {
            ids.push(session.id);
            ids.len() - 1
        });
        let touch = match touch {
            Some(TouchKind::SessionStart) => "s",
            Some(TouchKind::CampaignChange) => "c",
            Some(TouchKind::Form) => "form",
            None => "-",
        };
        format!("{number}{touch}")
    });
    shown.collect::<Vec<_>>().join(" ")
}

#[test]
fn visits_end_after_half_an_hour_without_events() {
    let config = SessionConfig::default();
    assert_eq!(run(&[at(0, None), at(30, None), at(60, None)], &config), "0s 0- 0-", "and not at midnight");
    assert_eq!(run(&[at(0, None), at(31, None)], &config), "0s 1s");
    let exactly = [at(0, None), Given { time: T + 30 * MINUTE + 1, ..at(30, None) }];
    assert_eq!(run(&exactly, &config), "0s 1s");
    let short = SessionConfig { inactivity_minutes: 5, ..config };
    assert_eq!(run(&[at(0, None), at(5, None), at(11, None)], &short), "0s 0- 1s");
}

#[test]
fn a_new_campaign_is_a_new_touch() {
    let config = SessionConfig::default();
    let events = [at(0, Some(7)), at(1, Some(7)), at(2, None), at(3, Some(8)), at(4, Some(7)), at(5, Some(7))];
    assert_eq!(run(&events, &config), "0s 0- 0- 0c 0c 0-");
    let direct = [at(0, None), at(1, Some(7)), at(2, None)];
    assert_eq!(run(&direct, &config), "0s 0c 0-");
    let split = SessionConfig { split_on_campaign: true, ..config };
    assert_eq!(run(&events, &split), "0s 0- 0- 1s 2s 2-");
}

#[test]
fn events_out_of_order_join_within_the_window() {
    let config = SessionConfig::default();
    assert_eq!(run(&[at(20, None), at(0, None), at(-30, None), at(50, None)], &config), "0s 0- 0- 0-");
    assert_eq!(run(&[at(60, None), at(29, None), at(61, None)], &config), "0s 1s 2s", "an older visit starts another");
    let mut state = SessionState::default();
    advance(&mut state, &at(20, None), &config);
    let (session, _) = advance(&mut state, &at(0, None), &config);
    assert_eq!((session.started_at_ms, session.last_event_ms), (T, T + 20 * MINUTE));
}

#[test]
fn visitors_do_not_mix_and_ids_are_pinned() {
    let config = SessionConfig::default();
    let other = Given { key: 2, ..at(1, None) };
    assert_eq!(run(&[at(0, None), other, at(2, None)], &config), "0s 1s 0-");
    assert_eq!(session_id(Key(1), "e0").to_string(), "9a795d5e-cb67-de57-584d-6da6b85cef50");
    assert_ne!(session_id(Key(1), "e0"), session_id(Key(2), "e0"));
}

#[test]
fn a_visitor_is_forgotten_by_append_time() {
    let config = SessionConfig::default();
    let late = |append| Given { append, time: T + MINUTE, ..at(1, None) };
    assert_eq!(run(&[at(0, None), late(T + 24 * HOUR)], &config), "0s 0-");
    assert_eq!(run(&[at(0, None), late(T + 24 * HOUR + 1)], &config), "0s 1s");
}

#[test]
fn the_sweep_bounds_memory_and_changes_nothing() {
    let config = SessionConfig::default();
    let mut state = SessionState::default();
    let mut largest = 0;
    for index in 0..60_000u32 {
        let time = T + i64::from(index) * 30_000;
        let given = Given { key: u128::from(index) + 10, id: String::new(), time, append: time, campaign: None };
        advance(&mut state, &given, &config);
        largest = largest.max(state.len());
    }
    // 25 h of append times hold 3,000 visitors.
    assert!(largest <= 6_002, "{largest}");
    assert!(!state.is_empty());
}

#[test]
fn the_extremes_of_time_are_safe() {
    let config = SessionConfig { inactivity_minutes: u32::MAX, horizon_hours: u32::MAX, ..SessionConfig::default() };
    for time in [i64::MIN, 0, i64::MAX] {
        for append in [i64::MIN, 0, i64::MAX] {
            let event = Given { time, append, ..at(0, None) };
            run(&[at(0, None), event.clone(), at(1, None), event], &config);
        }
    }
}

/// Few visitors, times that jump forth and back across every boundary, append times that ascend.
fn streams() -> impl Strategy<Value = Vec<Given>> {
    let step = (0..4u128, -90..90i64, 0..3 * HOUR, prop::option::of(1..4u64));
    prop::collection::vec(step, 0..60).prop_map(|steps| {
        let mut append = T;
        let event = |(index, (key, jump, wait, campaign)): (usize, (u128, i64, i64, Option<u64>))| {
            append += wait * i64::from(index % 7 == 0);
            Given { key, id: format!("e{index}"), time: append + jump * MINUTE, append, campaign }
        };
        steps.into_iter().enumerate().map(event).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    /// Whoever takes over at any point, from the last stored row of each visitor that the horizon lets it read, computes
    /// what the first owner would have.
    #[test]
    fn a_restored_owner_computes_the_same(events in streams(), cut in any::<prop::sample::Index>(), split in any::<bool>()) {
        let config = SessionConfig { split_on_campaign: split, ..SessionConfig::default() };
        let cut = cut.index(events.len() + 1);
        let mut first = SessionState::default();
        let mut stored: Vec<SessionRow> = Vec::new();
        for event in &events[..cut] {
            let (session, _) = advance(&mut first, event, &config);
            stored.push(SessionRow { anonymous_key: Key(event.key), session, last_append_ms: event.append });
        }
        let next_append = events.get(cut).map_or(i64::MIN, |event| event.append);
        let oldest = next_append.saturating_sub(config.horizon_ms());
        let last_rows = (0..4).filter_map(|key| stored.iter().rev().find(|row| row.anonymous_key == Key(key)).copied());
        let mut second = SessionState::restore(last_rows.filter(|row| row.last_append_ms >= oldest));
        for event in &events[cut..] {
            prop_assert_eq!(advance(&mut first, event, &config), advance(&mut second, event, &config));
        }
    }

    /// What a row says is consistent in itself.
    #[test]
    fn rows_are_consistent(events in streams()) {
        let config = SessionConfig::default();
        let mut state = SessionState::default();
        for event in &events {
            let (session, touch) = advance(&mut state, event, &config);
            prop_assert!(session.started_at_ms <= event.time && event.time <= session.last_event_ms);
            prop_assert!(session.id != Key::NIL);
            if touch == Some(TouchKind::SessionStart) {
                prop_assert_eq!(session.id, session_id(Key(event.key), &event.id));
                prop_assert_eq!((session.started_at_ms, session.last_event_ms), (event.time, event.time));
            }
            if let Some(campaign) = event.campaign {
                prop_assert_eq!(session.touch_hash, campaign);
            }
        }
    }
}
