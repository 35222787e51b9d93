//! Touchpoints to credits, one file per model. Pure.
