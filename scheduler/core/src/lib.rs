//! The scheduler's pure mind: State, Command, apply, plan, views.
