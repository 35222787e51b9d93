//! Six questions that analysts ask, each a file of SQL.

/// A question, and the query that answers it.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    /// For people.
    pub title: &'static str,
    /// What they can paste into `tributary sql`.
    pub sql: &'static str,
}

/// The questions, in the order in which the demo asks them.
pub const QUESTIONS: [Question; 6] = [
    Question {
        title: "Which channels bring revenue? Linear and last click side by side",
        sql: include_str!("questions/1_channels.sql"),
    },
    Question {
        title: "Who looked at the prices and never bought?",
        sql: include_str!("questions/2_pricing.sql"),
    },
    Question { title: "How many carts were left behind?", sql: include_str!("questions/3_carts.sql") },
    Question {
        title: "One customer's whole timeline, across every source",
        sql: include_str!("questions/4_timeline.sql"),
    },
    Question {
        title: "What could not be stored, and why?",
        sql: include_str!("questions/5_dead_letters.sql"),
    },
    Question {
        title: "What did identity resolution do, and what did it refuse?",
        sql: include_str!("questions/6_identity.sql"),
    },
];
