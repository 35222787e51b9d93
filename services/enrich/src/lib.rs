//! Campaign, channel, agent, session: what an event means for marketing. Pure.
